"""Members, invitations and groups by API."""

import pytest
from django.core import mail

from accounts.models import User
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.models import Invitation, Membership
from tenants.services.members import set_project_role
from tests.accounts.api.stage import organization_key, with_key
from tests.api.calls import Caller, by
from tests.people import Tenant
from tests.tenants.stage import events

ACME = "/organizations/acme"


def member_id(tenant: Tenant, name: str) -> str:
    with tenant_scope(tenant.organization):
        return str(tenant.membership(name).pk)


def role_id(tenant: Tenant, key: str) -> str:
    with tenant_scope(tenant.organization):
        return str(tenant.role(key).pk)


def key_of(tenant: Tenant, *scopes: str) -> Caller:
    return with_key(organization_key(tenant, *scopes).secret)


def test_a_stranger_changes_no_member(acme: Tenant, stranger: User) -> None:
    caller, path = by(stranger), f"{ACME}/members/{member_id(acme, 'viewer')}"
    for response in (caller.get(path), caller.delete(path), caller.patch(path, {"is_active": False})):
        assert response.status_code == 404
    elsewhere = path.replace("acme", "globex")
    for response in (caller.get(elsewhere), caller.delete(elsewhere), caller.patch(elsewhere, {"is_active": False})):
        assert response.status_code == 404
    with tenant_scope(acme.organization):
        assert acme.membership("viewer").is_active


@pytest.mark.parametrize("door", ["session", "key"])
def test_a_member_is_changed_and_removed(door: str, acme: Tenant) -> None:
    scopes = ["members:read", "members:manage", "organization:read", "roles:read", "projects:read", "groups:read"]
    scopes += ["traces:read", "prompts:read", "datasets:read", "scores:read", "evaluations:read", "dashboards:read"]
    scopes += ["traces:write", "prompts:write", "datasets:write", "scores:write", "evaluations:write"]
    scopes += ["dashboards:write", "api_keys:read", "provider_credentials:read", "service_accounts:read"]
    scopes += ["llm:invoke", "usage:read"]
    caller = by(acme.owner) if door == "session" else key_of(acme, *scopes)
    path = f"{ACME}/members/{member_id(acme, 'viewer')}"
    response = caller.patch(path, {"role": role_id(acme, "member"), "is_active": False})
    assert (response.status_code, response.json().get("is_active")) == (200, False), response.json()
    assert response.json()["role"]["key"] == "member"
    assert caller.get(path).json() == response.json()
    assert caller.delete(f"{path}?reason=Left").status_code == 204
    assert caller.get(path).status_code == 404
    (removed,) = events(acme, "member.removed")
    assert (removed.via, removed.reason) == ("api", "Left")
    assert removed.actor_kind == ("user" if door == "session" else "api_key")


def test_the_rules_of_the_console_hold_here_too(acme: Tenant) -> None:
    owner = f"{ACME}/members/{member_id(acme, 'owner')}"
    response = by(acme.owner).patch(owner, {"role": role_id(acme, "viewer")})
    assert (response.status_code, response.json()["code"]) == (409, "last_owner")
    assert by(acme.owner).delete(owner).json()["code"] == "last_owner"
    response = by(acme.admin).patch(owner, {"is_active": False})
    assert (response.status_code, response.json()["code"]) == (403, "above_own_permissions")
    key = key_of(acme, "members:manage", "members:read")
    response = key.patch(f"{ACME}/members/{member_id(acme, 'viewer')}", {"role": role_id(acme, "admin")})
    assert (response.status_code, response.json()["code"]) == (403, "above_own_permissions")


def test_people_leave_and_keys_cannot(acme: Tenant) -> None:
    assert by(acme.none).post(f"{ACME}/leave").status_code == 204
    assert by(acme.none).get(ACME).status_code == 404
    assert by(acme.owner).post(f"{ACME}/leave").json()["code"] == "last_owner"
    assert key_of(acme, "members:manage").post(f"{ACME}/leave").json()["code"] == "person_only"


