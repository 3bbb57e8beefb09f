"""/api/v1/organizations/{organization}/sso: connections to identity providers, and recent sign-ins."""

from typing import Any

import pytest

from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tests.accounts.api.stage import organization_key, with_key
from tests.api.calls import by
from tests.people import Tenant
from tests.sso.hostile import Answer, Behaviour, Hostile
from tests.sso.stage import CLIENT_ID, CLIENT_SECRET, Sso, connect
from tests.tenants.stage import custom_role, events, join

CONNECTIONS = "/organizations/acme/sso/connections"


@pytest.fixture
def address(sso: Sso) -> str:
    return f"{CONNECTIONS}/{sso.connection.pk}"


def new(idp: Hostile, **values: Any) -> dict[str, Any]:
    """Return what a new connection to the provider needs."""
    given = {"name": "Okta", "issuer": idp.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    return {**given, **values}


def refusal(response: Any) -> tuple[int, str, str]:
    """Return status, code and the member that is to blame."""
    shown = response.json()
    errors = shown.get("errors") or [{"pointer": ""}]
    return response.status_code, shown["code"], errors[0]["pointer"]


def test_a_stranger_finds_none(sso: Sso, globex: Tenant, address: str) -> None:
    sso.sign_in()
    key = with_key(organization_key(globex, "sso:read", "sso:manage").secret)
    paths = [
        ("GET", address, None),
        ("PATCH", address, {"name": "Theirs"}),
        ("DELETE", address, None),
        ("POST", f"{address}/disable", None),
        ("POST", f"{address}/enable", None),
        ("GET", f"{address}/logins", None),
    ]
    for caller in (by(globex.owner), key):
        assert caller.get(CONNECTIONS).status_code == 404
        assert caller.post(CONNECTIONS, new(sso.idp)).status_code == 404
        assert caller.get(CONNECTIONS.replace("acme", "globex")).json()["data"] == []
        for method, path, body in paths:
            assert caller(method, path, body).status_code == 404, (method, path)
            assert caller(method, path.replace("acme", "globex"), body).status_code == 404, (method, path)
    (shown,) = by(sso.tenant.owner).get(CONNECTIONS).json()["data"]
    assert (shown["name"], shown["is_enabled"]) == ("Corporate", True)
    assert sso.sign_in().user_id


def test_a_role_of_another_organization_is_none(acme: Tenant, globex: Tenant, idp: Hostile) -> None:
    with tenant_scope(globex.organization):
        foreign = str(globex.role("viewer").pk)
    response = by(acme.owner).post(CONNECTIONS, new(idp, role=foreign))
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "#/role")


@pytest.mark.parametrize("role", ["member", "viewer", "auditor", "none"])
def test_who_does_not_manage_single_sign_on_reaches_nothing(sso: Sso, address: str, role: str) -> None:
    caller = by(sso.tenant.people[role])
    asked = [
        caller.get(CONNECTIONS),
        caller.get(address),
        caller.get(f"{address}/logins"),
        caller.post(CONNECTIONS, new(sso.idp, name="Mine")),
        caller.patch(address, {"name": "Mine"}),
        caller.post(f"{address}/disable"),
        caller.delete(address),
    ]
    assert {response.status_code for response in asked} == {403}
    assert sso.sign_in().user_id


def test_who_reads_changes_nothing(sso: Sso, address: str) -> None:
    key = with_key(organization_key(sso.tenant, "sso:read").secret)
    assert key.get(address).json()["name"] == "Corporate"
    assert key.get(f"{address}/logins").json()["data"] == []
    for response in (
        key.post(CONNECTIONS, new(sso.idp, name="Mine")),
        key.patch(address, {"name": "Mine"}),
        key.post(f"{address}/disable"),
        key.delete(address),
    ):
        assert (response.status_code, response.json()["permission"]) == (403, "sso:manage")


