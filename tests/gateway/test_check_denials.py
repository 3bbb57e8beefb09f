"""Why LLM requests are refused: each code, and nothing of a secret in it."""

import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from accounts.key_format import new_secret
from accounts.services.key_rules import IssuedKey
from accounts.services.sign_in_policy import update_sign_in_policy
from gateway.claims import sign
from gateway.hotpath.denials import CODES, denied
from gateway.models import UsageLimit
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.services.organizations import suspend_organization
from tenants.services.projects import request_project_deletion
from tests.gateway.check_stage import CHAT, Proxy, check, soon, store
from tests.gateway.process import Gateway
from tests.gateway.stage import Keys
from tests.people import Tenant, make_project

INVOKE = ["llm:invoke"]


@pytest.fixture
def proxy(acme: Tenant) -> Proxy:
    made = Proxy(acme)
    made.credential()
    return made


def edited(token: str, part: int, change: Callable[[str], str]) -> str:
    """Return a token with one of its three parts changed."""
    parts = token.split(".")
    parts[part] = change(parts[part])
    return ".".join(parts)


def text(document: bytes) -> str:
    return urlsafe_b64encode(document).rstrip(b"=").decode()


def test_without_anything_shown(gateway: Gateway, proxy: Proxy) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer sk-a-provider's-own"},
        {"Authorization": "Basic YTpi"},
        {"X-Gatehouse-LLM-Auth": ""},
        {"X-Gatehouse-LLM-Auth": "Bearer"},
        {"X-Gatehouse-LLM-Auth": "Bearer "},
        {"X-API-Key": "sk-ant"},
    ):
        answer = check(gateway, headers=headers)
        assert (answer.code, answer.reply.status) == ("token_invalid", 401)
        assert answer.reply.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    "break_it",
    [
        lambda token: token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1],
        lambda token: edited(token, 0, lambda _: text(b'{"alg":"none","typ":"at+jwt"}')),
        lambda token: edited(token, 0, lambda _: text(b'{"alg":"HS256","kid":"one","typ":"at+jwt"}')),
        lambda token: edited(token, 0, lambda part: part + "="),
        lambda token: edited(token, 1, lambda part: part[:-4]),
        lambda token: edited(token, 1, lambda _: text(b"{}")),
        lambda token: edited(token, 2, lambda _: ""),
        lambda token: token + ".x",
        lambda token: token.rsplit(".", 1)[0],
        lambda token: token + "\xff",
        lambda token: "x" * 5_000,
        lambda token: "a.b.c",
        lambda token: f"{token},{token}",
        lambda token: f"{token} {token}",
    ],
)
def test_a_token_that_is_no_longer_what_was_signed(
    gateway: Gateway, proxy: Proxy, break_it: Callable[[str], str]
) -> None:
    token = proxy.token()
    assert check(gateway, token).is_allowed
    answer = check(gateway, headers={"X-Gatehouse-LLM-Auth": break_it(token).encode("latin-1").decode("latin-1")})
    assert answer.code == "token_invalid"
    assert token[-20:] not in answer.reply.body.decode()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"issuer": "https://elsewhere.example"}, "token_invalid"),
        ({"audiences": ("somebody-else",)}, "token_invalid"),
        ({"issued_at": -400, "not_before": -400, "expires_at": -50}, "token_expired"),
        ({"expires_at": 3_600}, "token_invalid"),
        ({"expires_at": 10 * 365 * 86_400}, "token_invalid"),
        ({"not_before": 600, "issued_at": 600, "expires_at": 900}, "token_invalid"),
        ({"scope": frozenset({"traces:read"})}, "permission_missing"),
        ({"subject": "not-a-uuid"}, "token_invalid"),
        ({"subject": str(uuid4())}, "permission_missing"),
        ({"organization_id": "acme"}, "token_invalid"),
        ({"organization_id": str(uuid4())}, "project_unknown"),
        ({"project_id": str(uuid4())}, "project_unknown"),
        ({"actor_type": "service"}, "permission_missing"),
        ({"actor_type": "api_key"}, "token_invalid"),
        ({"client_id": "gatepk_unknown"}, "token_revoked"),
        ({"actor_type": "api_key", "client_id": "gatepk_unknown"}, "token_revoked"),
        ({"model_provider": "nobody"}, "provider_unknown"),
        ({"model_provider": "bedrock"}, "provider_unknown"),
        ({"model_provider": "mistral"}, "credential_missing"),
    ],
)
def test_claims_that_do_not_hold(gateway: Gateway, proxy: Proxy, changes: dict[str, Any], code: str) -> None:
    """Numbers are seconds from now."""
    now = int(time.time())
    changes = {name: now + value if isinstance(value, int) else value for name, value in changes.items()}
    assert check(gateway, proxy.token(**changes)).code == code


