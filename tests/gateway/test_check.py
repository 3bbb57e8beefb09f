"""Which LLM requests pass, with which credential, and what they carry to the provider and what not."""

import asyncio
from typing import Any

import pytest

from gateway.hotpath.check import Check
from gateway.hotpath.config import proxy_defaults
from gateway.hotpath.proxy_request import ProxyRequest
from gateway.models import ProxySettings
from tests.gateway.check_stage import CHAT, MESSAGES, SECRET, Proxy, check, soon
from tests.gateway.process import Gateway
from tests.gateway.stage import Keys
from tests.people import Tenant, make_project

INVOKE = ["llm:invoke"]
ALWAYS_REMOVED = {"x-gatehouse-llm-auth", "x-langsmith-llm-auth", "cookie", "proxy-authorization", "api-key"}
ALWAYS_REMOVED |= {"x-gatehouse-provider", "x-gatehouse-model", "x-gatehouse-project", "openai-organization"}
ALWAYS_REMOVED |= {"x-http-method", "x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url"}


@pytest.fixture
def proxy(acme: Tenant) -> Proxy:
    return Proxy(acme)


def test_a_request_passes_with_the_credential_injected(gateway: Gateway, proxy: Proxy, acme: Tenant) -> None:
    credential = proxy.credential()
    token = proxy.token()
    for number in range(3):  # the longer way, then from memory
        answer = check(gateway, token, headers={"X-Request-Id": f"request-000{number}", "Cookie": "a=b"})
        assert answer.code == ""
        assert answer.reply.headers["authorization"] == f"Bearer {SECRET}"
        assert answer.reply.headers["x-gatehouse-upstream"] == "api.openai.com"
        assert answer.removed >= ALWAYS_REMOVED | {"x-api-key"}
        assert "authorization" not in answer.removed
        assert answer.reply.headers["x-request-id"] == f"request-000{number}"
        assert answer.reply.body == b""
        assert answer.context == ProxyRequest(
            request_id=f"request-000{number}",
            organization_id=str(acme.organization.pk),
            project_id=str(acme.project.pk),
            environment="development",
            actor_type="user",
            actor_id=str(acme.member.pk),
            actor_label="member@acme.example",
            provider="openai",
            credential_id=str(credential.pk),
        )


def test_each_provider_gets_its_own_header(gateway: Gateway, proxy: Proxy) -> None:
    proxy.credential("anthropic", secret="sk-ant")
    token = proxy.token()
    answer = check(gateway, token, MESSAGES, headers={"x-api-key": "the-client's-own"})
    assert answer.reply.headers["x-api-key"] == "sk-ant"
    assert answer.reply.headers["anthropic-version"] == "2023-06-01"
    assert answer.removed >= ALWAYS_REMOVED | {"authorization"}
    assert "x-api-key" not in answer.removed
    for _ in range(2):
        answer = check(gateway, token, MESSAGES, headers={"anthropic-version": "2024-10-22"})
        assert answer.is_allowed
        assert "anthropic-version" not in answer.reply.headers  # the client's stays
    proxy.credential("azure_openai", secret="azure", base_url="https://acme.openai.azure.com")
    deployed = "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"
    soon(lambda: check(gateway, token, deployed).code, "")
    answer = check(gateway, token, deployed)
    assert answer.reply.headers["api-key"] == "azure"
    assert answer.reply.headers["x-gatehouse-upstream"] == "acme.openai.azure.com"
    assert "api-key" not in answer.removed
    assert answer.removed >= {"authorization", "x-api-key"}
    assert answer.context.model == "gpt-4o"


def test_what_a_client_sends_under_our_names_changes_nothing(gateway: Gateway, proxy: Proxy, acme: Tenant) -> None:
    proxy.credential()
    forged = ProxyRequest(request_id="r", organization_id="other", project_id="other").header().decode()
    headers = {"x-gatehouse-context": forged, "x-gatehouse-upstream": "evil.example", "Authorization": "Bearer dummy"}
    answer = check(gateway, proxy.token(), headers=headers)
    assert answer.context.organization_id == str(acme.organization.pk)
    assert answer.reply.headers["x-gatehouse-upstream"] == "api.openai.com"
    assert answer.secret == SECRET


