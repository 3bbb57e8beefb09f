"""Projects, roles and exceptions in them, by API."""

from accounts.models import User
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.models import Source
from tenants.services.members import add_member, set_project_role
from tests.accounts.api.stage import make_key, organization_key, with_key
from tests.api.calls import by
from tests.people import Tenant, make_project
from tests.tenants.stage import events

ACME = "/organizations/acme"
CHATBOT = f"{ACME}/projects/chatbot"


def test_a_strangers_project_is_none(acme: Tenant, stranger: User) -> None:
    caller = by(stranger)
    for reference in ("chatbot", str(acme.project.pk)):
        assert caller.get(f"{ACME}/projects/{reference}").status_code == 404
        assert caller.delete(f"{ACME}/projects/{reference}").status_code == 404
    assert caller.get(f"/organizations/globex/projects/{acme.project.pk}").status_code == 404


def test_a_project_lives_its_life(acme: Tenant) -> None:
    caller = by(acme.owner)
    made = caller.post(f"{ACME}/projects", {"slug": "judge", "name": "Judge"})
    assert made.status_code == 201
    project = made.json()
    assert made["Location"] == f"/api/v1{ACME}/projects/{project['id']}"
    assert caller.get(made["Location"].removeprefix("/api/v1")).json() == project
    assert caller.post(f"{ACME}/projects", {"slug": "judge", "name": "Judge"}).json()["code"] == "duplicate"
    path = f"{ACME}/projects/judge"
    assert caller.patch(path, {"environment": "staging"}).json()["environment"] == "staging"
    assert caller.delete(path).json()["purge_at"]
    assert [one["slug"] for one in caller.get(f"{ACME}/projects?being_deleted=true").json()["data"]] == ["judge"]
    assert [one["slug"] for one in caller.get(f"{ACME}/projects?being_deleted=false").json()["data"]] == ["chatbot"]
    assert caller.post(f"{path}/restore").json()["purge_at"] is None


