"""/api/v1/organizations/{organization}/api-keys: who may, what is shown, what is refused."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.key_format import KeyKind, new_public_id, new_secret
from accounts.models import User
from accounts.services.service_accounts import create_service_account
from accounts.services.users import operator_actor
from audit.models import Event
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.services.organizations import suspend_organization
from tests.accounts.api.stage import accepted, basic, make_key, organization_key, with_key
from tests.api.calls import anybody, by, fresh_key
from tests.people import Tenant, make_project
from tests.tenants.stage import custom_role, events, join

KEYS = "/organizations/acme/api-keys"


def body(acme: Tenant, **values: Any) -> dict[str, Any]:
    given = {"kind": "project", "name": "Ingestion", "scopes": ["traces:write"], "project": str(acme.project.pk)}
    return {name: value for name, value in (given | values).items() if value is not None}


def every_request(acme: Tenant, key: Any) -> list[tuple[str, str, Any]]:
    return [
        ("GET", KEYS, None),
        ("POST", KEYS, body(acme)),
        ("POST", f"{KEYS}/revoke", {"ids": [str(key.pk)]}),
        ("GET", f"{KEYS}/{key.pk}", None),
        ("PATCH", f"{KEYS}/{key.pk}", {"name": "Mine"}),
        ("DELETE", f"{KEYS}/{key.pk}", None),
        ("POST", f"{KEYS}/{key.pk}/rotate", {}),
        ("POST", f"{KEYS}/{key.pk}/revoke", {"reason": "Mine"}),
    ]


def test_a_stranger_finds_no_key(acme: Tenant, globex: Tenant) -> None:
    issued = make_key(acme)
    for caller in (by(globex.owner), with_key(organization_key(globex, "api_keys:read", "api_keys:manage").secret)):
        for method, path, sent in every_request(acme, issued.key):
            response = caller(method, path, sent)
            assert (response.status_code, response.json()["code"]) == (404, "not_found"), (method, path)
            own = caller(method, path.replace("/acme/", "/globex/"), sent)
            assert own.status_code in {200, 403, 404, 422}, (method, path)
            assert issued.key.public_id not in own.content.decode()
    assert accepted(issued.secret)


def test_nobody_in_particular_is_asked_for_a_credential(acme: Tenant) -> None:
    issued = make_key(acme)
    for method, path, sent in every_request(acme, issued.key):
        assert anybody()(method, path, sent).status_code == 401, (method, path)


def test_who_only_sees_keys_changes_none(acme: Tenant) -> None:
    issued = make_key(acme)
    member = by(acme.member)
    assert member.get(KEYS).status_code == 200
    for method, path, sent in every_request(acme, issued.key):
        response = member(method, path, sent)
        if method == "GET":
            assert response.status_code == 200
        else:
            assert (response.status_code, response.json()["code"]) == (403, "permission_missing"), (method, path)
    for person in (acme.viewer, acme.auditor, acme.people["none"]):
        assert by(person).get(KEYS).status_code == 403


def test_the_secret_is_in_the_creating_answer_and_nowhere_else(acme: Tenant) -> None:
    owner = by(acme.owner)
    response = owner.post(KEYS, body(acme))
    made = response.json()
    assert response.status_code == 201
    assert response["Cache-Control"] == "no-store"
    assert response["Location"] == f"/api/v1{KEYS}/{made['id']}"
    secret = made.pop("secret")
    assert accepted(secret)
    shown = owner.get(f"{KEYS}/{made['id']}")
    assert {**shown.json(), "last_used_at": None, "last_used_ip": None} == made
    assert made["secrets"][0]["last_four"] == secret.rsplit("_", 1)[0][-4:]
    rotated = owner.post(f"{KEYS}/{made['id']}/rotate", {})
    assert rotated["Cache-Control"] == "no-store"
    secrets = [secret, rotated.json()["secret"]]
    seen = [owner.get(KEYS), owner.get(f"{KEYS}/{made['id']}"), owner.post(f"{KEYS}/{made['id']}/revoke")]
    texts = [one.content.decode() for one in seen]
    texts += [repr([vars(event) for event in events(acme)])]
    assert not [text for text in texts if any(known in text for known in secrets)]


def test_a_repeated_creation_shows_the_same_secret_again(acme: Tenant) -> None:
    owner, key = by(acme.owner), fresh_key()
    first = owner.post(KEYS, body(acme), idempotency_key=key)
    second = owner.post(KEYS, body(acme), idempotency_key=key)
    assert second.content == first.content
    assert (second["Idempotent-Replayed"], second["Cache-Control"]) == ("true", "no-store")
    assert len(owner.get(KEYS).json()["data"]) == 1
    assert len(events(acme, "api_key.created")) == 1


def test_each_kind_has_its_owner(acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        account = create_service_account(
            organization=acme.organization, name="Judge", kind="evaluator", role=acme.role("member"), actor=SYSTEM
        )
    owner = by(acme.owner)
    project = owner.post(KEYS, body(acme)).json()
    whole = owner.post(KEYS, body(acme, kind="organization", project=None, scopes=["projects:read"])).json()
    service = owner.post(KEYS, body(acme, kind="service_account", project=None, service_account=str(account.pk))).json()
    assert project["project"]["slug"] == "chatbot"
    assert project["environment"] == "development"
    assert (whole["project"], whole["environment"]) == (None, "production")
    assert service["service_account"]["name"] == "Judge"
    assert {one["kind"] for one in owner.get(KEYS).json()["data"]} == {"project", "organization", "service_account"}


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"project": None}, "#/project"),
        ({"kind": "service_account", "project": None}, "#/service_account"),
        ({"kind": "platform"}, "#/kind"),
        ({"kind": "personal"}, "#/kind"),
        ({"scopes": []}, "#/scopes"),
        ({"scopes": ["traces:fly"]}, "#/scopes"),
        ({"scopes": ["members:manage"]}, "#/scopes"),
        ({"scopes": "traces:read"}, "#/scopes"),
        ({"environment": "staging"}, "#/environment"),
        ({"environment": "moon"}, "#/environment"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "#/expires_at"),
        ({"expires_at": "soon"}, "#/expires_at"),
        ({"allowed_networks": ["10.0.0.0/99"]}, "#/allowed_networks"),
        ({"allowed_networks": [7]}, "#/allowed_networks"),
        ({"name": ""}, "#/name"),
        ({"name": 7.5, "note": []}, "#/note"),
        ({"project": "Chat bot"}, "#/project"),
        ({"project": "no-such-project"}, "#/project"),
        ({"project": str(uuid4())}, "#/project"),
        ({"secret": "gatesk_prj_dev_short"}, "#/secret"),
        ({"public_id": "gatepk_prj_dev_short"}, "#/public_id"),
        ({"colour": "red"}, "#/colour"),
    ],
)
def test_what_is_wrong_is_named(values: dict[str, Any], pointer: str, acme: Tenant) -> None:
    response = by(acme.owner).post(KEYS, body(acme, **values))
    assert response.status_code == 422
    assert pointer in {error["pointer"].removesuffix("/0") for error in response.json()["errors"]}, response.json()


def test_nobody_gives_a_key_more_than_they_hold(acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        role = custom_role(acme, "Key manager", ["api_keys:read", "api_keys:manage", "projects:read", "traces:read"])
        join(acme, "manager", role)
    manager = by(acme.manager)
    assert manager.post(KEYS, body(acme, scopes=["traces:read"])).status_code == 201
    refused = manager.post(KEYS, body(acme, scopes=["traces:write"])).json()
    assert (refused["status"], refused["code"], refused["errors"][0]["pointer"]) == (
        403,
        "above_own_permissions",
        "#/scopes",
    )


def test_a_predefined_key_is_taken_once(acme: Tenant) -> None:
    owner = by(acme.owner)
    pair = {
        "secret": new_secret(KeyKind.PROJECT, "development"),
        "public_id": new_public_id(KeyKind.PROJECT, "development"),
    }
    made = owner.post(KEYS, body(acme, **pair)).json()
    assert (made["secret"], made["public_id"]) == (pair["secret"], pair["public_id"])
    assert accepted(pair["secret"])
    again = owner.post(KEYS, body(acme, **pair))
    assert (again.status_code, again.json()["code"]) == (409, "duplicate")
    wrong = owner.post(KEYS, body(acme, secret=new_secret(KeyKind.ORGANIZATION, "development")))
    assert (wrong.status_code, wrong.json()["code"]) == (422, "wrong_secret")


def test_a_change_leaves_the_rest(acme: Tenant) -> None:
    owner = by(acme.owner)
    made = owner.post(KEYS, body(acme, note="Nightly", allowed_networks=["203.0.113.7"])).json()
    address = f"{KEYS}/{made['id']}"
    changed = owner.patch(address, {"name": "Batch", "scopes": ["traces:read"]}).json()
    assert (changed["name"], changed["scopes"], changed["note"]) == ("Batch", ["traces:read"], "Nightly")
    assert changed["allowed_networks"] == ["203.0.113.7/32"]
    cleared = owner.patch(address, {"allowed_networks": [], "expires_at": None}).json()
    assert cleared["allowed_networks"] == []
    assert events(acme, "api_key.updated")[0].after["name"] == "Batch"


def test_a_change_of_what_somebody_else_changed_is_refused(acme: Tenant) -> None:
    owner = by(acme.owner)
    made = owner.post(KEYS, body(acme)).json()
    address = f"{KEYS}/{made['id']}"
    seen = owner.get(address)["ETag"]
    assert accepted(made["secret"])  # being used changes nothing that a writer must know
    assert owner.get(address)["ETag"] == seen
    assert owner.patch(address, {"name": "First"}, if_match=seen).status_code == 200
    late = owner.patch(address, {"name": "Second"}, if_match=seen)
    assert (late.status_code, late.json()["code"]) == (412, "changed_meanwhile")
    assert owner.delete(address, if_match=seen).status_code == 412
    assert owner.get(address, if_none_match=owner.get(address)["ETag"]).status_code == 200


def test_a_rotation_with_an_overlap_keeps_the_old_secret_for_a_while(acme: Tenant) -> None:
    owner = by(acme.owner)
    made = owner.post(KEYS, body(acme)).json()
    address = f"{KEYS}/{made['id']}"
    rotated = owner.post(f"{address}/rotate", {"overlap_seconds": 3600}).json()
    assert accepted(made["secret"])
    assert accepted(rotated["secret"])
    current, old = rotated["secrets"]
    assert (current["accepted_until"], old["id"]) == (None, made["secrets"][0]["id"])
    again = owner.post(f"{address}/rotate").json()
    assert [accepted(secret) for secret in (made["secret"], rotated["secret"], again["secret"])] == [False, False, True]
    stale = owner.post(f"{address}/rotate", {"expected_secret_id": current["id"]})
    assert (stale.status_code, stale.json()["code"]) == (409, "rotated_meanwhile")
    for overlap in (-1, 31 * 86400, "x", 10**30):
        assert owner.post(f"{address}/rotate", {"overlap_seconds": overlap}).status_code in {400, 422}


def test_a_revoked_key_stays_in_the_list_and_does_nothing_more(acme: Tenant) -> None:
    owner = by(acme.owner)
    made = owner.post(KEYS, body(acme)).json()
    address = f"{KEYS}/{made['id']}"
    ended = owner.post(f"{address}/revoke", {"reason": "Laptop stolen"}).json()
    assert (ended["state"], ended["revocation_reason"], ended["secrets"]) == ("revoked", "Laptop stolen", [])
    assert not accepted(made["secret"])
    for method, path, sent in (("POST", "/revoke", {}), ("DELETE", "", None), ("PATCH", "", {"name": "X"})):
        assert owner(method, f"{address}{path}", sent).status_code == 409
    assert owner.post(f"{address}/rotate").json()["code"] == "revoked"
    assert events(acme, "api_key.revoked")[0].reason == "Laptop stolen"


def test_deleting_is_revoking(acme: Tenant) -> None:
    owner = by(acme.owner)
    made = owner.post(KEYS, body(acme)).json()
    assert owner.delete(f"{KEYS}/{made['id']}?reason=Unused").status_code == 204
    assert owner.get(f"{KEYS}/{made['id']}").json()["revocation_reason"] == "Unused"
    assert not accepted(made["secret"])


def test_several_are_revoked_all_or_none(acme: Tenant, globex: Tenant) -> None:
    keys, foreign = [make_key(acme) for _ in range(3)], make_key(globex)
    owner, ids = by(acme.owner), [str(issued.key.pk) for issued in keys]
    refused = owner.post(f"{KEYS}/revoke", {"ids": [*ids, str(foreign.key.pk)]})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/ids/3")
    assert all(accepted(issued.secret) for issued in [*keys, foreign])
    owner.post(f"{KEYS}/{ids[0]}/revoke", {"reason": "First"})
    answer = owner.post(f"{KEYS}/revoke", {"ids": [*ids, ids[1]], "reason": "All"}).json()
    assert answer == {"revoked": ids[1:], "unchanged": ids[:1]}
    assert not any(accepted(issued.secret) for issued in keys)
    assert owner.get(f"{KEYS}/{ids[0]}").json()["revocation_reason"] == "First"
    wrong: list[Any] = [{"ids": []}, {"ids": ids * 40}, {"ids": ["x"]}, {}, {"ids": None}, []]
    for sent in wrong:
        assert owner.post(f"{KEYS}/revoke", sent).status_code in {400, 422}


def aged(superuser: psycopg.Connection, change: str, pk: UUID) -> None:
    """Change a row behind the application's back, without the trigger that asks for an event."""
    with superuser.transaction():
        superuser.execute("SET LOCAL session_replication_role = replica")
        superuser.execute(f"UPDATE {change} = %s", [pk])