def test_the_projects_own_come_first_then_the_lowest_number(gateway: Gateway, proxy: Proxy, acme: Tenant) -> None:
    proxy.credential(secret="last", priority=20)
    proxy.credential(secret="third", priority=10)
    own = proxy.credential(secret="first", priority=900, project=acme.project)
    with acme.acting("owner"):
        other = make_project(acme, "billing")
    proxy.credential(secret="elsewhere", priority=1, project=other)
    assert check(gateway, proxy.token()).secret == "first"
    proxy.change(own, is_enabled=False)
    soon(lambda: check(gateway, proxy.token()).secret, "third")
    assert check(gateway, proxy.token(project_id=str(other.pk))).secret == "elsewhere"


def test_when_one_cannot_be_used_the_next_one_is(gateway: Gateway, proxy: Proxy) -> None:
    """Nothing listens at the token endpoint of the first."""
    broken = {"token_endpoint": "https://127.0.0.1:1/token", "client_id": "a"}
    proxy.credential(secret="broken", kind="oauth_client", options=broken, priority=1)
    token = proxy.token()
    answer = check(gateway, token)
    assert answer.code == "credential_unavailable"
    assert answer.reply.status == 503
    assert int(answer.reply.headers["retry-after"]) >= 1
    assert "broken" not in answer.reply.body.decode()
    again = check(gateway, token, headers={"x-gatehouse-unavailable-as": "424"})
    assert (again.code, again.reply.status, again.reply.json["status"]) == ("credential_unavailable", 424, 503)
    proxy.credential(secret="works", priority=2)
    soon(lambda: check(gateway, token).secret, "works")
    assert check(gateway, token).secret == "works"


def test_the_actor_behind_a_key_is_named(gateway: Gateway, proxy: Proxy, keys: Keys, acme: Tenant) -> None:
    proxy.credential()
    account = keys.account()
    seen = {}
    for name, key in {
        "project": keys.project(scopes=INVOKE, name="Ingestion"),
        "personal": keys.personal("member", scopes=INVOKE),
        "robot": keys.service_account(account, scopes=INVOKE),
    }.items():
        context = check(gateway, proxy.key_token(key)).context
        assert context.api_key_id == str(key.key.pk)
        seen[name] = (context.actor_type, context.actor_id, context.actor_label)
    project_key = seen.pop("project")
    assert (project_key[0], project_key[2]) == ("api_key", "Ingestion")
    assert seen == {
        "personal": ("user", str(acme.member.pk), "member@acme.example"),
        "robot": (account.kind, str(account.pk), account.name),
    }


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
def test_api_keys_pass_where_the_organization_takes_them(
    gateway: Gateway, proxy: Proxy, keys: Keys, header: str
) -> None:
    proxy.credential()
    key = keys.project(scopes=INVOKE)
    sent = {header: f"Bearer {key.secret}" if header == "authorization" else key.secret}
    assert check(gateway, headers=sent).code == "api_keys_not_accepted"
    proxy.configure(accepts_api_keys=True)
    soon(lambda: check(gateway, headers=sent).code, "")
    for _ in range(2):
        answer = check(gateway, headers=sent)
        assert answer.secret == SECRET
        assert answer.context.actor_type == "api_key"
        assert key.secret not in str(answer.reply.headers)


def test_keys_of_many_projects_name_one(gateway: Gateway, proxy: Proxy, keys: Keys, acme: Tenant) -> None:
    proxy.configure(accepts_api_keys=True)
    proxy.credential()
    key = keys.personal("member", scopes=INVOKE)
    sent = {"Authorization": f"Bearer {key.secret}"}
    assert check(gateway, headers=sent).code == "project_unknown"
    for named in ("chatbot", str(acme.project.pk)):
        answer = check(gateway, headers=sent | {"X-Gatehouse-Project": named})
        assert answer.context.project_id == str(acme.project.pk)
    for named in ("nothing", "Chatbot", "../chatbot", "a" * 100, str(acme.organization.pk)):
        assert check(gateway, headers=sent | {"X-Gatehouse-Project": named}).code == "project_unknown"
    bound = keys.project(scopes=INVOKE)
    sent = {"Authorization": f"Bearer {bound.secret}"}
    assert check(gateway, headers=sent | {"X-Gatehouse-Project": "chatbot"}).is_allowed
    assert check(gateway, headers=sent | {"X-Gatehouse-Project": "nothing"}).code == "project_unknown"