def test_a_hidden_project_is_not_found(acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        hidden = {"project": acme.project, "role": acme.role("none"), "membership": acme.membership("viewer")}
        set_project_role(actor=SYSTEM, **hidden)
    caller = by(acme.viewer)
    assert caller.get(f"{ACME}/projects").json()["data"] == []
    for path in (CHATBOT, f"{CHATBOT}/roles", f"{CHATBOT}/exceptions"):
        assert caller.get(path).status_code == 404


def test_a_key_of_a_project_sees_that_project_alone(acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        make_project(acme, "judge")
    key = with_key(make_key(acme, "projects:read", "projects:manage").secret)
    assert [one["slug"] for one in key.get(f"{ACME}/projects").json()["data"]] == ["chatbot"]
    assert key.patch(CHATBOT, {"name": "Renamed"}).status_code == 200
    assert key.get(f"{ACME}/projects/judge").status_code == 404
    refused = key.get(f"{ACME}/members")
    assert (refused.status_code, refused.json()["granted_by"]) == (403, [])
    (updated,) = events(acme, "project.updated")
    assert (updated.actor_kind, updated.via) == ("api_key", "api")


def test_a_key_of_another_organization_finds_nothing(acme: Tenant, globex: Tenant) -> None:
    key = with_key(organization_key(globex, "projects:read", "organization:read").secret)
    assert key.get(ACME).status_code == 404
    assert key.get(f"/organizations/{acme.organization.pk}").status_code == 404
    assert key.get("/organizations/globex").status_code == 200
    assert [one["slug"] for one in key.get("/organizations").json()["data"]] == ["globex"]


def test_a_project_moves_with_the_person_who_owns_both(acme: Tenant, globex: Tenant) -> None:
    body = {"organization": "globex", "reason": "Sold"}
    assert by(acme.owner).post(f"{CHATBOT}/transfer", body).json()["code"] == "unknown_target"
    key = with_key(organization_key(acme, "projects:transfer", "projects:read").secret)
    assert key.post(f"{CHATBOT}/transfer", body).json()["code"] == "person_only"
    with tenant_scope(globex.organization):
        add_member(
            organization=globex.organization,
            user=acme.owner,
            role=globex.role("owner"),
            source=Source.MANUAL,
            actor=SYSTEM,
        )
    taken = by(acme.owner).post(f"{CHATBOT}/transfer", body)
    assert (taken.status_code, taken.json()["errors"][0]["pointer"]) == (409, "#/target")
    renamed = by(acme.owner).post(f"{ACME}/projects", {"slug": "judge", "name": "Judge"}).json()
    moved = by(acme.owner).post(f"{ACME}/projects/judge/transfer", body)
    assert (moved.status_code, moved.json()["id"]) == (200, renamed["id"])
    assert by(acme.owner).get("/organizations/globex/projects/judge").status_code == 200


def test_a_role_in_a_project(acme: Tenant) -> None:
    caller = by(acme.owner)
    with tenant_scope(acme.organization):
        member, roles = str(acme.membership("none").pk), {key: str(acme.role(key).pk) for key in ("viewer", "owner")}
    path = f"{CHATBOT}/roles/{member}"
    assert by(acme.none).get(CHATBOT).status_code == 404
    assert caller.put(path, {"role": roles["viewer"]}).json()["role"]["key"] == "viewer"
    assert by(acme.none).get(CHATBOT).status_code == 200
    assert by(acme.admin).put(path, {"role": roles["owner"]}).json()["code"] == "above_own_permissions"
    assert [one["member"]["id"] for one in caller.get(f"{CHATBOT}/roles").json()["data"]] == [member]
    assert caller.delete(path).status_code == 204
    assert by(acme.none).get(CHATBOT).status_code == 404


def test_an_exception_for_a_member_or_a_group(acme: Tenant) -> None:
    caller, path = by(acme.owner), f"{CHATBOT}/exceptions"
    group = caller.post(f"{ACME}/groups", {"name": "Crew"}).json()["id"]
    with tenant_scope(acme.organization):
        member = str(acme.membership("viewer").pk)
    assert caller.post(path, {"permission": "traces:write"}).status_code == 422
    assert caller.post(path, {"permission": "traces:write", "member": member, "group": group}).status_code == 422
    assert caller.post(path, {"permission": "members:read", "member": member}).json()["code"] == "level"
    for_member = caller.post(path, {"permission": "traces:write", "member": member}).json()
    for_group = caller.post(path, {"permission": "traces:write", "group": group}).json()
    assert (for_member["holder"], for_group["holder"]) == (acme.viewer.email, "Crew")
    assert caller.post(path, {"permission": "traces:write", "member": member}).status_code == 409
    listed = {one["id"] for one in caller.get(path).json()["data"]}
    assert listed == {for_member["id"], for_group["id"]}
    for one in listed:
        assert caller.delete(f"{path}/{one}").status_code == 204
        assert caller.delete(f"{path}/{one}").status_code == 404
    assert caller.get(path).json()["data"] == []


def test_why(acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        viewer = str(acme.membership("viewer").pk)
    path = f"{ACME}/explain?permission=traces:write"
    assert by(acme.viewer).get(path).json()["allowed"] is False
    asked = by(acme.owner).get(f"{path}&member={viewer}&project={acme.project.pk}").json()
    assert (asked["allowed"], asked["permission"]) == (False, "traces:write")
    assert "The role Viewer" in asked["reasons"][0]
    assert by(acme.none).get(f"{path}&member={viewer}").json()["permission"] == "members:read"
    assert by(acme.none).get(f"{path}&project={acme.project.pk}").status_code == 404
    assert by(acme.owner).get(f"{ACME}/explain").json()["errors"][0]["parameter"] == "permission"
    key = with_key(make_key(acme, "traces:write").secret)
    assert key.get(f"{path}&project={acme.project.pk}").status_code == 404
    assert key.get(path).json()["reasons"]


def test_roles(acme: Tenant) -> None:
    caller = by(acme.admin)
    body = {"name": "Prompt editor", "permissions": ["prompts:write", "prompts:read"]}
    made = caller.post(f"{ACME}/roles", body)
    assert made.status_code == 201
    role = made.json()
    assert (role["key"], role["permissions"]) == ("prompt-editor", ["prompts:read", "prompts:write"])
    path = f"{ACME}/roles/{role['id']}"
    changed = caller.patch(path, {"permissions": ["prompts:read"]}).json()
    assert (changed["name"], changed["permissions"]) == ("Prompt editor", ["prompts:read"])
    above = caller.patch(path, {"permissions": ["organization:delete"]})
    assert (above.status_code, above.json()["code"]) == (403, "above_own_permissions")
    (builtin,) = caller.get(f"{ACME}/roles?key=viewer").json()["data"]
    assert caller.patch(f"{ACME}/roles/{builtin['id']}", {"name": "Mine"}).json()["code"] == "builtin"
    assert caller.delete(path).status_code == 204
    assert len(caller.get(f"{ACME}/roles?is_builtin=true").json()["data"]) == 6
