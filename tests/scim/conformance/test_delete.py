"""D1 to D3: what DELETE and `active` do."""

from typing import Any

import pytest

from accounts.key_format import KeyKind
from accounts.services.key_rules import IssuedKey
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.models import Invitation, Membership, Source
from tenants.services.invitations import invite_member
from tenants.services.members import add_member, change_role, set_project_role
from tests.accounts.api.stage import accepted, make_key
from tests.people import Tenant, signed_in
from tests.scim.held import is_member, member_named
from tests.scim.stage import Scim, operation, patch, refused, unchanged, where
from tests.tenants.stage import events


def deactivate(scim: Scim, user: dict[str, Any], *, active: bool = False) -> None:
    assert scim.change(user, operation("replace", "active", active)).json["active"] is active


def test_d1_a_deleted_user_is_gone_everywhere(acme: Tenant, scim: Scim) -> None:
    grace = scim.user("grace")
    group = scim.group("Engineers", scim.seed, grace)
    answer = scim.delete(where(grace))
    assert (answer.status, answer.json) == (204, None)
    refused(scim.delete(where(grace)), 404)
    refused(scim.get(where(grace)), 404)
    refused(scim.patch(where(grace), patch(operation("replace", "active", value=True))), 404)
    assert scim.found('userName eq "grace@acme.example"') == []
    assert scim.found(f'id eq "{grace["id"]}"') == []
    assert scim.members(group) == {scim.seed["id"]}
    assert scim.found(f'members eq "{grace["id"]}"', at="/Groups") == []
    assert not is_member(acme, "grace@acme.example")


def test_d1_the_audit_trail_stays(acme: Tenant, scim: Scim) -> None:
    grace = scim.user("grace")
    assert scim.delete(where(grace)).status == 204
    mine = [event for event in events(acme) if event.target_label == "grace@acme.example"]
    actions = [event.action for event in mine]
    assert "member.added" in actions
    assert "member.removed" in actions
    assert {event.actor_kind for event in mine if event.action.startswith("member.")} == {"scim_connection"}


def test_d1_a_deleted_group_is_gone(acme: Tenant, scim: Scim) -> None:
    group = scim.group("Engineers", scim.seed)
    assert scim.delete(where(group)).status == 204
    refused(scim.delete(where(group)), 404)
    refused(scim.get(where(group)), 404)
    assert scim.found('displayName eq "Engineers"', at="/Groups") == []
    assert not scim.read(scim.seed).get("groups")
    assert is_member(acme, "ada@acme.example")


def test_d2_deactivating_keeps_id_roles_and_groups(acme: Tenant, scim: Scim) -> None:
    group = scim.group("Engineers", scim.seed)
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        viewer = acme.role("viewer")
        set_project_role(membership=member_named("ada@acme.example"), project=acme.project, role=viewer, actor=SYSTEM)
    before = scim.read(scim.seed)
    deactivate(scim, scim.seed)
    with tenant_scope(acme.organization):
        member = member_named("ada@acme.example")
        assert not member.is_active
        role = member.role_id
    assert scim.members(group) == {scim.seed["id"]}
    deactivate(scim, scim.seed, active=True)
    with tenant_scope(acme.organization):
        again = member_named("ada@acme.example")
        assert (again.pk, again.is_active, again.role_id) == (member.pk, True, role)
        assert again.project_memberships.count() == 1
    after = scim.read(scim.seed)
    assert (after["id"], after["groups"]) == (before["id"], before["groups"])


def test_d2_by_put(acme: Tenant, scim: Scim) -> None:
    put = scim.replaced(scim.read(scim.seed) | {"active": False})
    assert not is_member(acme, "ada@acme.example")
    assert scim.replaced(put | {"active": True})["id"] == scim.seed["id"]
    assert is_member(acme, "ada@acme.example")


def personal_key(tenant: Tenant, person: str) -> IssuedKey:
    return make_key(tenant, "traces:read", kind=KeyKind.PERSONAL, user=tenant.people[person], project=None)


@pytest.fixture
def adopted(acme: Tenant, globex: Tenant, scim: Scim) -> dict[str, Any]:
    """Return the SCIM User of acme's member, who belongs to globex too."""
    globex.people["member"] = acme.member
    with tenant_scope(globex.organization):
        add_member(
            organization=globex.organization,
            user=acme.member,
            role=globex.role("member"),
            source=Source.MANUAL,
            actor=SYSTEM,
        )
    return scim.user("member")