def test_langsmiths_header_is_taken_where_the_switch_is_on(gateway: Gateway, proxy: Proxy) -> None:
    proxy.credential()
    token = proxy.token()
    for value in (token, f"Bearer {token}"):
        assert check(gateway, headers={"X-LangSmith-LLM-Auth": value}).code == "token_invalid"
    proxy.configure(emits_langsmith_names=True)
    soon(lambda: check(gateway, headers={"X-LangSmith-LLM-Auth": token}).code, "")
    for value in (token, f"Bearer {token}", f"bearer  {token} "):
        assert check(gateway, headers={"X-LangSmith-LLM-Auth": value}).is_allowed
        assert check(gateway, headers={"X-Gatehouse-LLM-Auth": value}).is_allowed


def test_what_the_token_states_goes_before_what_the_header_states(gateway: Gateway, proxy: Proxy) -> None:
    proxy.credential("openai", secret="openai", allowed_models=["gpt-4*"], priority=1)
    proxy.credential("mistral", secret="mistral")
    stated = {"X-Gatehouse-Provider": "mistral", "X-Gatehouse-Model": "gpt-9"}
    answer = check(gateway, proxy.token(), headers=stated)
    assert (answer.secret, answer.context.model, answer.context.allowed_models) == ("mistral", "", ["gpt-9"])
    bound = proxy.token(model_provider="openai", model_name="gpt-4o")
    answer = check(gateway, bound, headers=stated)
    assert (answer.secret, answer.context.model, answer.context.allowed_models) == ("openai", "", ["gpt-4o"])
    assert check(gateway, proxy.token(model_provider="openai", model_name="o1")).code == "model_not_allowed"
    answer = check(gateway, proxy.token())
    assert (answer.context.model, answer.context.allowed_models) == ("", ["gpt-4*"])


def test_a_model_of_bedrocks_is_named_by_its_arn(gateway: Gateway, proxy: Proxy) -> None:
    proxy.credential("bedrock", options={"region": "eu-west-1"}, allowed_models=["arn:aws:bedrock:*:123456789012:*"])
    profile = "arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Aapplication-inference-profile%2Fab12"
    answer = check(gateway, proxy.token(), f"/model/{profile}/converse")
    assert answer.context.model == "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/ab12"
    assert answer.reply.headers["x-gatehouse-upstream"] == "bedrock-runtime.eu-west-1.amazonaws.com"
    elsewhere = profile.replace("123456789012", "210987654321")
    assert check(gateway, proxy.token(), f"/model/{elsewhere}/converse").code == "model_not_allowed"
    assert check(gateway, proxy.token(), f"/model/{profile}%2F../converse").code == "provider_unknown"


def test_what_is_masked_and_mapped_is_handed_on(gateway: Gateway, proxy: Proxy) -> None:
    proxy.configure(masked=["email", "iban"])
    proxy.credential("anthropic")
    context = check(gateway, proxy.token(), CHAT).context
    assert (context.mapping, context.masked) == ("anthropic", ["email", "iban"])
    assert check(gateway, proxy.token(), MESSAGES).context.mapping == ""


def test_defaults_are_those_of_the_installation(acme: Tenant) -> None:
    defaults = proxy_defaults(enabled=False)
    assert defaults == {name: getattr(ProxySettings(), name) for name in defaults}
    proxy = Proxy(acme, enabled=False)
    proxy.credential()
    token = proxy.token()
    with Gateway(PROXY_ENABLED_BY_DEFAULT="1", PROXY_TRANSFORMER="0") as gateway:
        assert check(gateway, token).is_allowed
        proxy.configure(is_enabled=True, masked=["email"])  # nobody would do it
        soon(lambda: check(gateway, token).code, "not_maskable")
        assert check(gateway, token, "/v1/models", method="GET").is_allowed
        proxy.configure(is_enabled=False)
        soon(lambda: check(gateway, token).code, "proxy_disabled")


def test_a_mistake_of_ours_lets_nothing_through(monkeypatch: Any) -> None:
    """Whatever is raised ends as a refusal."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def broken(*_: Any) -> None:
        raise KeyError("secret")

    monkeypatch.setattr(Check, "_decide", broken)
    made = Check.__new__(Check)
    scope = {"headers": [(b"a", b"b"), (b"a", b"b")]}
    asyncio.run(made(scope, dict(scope["headers"]), send, b"request-1"))
    assert sent[0]["status"] == 503
    assert b"secret" not in sent[1]["body"]