def test_a_connection_is_made_changed_switched_and_deleted(acme: Tenant, idp: Hostile) -> None:
    owner = by(acme.owner)
    made = owner.post(CONNECTIONS, new(idp, provider="okta", role="viewer", joining="anybody"))
    assert made.status_code == 201
    address, shown = made["Location"].removeprefix("/api/v1"), made.json()
    assert address == f"{CONNECTIONS}/{shown['id']}"
    assert (shown["provider"], shown["role"]["key"], shown["joining"]) == ("okta", "viewer", "anybody")
    assert (shown["email_claim"], shown["name_claim"], shown["external_id_claim"]) == ("email", "name", "sub")
    assert (shown["is_enabled"], shown["has_secret"]) == (False, True)
    assert shown["redirect_uri"].endswith(f"/sso/{shown['id']}/callback/")
    assert owner.post(f"{address}/enable").json()["is_enabled"] is True
    assert owner.post(f"{address}/enable").json()["is_enabled"] is True
    changed = owner.patch(address, {"role": None, "name": "Entra", "email_claim": "upn"}).json()
    assert (changed["name"], changed["role"], changed["email_claim"], changed["provider"]) == (
        "Entra",
        None,
        "upn",
        "okta",
    )
    assert changed["is_enabled"] is True
    assert owner.post(CONNECTIONS, new(idp, name="entra")).json()["code"] == "duplicate"
    assert [one["id"] for one in owner.get(f"{CONNECTIONS}?name=Entra").json()["data"]] == [shown["id"]]
    assert owner.get(f"{CONNECTIONS}?name=Okta").json()["data"] == []
    assert owner.post(f"{address}/disable").json()["is_enabled"] is False
    assert owner.delete(address).status_code == 204
    assert owner.get(address).status_code == 404
    told = [event for event in events(acme) if event.action.startswith("sso_connection.")]
    assert [event.action.removeprefix("sso_connection.") for event in told] == [
        "created",
        "enabled",
        "updated",
        "disabled",
        "deleted",
    ]
    assert {event.via for event in told} == {"api"}


def test_a_change_of_something_older_is_refused(sso: Sso, address: str) -> None:
    owner = by(sso.tenant.owner)
    seen = owner.get(address)["ETag"]
    assert owner.patch(address, {"name": "Early"}, if_match=seen).status_code == 200
    assert owner.patch(address, {"name": "Late"}, if_match=seen).status_code == 412
    assert owner.delete(address, if_match=seen).status_code == 412
    shown = owner.get(address)
    assert (shown.json()["name"], shown.json()["is_enabled"]) == ("Early", True)
    assert owner.delete(address, if_match=shown["ETag"]).status_code == 204


def test_the_secret_is_never_returned(acme: Tenant, idp: Hostile) -> None:
    owner = by(acme.owner)
    made = owner.post(CONNECTIONS, new(idp))
    address = made["Location"].removeprefix("/api/v1")
    answers = [
        made,
        owner.get(address),
        owner.get(CONNECTIONS),
        owner.patch(address, {"name": "Renamed"}),
        owner.patch(address, {"client_secret": CLIENT_SECRET}),
        owner.post(f"{address}/enable"),
        owner.get(f"{address}/logins"),
    ]
    for response in answers:
        assert response.status_code in {200, 201}
        assert "s3cret" not in response.content.decode()
        assert "client_secret" not in response.content.decode()