def test_a_token_of_a_key_that_is_not_published(gateway: Gateway, proxy: Proxy) -> None:
    own = Ed25519PrivateKey.generate()
    assert check(gateway, sign(proxy.claims().document(), kid="mine", key=own)).code == "token_invalid"
    published = proxy.token().partition(".")[0]
    forged = sign(proxy.claims().document(), kid="mine", key=own).partition(".")[2]
    assert check(gateway, f"{published}.{forged}").code == "token_invalid"


def test_an_expired_token_that_was_known_is_refused(gateway: Gateway, proxy: Proxy) -> None:
    now = int(time.time())
    token = proxy.token(issued_at=now - 60, not_before=now - 60, expires_at=now - 8)  # within the clocks' skew
    assert check(gateway, token).is_allowed
    while time.time() < now + 2:
        if not check(gateway, token).is_allowed:
            break
    soon(lambda: check(gateway, token).code, "token_expired")


def test_where_the_proxy_is_off(gateway: Gateway, globex: Tenant) -> None:
    proxy = Proxy(globex, enabled=False)
    proxy.credential()
    answer = check(gateway, proxy.token("owner"))
    assert (answer.code, answer.reply.status) == ("proxy_disabled", 403)


def test_a_suspended_organization(gateway: Gateway, proxy: Proxy, keys: Keys, acme: Tenant) -> None:
    proxy.configure(accepts_api_keys=True)
    token, key = proxy.token(), keys.project(scopes=INVOKE)
    sent = {"Authorization": f"Bearer {key.secret}"}
    soon(lambda: (check(gateway, token).code, check(gateway, headers=sent).code), ("", ""))
    with acting_as(SYSTEM), tenant_scope(acme.organization):
        suspend_organization(organization=acme.organization, reason="test", actor=SYSTEM)
    soon(lambda: check(gateway, token).code, "organization_suspended")
    soon(lambda: check(gateway, headers=sent).code, "organization_suspended")


def test_a_project_that_is_being_deleted(gateway: Gateway, proxy: Proxy, keys: Keys, acme: Tenant) -> None:
    proxy.configure(accepts_api_keys=True)
    token, key = proxy.token(), keys.project(scopes=INVOKE)
    sent = {"Authorization": f"Bearer {key.secret}"}
    soon(lambda: (check(gateway, token).code, check(gateway, headers=sent).code), ("", ""))
    with acme.acting("owner") as owner:
        request_project_deletion(project=acme.project, actor=owner)
    soon(lambda: check(gateway, token).code, "project_suspended")
    soon(lambda: check(gateway, headers=sent).code, "project_suspended")


def test_who_may_not_call_models(gateway: Gateway, proxy: Proxy, keys: Keys) -> None:
    assert check(gateway, proxy.token("viewer")).code == "permission_missing"
    assert check(gateway, proxy.key_token(keys.project(scopes=["traces:read"]))).code == "permission_missing"


def test_a_key_counts_in_its_own_project(gateway: Gateway, proxy: Proxy, keys: Keys, acme: Tenant) -> None:
    with acme.acting("owner"):
        billing = make_project(acme, "billing")
    token = proxy.key_token(keys.project(billing, scopes=INVOKE))
    assert check(gateway, token).code == "permission_missing"


def test_a_token_names_another_project_than_the_header(gateway: Gateway, proxy: Proxy, acme: Tenant) -> None:
    for named in ("billing", str(uuid4()), "'; DROP TABLE"):
        assert check(gateway, proxy.token(), headers={"X-Gatehouse-Project": named}).code == "project_unknown"
    for named in ("chatbot", str(acme.project.pk)):
        assert check(gateway, proxy.token(), headers={"X-Gatehouse-Project": named}).is_allowed


def test_a_key_that_belongs_to_somebody_else_than_the_token(gateway: Gateway, proxy: Proxy, keys: Keys) -> None:
    key = keys.personal("admin", scopes=INVOKE)
    assert check(gateway, proxy.token("member", client_id=key.public_id)).code == "token_revoked"
    assert (
        check(gateway, proxy.token("member", client_id=keys.project(scopes=INVOKE).public_id)).code == "token_revoked"
    )


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_keys_that_are_none(gateway: Gateway, proxy: Proxy, platform: IssuedKey, header: str) -> None:
    proxy.configure(accepts_api_keys=True)
    for secret in (
        new_secret("project", "production"),
        platform.secret,
        "gatesk_",
        "gatesk_prj_dev_x",
        "gatesk_" * 500,
    ):
        sent = {header: f"Bearer {secret}" if header == "Authorization" else secret}
        answer = check(gateway, headers=sent)
        assert (answer.code, answer.reply.status) == ("key_invalid", 401)
        assert secret[10:40] not in answer.reply.body.decode() or len(secret) < 11