@pytest.mark.parametrize("door", ["session", "key"])
def test_an_invitation_lives_its_life(door: str, acme: Tenant) -> None:
    caller = by(acme.owner) if door == "session" else key_of(acme, "members:invite", "members:read")
    body = {"email": "Grace@Acme.example", "role": role_id(acme, "none")}
    response = caller.post(f"{ACME}/invitations", body)
    assert response.status_code == 201, response.json()
    made = response.json()
    assert (made["email"], made["state"]) == ("grace@acme.example", "pending")
    assert made["invited_by"] == (
        None if door == "key" else {"id": str(acme.owner.pk), "email": acme.owner.email, "name": ""}
    )
    assert [message.to for message in mail.outbox] == [["grace@acme.example"]]
    path = f"{ACME}/invitations/{made['id']}"
    assert caller.get(path).json() == made
    assert caller.post(f"{ACME}/invitations", body).status_code == 409
    assert caller.post(f"{path}/resend").json()["sent_at"] > made["sent_at"]
    assert len(mail.outbox) == 2
    assert "/invitations/" in mail.outbox[1].body
    assert (
        caller.get(f"{ACME}/invitations?state=pending&email=grace@acme.example").json()["data"][0]["id"] == made["id"]
    )
    assert caller.delete(path).status_code == 204
    assert caller.get(path).json()["state"] == "revoked"
    assert caller.delete(path).status_code == 409
    for state in ("pending", "accepted", "expired"):
        assert caller.get(f"{ACME}/invitations?state={state}").json()["data"] == []


def test_a_refused_invitation_sends_no_mail(acme: Tenant) -> None:
    response = by(acme.owner).post(f"{ACME}/invitations", {"email": acme.viewer.email})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (409, "#/email")
    assert mail.outbox == []
    with tenant_scope(acme.organization):
        assert not Invitation.objects.exists()


def test_an_invitation_names_no_project_that_one_does_not_see(acme: Tenant) -> None:
    body = {"email": "grace@acme.example", "project": str(acme.project.pk), "project_role": role_id(acme, "viewer")}
    made = by(acme.owner).post(f"{ACME}/invitations", body).json()
    assert made["project"]["slug"] == "chatbot"
    with tenant_scope(acme.organization):
        hidden = {"project": acme.project, "role": acme.role("none"), "membership": acme.membership("viewer")}
        set_project_role(actor=SYSTEM, **hidden)
    assert by(acme.viewer).get(f"{ACME}/invitations/{made['id']}").json()["project"] is None


def test_a_group_with_its_members_and_roles(acme: Tenant) -> None:
    caller = by(acme.owner)
    group = caller.post(f"{ACME}/groups", {"name": "Crew"}).json()
    path = f"{ACME}/groups/{group['id']}"
    assert caller.post(f"{ACME}/groups", {"name": "crew"}).json()["code"] == "duplicate"
    assert caller.patch(path, {"description": "They sail."}).json()["name"] == "Crew"
    place = caller.post(f"{path}/members", {"member": member_id(acme, "none")})
    assert place.status_code == 201
    assert caller.get(path).json()["size"] == 1
    assert caller.get(f"{path}/members/{place.json()['id']}").json() == place.json()
    role = caller.post(f"{path}/roles", {"role": role_id(acme, "viewer"), "project": str(acme.project.pk)}).json()
    assert role["project"]["slug"] == "chatbot"
    assert by(acme.none).get(f"{ACME}/projects/chatbot").status_code == 200
    assert caller.get(f"{path}/roles").json()["data"] == [role]
    assert caller.post(f"{path}/roles", {"role": role_id(acme, "owner")}).json()["code"] == "owner_by_group"
    assert caller.delete(f"{path}/roles/{role['id']}").status_code == 204
    assert by(acme.none).get(f"{ACME}/projects/chatbot").status_code == 404
    assert caller.delete(f"{path}/members/{place.json()['id']}").status_code == 204
    assert caller.delete(path).status_code == 204
    assert caller.get(path).status_code == 404


def test_a_groups_role_in_a_hidden_project_is_not_told(acme: Tenant) -> None:
    caller = by(acme.owner)
    path = f"{ACME}/groups/{caller.post(f'{ACME}/groups', {'name': 'Crew'}).json()['id']}"
    role = caller.post(f"{path}/roles", {"role": role_id(acme, "viewer"), "project": str(acme.project.pk)}).json()
    with tenant_scope(acme.organization):
        hidden = {"project": acme.project, "role": acme.role("none"), "membership": acme.membership("viewer")}
        set_project_role(actor=SYSTEM, **hidden)
    assert by(acme.viewer).get(f"{path}/roles").json()["data"] == []
    assert by(acme.viewer).get(f"{path}/roles/{role['id']}").status_code == 404


def test_another_organizations_member_joins_no_group(acme: Tenant, globex: Tenant) -> None:
    caller = by(acme.owner)
    path = f"{ACME}/groups/{caller.post(f'{ACME}/groups', {'name': 'Crew'}).json()['id']}/members"
    response = caller.post(path, {"member": member_id(globex, "owner")})
    assert (response.status_code, response.json()["errors"][0]["code"]) == (422, "does_not_exist")
    with tenant_scope(acme.organization):
        assert Membership.objects.count() == 6