def test_adopting_a_member_keeps_the_membership(acme: Tenant, adopted: dict[str, Any]) -> None:
    with tenant_scope(acme.organization):
        member = acme.membership("member")
        assert (member.role.key, member.is_active, member.source) == ("member", True, Source.SCIM)


def test_d3_keys_of_this_organization_end_at_once(
    acme: Tenant, globex: Tenant, scim: Scim, adopted: dict[str, Any]
) -> None:
    here, there = personal_key(acme, "member"), personal_key(globex, "member")
    colleague = personal_key(acme, "viewer")
    assert accepted(here.secret)
    deactivate(scim, adopted)
    assert not accepted(here.secret)
    assert accepted(there.secret)
    assert accepted(colleague.secret)
    deactivate(scim, adopted, active=True)
    assert not accepted(here.secret)


def test_d3_sessions_of_this_organization_end_at_once(
    acme: Tenant, globex: Tenant, scim: Scim, adopted: dict[str, Any]
) -> None:
    browser = signed_in(acme.member)
    assert browser.get("/api/v1/organizations/acme").status_code == 200
    deactivate(scim, adopted)
    assert browser.get("/api/v1/organizations/acme").status_code in {401, 403, 404}
    assert browser.get("/o/acme/").status_code != 200
    elsewhere = signed_in(acme.member)
    assert elsewhere.get("/api/v1/organizations/globex").status_code == 200
    with tenant_scope(globex.organization):
        assert globex.membership("member").is_active


def test_d3_open_invitations_end_at_once(acme: Tenant, scim: Scim) -> None:
    outsider = scim.user("eve", domain="elsewhere.example")
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        viewer = acme.role("viewer")
        if not Invitation.objects.filter(email="eve@elsewhere.example", accepted_at=None, revoked_at=None).exists():
            invite_member(organization=acme.organization, email="eve@elsewhere.example", role=viewer, actor=SYSTEM)
    deactivate(scim, outsider)
    with tenant_scope(acme.organization):
        still = Invitation.objects.filter(email="eve@elsewhere.example", accepted_at=None, revoked_at=None)
        assert not still.exists()


def test_d3_it_is_audited_as_the_connections_doing(acme: Tenant, scim: Scim, adopted: dict[str, Any]) -> None:
    scim.patch(where(adopted), patch(operation("replace", "active", value=False)), X_Request_ID="okta-request-7")
    (event,) = events(acme, "member.deactivated")
    assert (event.actor_kind, event.target_label) == ("scim_connection", "member@acme.example")
    assert "Okta" in event.actor_label
    assert event.request_id == "okta-request-7"


@pytest.mark.parametrize("how", ["patch", "put", "delete"])
def test_d3_the_last_owner_stays(acme: Tenant, scim: Scim, how: str) -> None:
    owner = scim.user("owner")
    with unchanged(scim, owner):
        match how:
            case "patch":
                answer = scim.patch(where(owner), patch(operation("replace", "active", value=False)))
            case "put":
                answer = scim.put(where(owner), scim.read(owner) | {"active": False})
            case _:
                answer = scim.delete(where(owner))
        assert answer.status in {400, 409}
        assert "owner" in answer.json["detail"].lower()
    with tenant_scope(acme.organization):
        assert acme.membership("owner").is_active
        assert Membership.objects.filter(role__key="owner", is_active=True).count() == 1


def test_d3_the_owners_are_told_once_a_day(acme: Tenant, scim: Scim, mailoutbox: list[Any]) -> None:
    owner = scim.user("owner")
    for _ in range(2):
        refused(scim.delete(where(owner)), 409)
    (mail,) = mailoutbox
    assert mail.to == ["owner@acme.example"]
    assert "Okta" in mail.body


def test_d3_an_owner_who_is_not_the_last_goes(acme: Tenant, scim: Scim) -> None:
    grace = scim.user("grace")
    with acme.acting("owner") as actor:
        change_role(membership=acme.membership("admin"), role=acme.role("owner"), actor=actor)
    owner = scim.user("owner")
    assert grace["id"] != owner["id"]
    deactivate(scim, owner)
    assert not is_member(acme, "owner@acme.example")


def test_someone_of_an_unverified_domain_waits(acme: Tenant, scim: Scim) -> None:
    created = scim.user("eve", domain="elsewhere.example")
    assert created["active"] is True
    assert not is_member(acme, "eve@elsewhere.example")
    group = scim.group("Engineers", created)
    assert scim.members(group) == {created["id"]}
    assert scim.delete(where(created)).status == 204
    refused(scim.get(where(created)), 404)
