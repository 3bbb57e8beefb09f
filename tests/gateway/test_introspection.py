"""What services are told about keys, and who is told."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.services.key_rules import IssuedKey
from accounts.services.service_accounts import set_service_account_project_role
from tenants.services.members import set_project_role
from tests.gateway.process import FORM, Gateway, basic, bearer
from tests.gateway.stage import Keys, platform_key
from tests.people import Tenant, make_project

INACTIVE = {"active": False}


def test_a_stranger_learns_nothing(gateway: Gateway, keys: Keys, globex: Tenant, platform: IssuedKey) -> None:
    """A service of another organization cannot tell a valid key from one that does not exist."""
    token = keys.project().secret
    stranger = Keys(globex).caller()
    assert gateway.ask(basic(platform), token).is_active
    for caller in (basic(stranger), bearer(stranger)):
        reply = gateway.ask(caller, token)
        assert reply.body == b'{"active":false}'
        assert gateway.ask(caller, token, project="chatbot").json == INACTIVE
        assert gateway.ask(caller, token, token).json == {"results": [INACTIVE, INACTIVE]}
    assert gateway.ask(basic(keys.caller()), token).is_active


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer x", "Basic", "Basic !", "Basic eA==", "Digest x", "Bearer \u00ff", "Basic " + "QQ" * 2000],
)
def test_who_shows_no_key_is_not_answered(gateway: Gateway, keys: Keys, header: str) -> None:
    headers = FORM | ({"Authorization": header} if header else {})
    reply = gateway.send("POST", "/api/v1/introspect", f"token={keys.project().secret}".encode(), headers)
    assert reply.status == 401
    assert reply.json["code"] == "not_authenticated"
    assert reply.headers["content-type"] == "application/problem+json"
    assert "www-authenticate" in reply.headers


def test_a_wrong_public_id_is_no_credential(gateway: Gateway, keys: Keys, platform: IssuedKey) -> None:
    key, other = keys.caller(), keys.caller()
    assert gateway.ask(basic(IssuedKey(key.key, key.secret)), key.secret).status == 200
    assert gateway.ask(basic(IssuedKey(other.key, key.secret)), key.secret).status == 401
    assert gateway.ask(basic(platform), f"{key.public_id}:{key.secret}").is_active
    assert not gateway.ask(basic(platform), f"{other.public_id}:{key.secret}").is_active


def test_a_key_without_the_permission_may_not_ask(gateway: Gateway, keys: Keys) -> None:
    reply = gateway.ask(basic(keys.organization()), keys.project().secret)
    assert reply.status == 403
    assert reply.json["permission"] == "api_keys:introspect"
    assert reply.headers["content-type"] == "application/problem+json"


def test_a_platform_key_is_no_token(gateway: Gateway, platform: IssuedKey) -> None:
    assert not gateway.ask(basic(platform), platform.secret).is_active


def test_what_is_told_about_a_project_key(gateway: Gateway, keys: Keys, platform: IssuedKey, acme: Tenant) -> None:
    ends = timezone.now().replace(microsecond=0) + timedelta(days=3)
    key = keys.project(expires_at=ends, name="Ingestion")
    reply = gateway.ask(basic(platform), key.secret)
    project = {"id": str(acme.project.pk), "slug": "chatbot"}
    assert reply.json == {
        "active": True,
        "scope": "traces:read traces:write",
        "client_id": key.public_id,
        "token_type": "Bearer",
        "exp": int(ends.timestamp()),
        "iat": int(key.key.created_at.timestamp()),
        "sub": str(key.key.pk),
        "kind": "project",
        "name": "Ingestion",
        "environment": key.key.environment,
        "organization": {"id": str(acme.organization.pk), "slug": "acme"},
        "project": project,
        "permissions": ["traces:read", "traces:write"],
    }
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["content-type"] == "application/json"
    assert gateway.ask(basic(platform), key.secret).body == reply.body  # from memory
    assert key.secret.encode() not in reply.body


def test_a_key_without_an_end_says_none(gateway: Gateway, keys: Keys, platform: IssuedKey) -> None:
    reply = gateway.ask(basic(platform), keys.organization().secret)
    assert "exp" not in reply.json
    assert reply.json["project"] is None


def test_an_owner_cannot_lend_more_than_they_have(
    gateway: Gateway, keys: Keys, platform: IssuedKey, acme: Tenant
) -> None:
    """Personal and service-account keys: scopes and authority, in the organization or in the project named."""
    with acme.acting("owner") as owner:
        hidden = make_project(acme, "hidden")
        set_project_role(membership=acme.membership("member"), project=hidden, role=acme.role("none"), actor=owner)
    account = keys.account("member")
    with acme.acting("owner") as owner:
        set_service_account_project_role(account=account, project=hidden, role=acme.role("viewer"), actor=owner)
    person, robot = keys.personal("member"), keys.service_account(account)
    for key, in_hidden in ((person, []), (robot, ["traces:read"])):
        reply = gateway.ask(basic(platform), key.secret).json
        assert reply["permissions"] == ["traces:read", "traces:write"]
        assert reply["project"] is None
        for name in ("hidden", str(hidden.pk)):
            reply = gateway.ask(basic(platform), key.secret, project=name).json
            assert reply["permissions"] == in_hidden
            assert reply["scope"] == " ".join(in_hidden)
            assert reply["project"] == {"id": str(hidden.pk), "slug": "hidden"}
    assert gateway.ask(basic(platform), person.secret).json["sub"] == str(acme.member.pk)
    assert gateway.ask(basic(platform), robot.secret).json["sub"] == str(account.pk)


def test_a_key_counts_in_no_project_but_its_own(
    gateway: Gateway, keys: Keys, platform: IssuedKey, acme: Tenant, globex: Tenant
) -> None:
    with acme.acting("owner"):
        make_project(acme, "other")
    key = keys.project()
    assert gateway.ask(basic(platform), key.secret, project="chatbot").is_active
    for name in ("other", str(uuid4()), str(globex.project.pk), "no-such", "%00", "Chatbot", "x" * 500, "a b", "ü"):
        assert not gateway.ask(basic(platform), key.secret, project=name).is_active, name
    organization_key = keys.organization()
    assert gateway.ask(basic(platform), organization_key.secret, project="other").json["project"]["slug"] == "other"
    assert not gateway.ask(basic(platform), organization_key.secret, project=str(globex.project.pk)).is_active


def test_a_projects_service_asks_about_its_project_only(gateway: Gateway, keys: Keys, acme: Tenant) -> None:
    with acme.acting("owner"):
        other = make_project(acme, "other")
    caller = keys.project(scopes=["api_keys:introspect"])
    mine, theirs = keys.project(), keys.project(project=other)
    assert gateway.ask(basic(caller), mine.secret).is_active
    assert not gateway.ask(basic(caller), theirs.secret).is_active
    assert not gateway.ask(basic(caller), theirs.secret, project="other").is_active
    person = keys.personal("member")
    assert gateway.ask(basic(caller), person.secret).json["project"]["slug"] == "chatbot"
    assert not gateway.ask(basic(caller), person.secret, project="other").is_active


def test_an_account_that_may_ask_in_one_project_names_it(gateway: Gateway, keys: Keys, acme: Tenant) -> None:
    with acme.acting("owner"):
        make_project(acme, "other")
    account = keys.account("none")
    with acme.acting("owner") as owner:
        set_service_account_project_role(account=account, project=acme.project, role=acme.role("admin"), actor=owner)
    caller = keys.service_account(account, scopes=["api_keys:introspect"])
    token = keys.organization().secret
    refused = gateway.ask(basic(caller), token)
    assert refused.status == 403
    assert "“project”" in refused.json["detail"]
    assert gateway.ask(basic(caller), token, project="chatbot").is_active
    assert not gateway.ask(basic(caller), token, project="other").is_active


def test_many_keys_are_answered_in_order(gateway: Gateway, keys: Keys, platform: IssuedKey) -> None:
    tokens = [keys.project().secret, "nonsense", keys.organization().secret, ""]
    results: list[dict[str, object]] = []
    for _ in range(2):  # from the database, then from memory
        results = gateway.ask(basic(platform), *tokens).json["results"]
        assert [result["active"] for result in results] == [True, False, True, False]
        assert [result.get("kind") for result in results] == ["project", None, "organization", None]
    headers = {"Content-Type": "application/json; charset=utf-8", "Authorization": basic(platform)}
    listed = gateway.send("POST", "/api/v1/introspect", json.dumps({"tokens": tokens}).encode(), headers)
    assert listed.json["results"] == results
    single = gateway.send("POST", "/api/v1/introspect", json.dumps({"token": tokens[0]}).encode(), headers)
    assert single.json == results[0]
    one = gateway.send("POST", "/api/v1/introspect", json.dumps({"tokens": tokens[:1]}).encode(), headers)
    assert one.json == {"results": results[:1]}
    assert gateway.ask(basic(platform), *["x"] * 100).status == 200
    assert gateway.ask(basic(platform), *["x"] * 101).status == 400


def test_an_allow_list_is_asked_of_the_end_client(gateway: Gateway, keys: Keys, platform: IssuedKey) -> None:
    key = keys.project(allowed_networks=["192.0.2.0/24", "2001:db8::/32"])
    for _ in range(2):
        for address in ("192.0.2.7", "2001:db8::1", "::ffff:192.0.2.9"):
            assert gateway.ask(basic(platform), key.secret, client_ip=address).is_active, address
        assert not gateway.ask(basic(platform), key.secret).is_active  # nobody said where from
        assert not gateway.ask(basic(platform), key.secret, client_ip="198.51.100.1").is_active
    for wrong in ("nowhere", "192.0.2.7/24", "fe80::1%eth0", "1" * 400):
        assert gateway.ask(basic(platform), key.secret, client_ip=wrong).status == 400, wrong


def test_a_callers_allow_list_is_asked_of_the_caller(gateway: Gateway, proxied: Gateway, keys: Keys) -> None:
    token = keys.project().secret
    here, elsewhere = keys.caller(allowed_networks=["127.0.0.1"]), keys.caller(allowed_networks=["192.0.2.0/24"])
    for _ in range(2):
        assert gateway.ask(basic(here), token).is_active
        assert gateway.ask(basic(elsewhere), token).status == 401
        assert gateway.ask(basic(elsewhere), token, address="192.0.2.1").status == 401  # believed by nobody
        assert proxied.ask(basic(elsewhere), token, address="192.0.2.1").is_active
        assert proxied.ask(basic(elsewhere), token, address="192.0.2.1, 198.51.100.9").status == 401
        assert proxied.ask(basic(here), token, address="192.0.2.1").status == 401


def test_a_service_may_look_at_its_own_key(gateway: Gateway, keys: Keys) -> None:
    caller = keys.caller(allowed_networks=["127.0.0.1"])
    assert gateway.ask(basic(caller), caller.secret).is_active


def test_the_answer_carries_the_requests_id(gateway: Gateway, keys: Keys, platform: IssuedKey) -> None:
    token = keys.project().secret
    headers = FORM | {"Authorization": basic(platform), "X-Request-ID": "from-the-client-1"}
    for _ in range(2):
        reply = gateway.send("POST", "/api/v1/introspect", f"token={token}".encode(), headers)
        assert reply.headers["x-request-id"] == "from-the-client-1"
        made = {gateway.ask(basic(platform), token).headers["x-request-id"] for _ in range(3)}
        assert len(made) == 3
    refused = gateway.ask("Bearer x", token)
    assert refused.json["request_id"] == refused.headers["x-request-id"]


def test_an_expired_platform_key_opens_nothing(gateway: Gateway, keys: Keys) -> None:
    caller = platform_key(expires_at=timezone.now() + timedelta(seconds=1.2))
    token = keys.project().secret
    assert gateway.ask(basic(caller), token).is_active
    while timezone.now() < caller.key.expires_at:
        assert gateway.ask(basic(caller), token).status in {200, 401}
    assert gateway.ask(basic(caller), token).status == 401