def test_the_list_is_narrowed(acme: Tenant, superuser) -> None:
    with tenant_scope(acme.organization):
        other = make_project(acme, "search")
    soon = timezone.now() + timedelta(days=1)
    first = make_key(acme, expires_at=soon).key
    second = make_key(acme, project=other).key
    whole = organization_key(acme, "projects:read").key
    owner = by(acme.owner)

    def found(query: str) -> set[str]:
        answer = owner.get(f"{KEYS}?{query}")
        assert answer.status_code == 200, answer.content
        return {one["id"] for one in answer.json()["data"]}

    assert found("kind=organization") == {str(whole.pk)}
    assert found(f"project={other.pk}") == {str(second.pk)}
    assert found("environment=production") == {str(whole.pk)}
    assert found(f"user={acme.owner.pk}") == found(f"service_account={uuid4()}") == set()
    assert len(found("older_than_days=0")) == 3
    aged(superuser, "accounts_apikeysecret SET created_at = now() - interval '91 days' WHERE api_key_id", first.pk)
    assert found("older_than_days=90") == {str(first.pk)}
    owner.post(f"{KEYS}/{second.pk}/revoke")
    aged(superuser, "accounts_apikey SET expires_at = now() - interval '1 hour' WHERE id", first.pk)
    assert (found("state=active"), found("state=expired"), found("state=revoked")) == (
        {str(whole.pk)},
        {str(first.pk)},
        {str(second.pk)},
    )
    for wrong in ("kind=platform", "state=x", "project=Chat+bot", "older_than_days=-1", "older_than_days=99999999999"):
        assert owner.get(f"{KEYS}?{wrong}").status_code == 400, wrong