def test_guesses_run_out(proxy: Proxy, keys: Keys) -> None:
    proxy.configure(accepts_api_keys=True)
    key = keys.project(scopes=INVOKE)
    with Gateway(GATEWAY_GUESSES_PER_MINUTE="5") as gateway:
        soon(lambda: check(gateway, headers={"x-api-key": key.secret}).code, "")
        codes = [check(gateway, headers={"x-api-key": new_secret("project", "production")}).code for _ in range(8)]
        assert codes == ["key_invalid"] * 5 + ["too_many_guesses"] * 3
        assert check(gateway, headers={"x-api-key": key.secret}).is_allowed


def test_networks_of_the_key_and_of_the_organization(proxied: Gateway, proxy: Proxy, keys: Keys, acme: Tenant) -> None:
    key = keys.project(scopes=INVOKE, allowed_networks=["192.0.2.0/24"])
    token, person = proxy.key_token(key), proxy.token()

    def code(shown: str, *forwarded: str) -> str:
        return check(proxied, shown, headers={"X-Forwarded-For": ", ".join(forwarded)} if forwarded else {}).code

    assert code(token, "192.0.2.9") == ""
    assert code(token, "198.51.100.1") == "network_not_allowed"
    assert code(token, "192.0.2.9", "198.51.100.1") == "network_not_allowed"  # what the proxy itself appended counts
    assert code(token, "198.51.100.1", "192.0.2.9") == ""
    assert code(token, "nonsense") == code(token) == "network_not_allowed"
    assert code(person, "198.51.100.1") == ""
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        update_sign_in_policy(organization=acme.organization, allowed_networks=["10.0.0.0/8"], actor=SYSTEM)
    soon(lambda: code(person, "198.51.100.1"), "network_not_allowed")
    assert code(person, "10.1.2.3") == ""
    assert code(token, "192.0.2.9") == ""  # the policy is about people


def test_a_header_that_nobody_vouches_for_is_not_believed(gateway: Gateway, proxy: Proxy, keys: Keys) -> None:
    token = proxy.key_token(keys.project(scopes=INVOKE, allowed_networks=["192.0.2.0/24"]))
    assert check(gateway, token, headers={"X-Forwarded-For": "192.0.2.9"}).code == "network_not_allowed"


def test_providers_models_and_paths(gateway: Gateway, proxy: Proxy) -> None:
    token = proxy.token()
    assert check(gateway, token, "/v1/files").code == "provider_unknown"
    assert check(gateway, token, CHAT, method="DELETE").code == "provider_unknown"
    assert check(gateway, token, "/v1/messages").code == ""  # mapped
    assert check(gateway, token, "/model/a/invoke").code == "credential_missing"
    assert check(gateway, token, headers={"X-Gatehouse-Provider": "anthropic"}).code == "credential_missing"
    assert check(gateway, token, headers={"X-Gatehouse-Provider": "nobody"}).code == "provider_unknown"
    assert check(gateway, token, headers={"X-Gatehouse-Model": "gpt-4*"}).code == "model_not_allowed"


def test_limits_refuse_with_their_own_codes(gateway: Gateway, proxy: Proxy, acme: Tenant) -> None:
    token = proxy.token()
    assert check(gateway, token).is_allowed
    limit = UsageLimit(
        organization=acme.organization,
        subject_kind="organization",
        metric="requests",
        window="day",
        amount=2,
        created_by="test",
    )
    store(limit, organization=acme.organization)
    soon(lambda: check(gateway, token).code, "budget_exceeded")
    answer = check(gateway, token)
    assert answer.reply.status == 402
    assert int(answer.reply.headers["retry-after"]) > 0
    other = UsageLimit(
        organization=acme.organization,
        subject_kind="project",
        metric="tokens",
        window="day",
        amount=10**9,
        created_by="t",
    )
    store(other, organization=acme.organization)
    proxy_of = Proxy(acme, enabled=False)
    proxy_of.change(limit, is_enabled=False)
    soon(lambda: check(gateway, token).code, "")
    assert check(gateway, token).context.reservation


def test_every_code_is_a_sentence_and_is_documented() -> None:
    page = (settings.BASE_DIR / "docs/llm-proxy/ext-authz.md").read_text(encoding="utf-8")
    for code in CODES:
        assert str(denied(code)).endswith(".")
        assert f"`{code}`" in page