def test_a_change_without_a_secret_keeps_it_and_a_new_one_replaces_it(sso: Sso, address: str) -> None:
    owner = by(sso.tenant.owner)
    owner.patch(address, {"name": "Renamed"})
    assert sso.sign_in().user_id
    sso.idp.client_secret = "the next one"
    assert sso.sign_in().user_id is None
    changed = owner.patch(address, {"client_secret": "the next one"})
    assert "next one" not in changed.content.decode()
    assert sso.sign_in().user_id
    assert owner.patch(address, {"client_secret": ""}).json()["has_secret"] is False
    assert sso.sign_in().user_id is None


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(discovery={"issuer": "https://evil.example"}),
        Behaviour(discovery_answer=Answer.HTML_500),
        Behaviour(discovery={"jwks_uri": "http://169.254.169.254/latest/"}),
        Behaviour(jwks_answer=Answer.HTML),
    ],
    ids=["another issuer", "a broken server", "the cloud's metadata", "a page of keys"],
)
def test_a_provider_that_cannot_be_used_changes_nothing(
    sso: Sso, other_idp: Hostile, address: str, behaviour: Behaviour
) -> None:
    owner = by(sso.tenant.owner)
    before = owner.get(address).content
    other_idp.behaviour = behaviour
    unusable = (422, "provider_unusable", "#/issuer")
    assert refusal(owner.post(CONNECTIONS, new(other_idp))) == unusable
    change = {"name": "Moved", "issuer": other_idp.issuer, "client_secret": CLIENT_SECRET}
    assert refusal(owner.patch(address, change)) == unusable
    assert [one["name"] for one in owner.get(CONNECTIONS).json()["data"]] == ["Corporate"]
    assert owner.get(address).content == before
    assert sso.sign_in().user_id


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": ""}, "#/name"),
        ({"issuer": "ftp://idp.example"}, "#/issuer"),
        ({"issuer": "x" * 501}, "#/issuer"),
        ({"client_id": " "}, "#/client_id"),
        ({"provider": "nobody"}, "#/provider"),
        ({"joining": "everybody"}, "#/joining"),
        ({"role": "owner"}, "#/role"),
        ({"email_claim": ""}, "#/email_claim"),
        ({"client_secret": "x" * 2001}, "#/client_secret"),
        ({"is_enabled": False}, "#/is_enabled"),
        ({"redirect_uri": "https://evil.example/"}, "#/redirect_uri"),
        ({"metadata": {"token_endpoint": "https://evil.example/"}}, "#/metadata"),
        ({"keys": {"keys": []}}, "#/keys"),
        ({"connection_id": "b0415263-7d8e-4f90-8192-c3d4e5f60718"}, "#/connection_id"),
    ],
)
def test_what_is_refused_is_named(sso: Sso, address: str, body: dict[str, Any], pointer: str) -> None:
    owner = by(sso.tenant.owner)
    before = owner.get(address).content
    for response in (owner.patch(address, body), owner.post(CONNECTIONS, new(sso.idp, **body))):
        status, _, blamed = refusal(response)
        assert (status, blamed) == (422, pointer), response.content
    assert owner.get(address).content == before
    assert len(owner.get(CONNECTIONS).json()["data"]) == 1


@pytest.mark.parametrize("missing", ["name", "issuer", "client_id", "client_secret"])
def test_what_a_new_connection_needs(acme: Tenant, idp: Hostile, missing: str) -> None:
    body = new(idp)
    del body[missing]
    response = by(acme.owner).post(CONNECTIONS, body)
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, f"#/{missing}")


def test_owner_is_no_role_of_new_people(acme: Tenant, idp: Hostile) -> None:
    response = by(acme.owner).post(CONNECTIONS, new(idp, role="owner"))
    assert refusal(response) == (422, "owner_by_default", "#/role")


def test_nobody_gives_new_people_more_than_they_have(sso: Sso, address: str) -> None:
    acme = sso.tenant
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        join(acme, "gatekeeper", custom_role(acme, "Gatekeeper", ["sso:read", "sso:manage"]))
    gatekeeper = by(acme.people["gatekeeper"])
    above = (403, "above_own_permissions", "#/role")
    assert refusal(gatekeeper.post(CONNECTIONS, new(sso.idp, role="admin"))) == above
    assert refusal(gatekeeper.patch(address, {"role": "viewer"})) == above
    assert gatekeeper.post(CONNECTIONS, new(sso.idp, role="none")).status_code == 201