def test_a_page_costs_the_same_whatever_it_holds(acme: Tenant) -> None:
    owner = by(acme.owner)
    owner.get(KEYS)
    counts = []
    for _ in range(2):
        for _ in range(3):
            make_key(acme)
        with CaptureQueriesContext(connection) as queries:
            owner.get(KEYS)
        counts.append(len(queries))
    assert counts[0] == counts[1], counts


def test_a_key_reaches_its_own_project_only(acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        other = make_project(acme, "search")
    scopes = ("api_keys:read", "api_keys:manage", "api_keys:rotate", "traces:write", "projects:read")
    own, there = make_key(acme, *scopes), make_key(acme, project=other)
    caller = with_key(own.secret)
    assert {one["id"] for one in caller.get(KEYS).json()["data"]} == {str(own.key.pk)}
    for method, path, sent in every_request(acme, there.key):
        if str(there.key.pk) in path:
            assert caller(method, path, sent).status_code == 404, (method, path)
    assert caller.post(f"{KEYS}/revoke", {"ids": [str(there.key.pk)]}).status_code == 422
    assert caller.post(KEYS, body(acme, project=str(other.pk))).status_code == 422
    assert caller.post(KEYS, body(acme)).status_code == 201
    assert caller.post(KEYS, body(acme, scopes=["traces:delete"])).json()["code"] == "above_own_permissions"
    assert caller.post(KEYS, body(acme, kind="organization", project=None)).json()["code"] == "permission_missing"
    assert accepted(there.secret)


def test_the_scopes_of_a_key_decide(acme: Tenant) -> None:
    target = make_key(acme)
    reads = with_key(organization_key(acme, "api_keys:read").secret)
    rotates = with_key(organization_key(acme, "api_keys:rotate", "traces:write").secret)
    assert reads.get(KEYS).status_code == 200
    assert reads.post(f"{KEYS}/{target.key.pk}/rotate").json()["permission"] == "api_keys:rotate"
    assert rotates.get(KEYS).json()["permission"] == "api_keys:read"
    assert rotates.post(f"{KEYS}/{target.key.pk}/rotate").status_code == 200
    assert rotates.post(f"{KEYS}/{target.key.pk}/revoke").status_code == 403


def test_basic_authentication_takes_the_pair_that_belongs_together(acme: Tenant) -> None:
    first = organization_key(acme, "api_keys:read")
    second = organization_key(acme, "api_keys:read")
    right = anybody().get(KEYS, Authorization=basic(first.public_id, first.secret))
    mixed = anybody().get(KEYS, Authorization=basic(second.public_id, first.secret))
    assert (right.status_code, mixed.status_code) == (200, 401)


def test_the_event_names_the_key_that_acted(acme: Tenant) -> None:
    manager = organization_key(acme, "api_keys:manage", "traces:write", name="Terraform")
    with_key(manager.secret).post(KEYS, body(acme))
    event = events(acme, "api_key.created")[-1]
    assert (event.actor_kind, event.actor_id, event.via) == ("api_key", manager.key.pk, "api")
    assert "Terraform" in event.actor_label


def test_a_suspended_organization_takes_no_key(acme: Tenant, operator: User) -> None:
    key = organization_key(acme, "api_keys:read")
    with tenant_scope(acme.organization):
        suspend_organization(organization=acme.organization, reason="Unpaid", actor=operator_actor(operator))
    response = with_key(key.secret).get(KEYS)
    assert (response.status_code, response.json()["code"]) == (403, "organization_suspended")
    with tenant_scope(acme.organization):
        assert not Event.objects.filter(action="api_key.created", actor_id=key.key.pk).exists()