def test_how_the_last_sign_ins_went(sso: Sso, address: str) -> None:
    sso.sign_in()
    sso.idp.claims |= {"sub": "u-2", "email": "grace@elsewhere.example"}
    sso.sign_in()
    other = connect(sso.tenant, sso.idp, name="Contractors")
    owner = by(sso.tenant.owner)
    refused, came = owner.get(f"{address}/logins").json()["data"]
    assert (came["succeeded"], came["email"], came["subject"], came["reason"]) == (
        True,
        "member@acme.example",
        "u-1",
        "",
    )
    assert (refused["succeeded"], refused["email"], refused["is_test"]) == (False, "grace@elsewhere.example", False)
    assert "in no domain" in refused["reason"]
    assert [check["passed"] for check in refused["checks"]][-2:] == [True, False]
    assert refused["claims"]["email"] == "grace@elsewhere.example"
    assert "nonce" not in refused["claims"]
    assert owner.get(f"{address}/logins?succeeded=false").json()["data"] == [refused]
    assert owner.get(f"{address}/logins?succeeded=true").json()["data"] == [came]
    assert owner.get(f"{CONNECTIONS}/{other.connection.pk}/logins").json()["data"] == []


def test_a_deleted_connection_lets_nobody_in_and_its_sessions_end(sso: Sso, address: str) -> None:
    visit = sso.sign_in()
    by(sso.tenant.owner).delete(address)
    assert visit.browser.get("/api/v1/organizations/acme").status_code == 401
    assert visit.browser.get("/o/acme/").headers["Location"] == "/accounts/login/"
    assert visit.browser.get(sso.start).status_code == 404


def test_the_stored_secret_is_sent_to_no_other_issuer(sso: Sso, other_idp: Hostile, address: str) -> None:
    owner = by(sso.tenant.owner)
    assert refusal(owner.patch(address, {"issuer": other_idp.issuer})) == (422, "required", "#/client_secret")
    assert owner.get(address).json()["issuer"] == sso.idp.issuer
    changed = owner.patch(address, {"issuer": other_idp.issuer, "client_secret": "of the other"})
    assert changed.json()["issuer"] == other_idp.issuer
    Sso(sso.tenant, other_idp, sso.connection).sign_in()
    assert [request.client[1] for request in other_idp.requested("/token")] == ["of the other"]


# Who has signed in ------------------------------------------------------------------------------------


def test_who_has_signed_in_is_listed_and_forgotten(sso: Sso, globex: Tenant) -> None:
    sso.sign_in()
    identities = f"{CONNECTIONS}/{sso.connection.pk}/identities"
    owner = by(sso.tenant.owner)
    (known,) = owner.get(identities).json()["data"]
    assert (known["subject"], known["issuer"]) == ("u-1", sso.idp.issuer)
    assert known["member"]["user"]["email"] == "member@acme.example"
    assert owner.get(f"{identities}?member={known['member']['id']}").json()["data"] == [known]
    assert owner.get(f"{identities}?member={known['id']}").json()["data"] == []
    for caller in (by(globex.owner), with_key(organization_key(globex, "sso:read", "sso:manage").secret)):
        for path in (identities, identities.replace("acme", "globex")):
            assert caller.get(path).status_code == 404
            assert caller.delete(f"{path}/{known['id']}").status_code == 404
    reader = with_key(organization_key(sso.tenant, "sso:read").secret)
    assert reader.get(identities).json()["data"] == [known]
    assert reader.delete(f"{identities}/{known['id']}").json()["permission"] == "sso:manage"
    assert sso.identities() == ["u-1"]
    assert owner.delete(f"{identities}/{known['id']}").status_code == 204
    assert sso.identities() == []
    (forgotten,) = events(sso.tenant, "sso_identity.unlinked")
    assert forgotten.actor_label == sso.tenant.owner.email
    assert owner.delete(f"{identities}/{known['id']}").status_code == 404
