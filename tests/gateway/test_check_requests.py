"""Odd requests for the check: a refusal that says why, never a pass by mistake, never a 5xx, never another address."""

import json

import pytest

from gateway.hotpath.check import Check
from gateway.hotpath.config import Config
from gateway.hotpath.problems import Refused
from tests.gateway.check_stage import CHAT, SECRET, Proxy, check, soon
from tests.gateway.process import FORM, Gateway
from tests.gateway.stage import Keys
from tests.people import Tenant

INVOKE = ["llm:invoke"]


@pytest.fixture
def proxy(acme: Tenant) -> Proxy:
    made = Proxy(acme)
    made.credential()
    return made


def raw(gateway: Gateway, target: str, *headers: str, method: str = "POST", body: bytes = b"") -> tuple[int, bytes]:
    """Send bytes as they are; return status and everything that came back."""
    lines = [f"{method} {target} HTTP/1.1", "Host: a", "Connection: close", *headers]
    answer = gateway.raw("\r\n".join([*lines, "", ""]).encode("latin-1") + body, wait=3)
    assert not answer or answer.startswith(b"HTTP/1.1 "), answer[:80]
    return (int(answer.split()[1]) if answer else 0), answer


def denial(answer: bytes) -> str:
    """Return the code in a refusal."""
    document = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert document["detail"].endswith(".")
    assert f"x-gatehouse-denial: {document['code']}".encode() in answer
    return str(document["code"])


@pytest.mark.parametrize(
    "target",
    [
        "/check/",
        "/check//v1/chat/completions",
        "/check/../api/v1/introspect",
        "/check/./v1/chat/completions",
        "/check/%2e%2e/api/v1/introspect",
        "/check/..%2fapi/v1/introspect",
        "/check/v1%2Fchat%2Fcompletions",
        "/check/v1/chat%2Fcompletions",
        "/check/v1/chat%5Ccompletions",
        "/check/v1/chat/completions%00",
        "/check/v1/chat/completions%0d%0ax-gatehouse-upstream:evil",
        "/check/v1/chat/completions/",
        "/check/v1/chat/completions;a=b",
        "/check/V1/CHAT/COMPLETIONS",
        "/check/check/v1/chat/completions",
        "/check/healthz/ready",
        "/check/" + "a" * 8_000,
        "/check/v1/models/..",
    ],
)
def test_paths_that_are_read_differently_here_and_there(gateway: Gateway, proxy: Proxy, target: str) -> None:
    status, answer = raw(gateway, target, f"X-Gatehouse-LLM-Auth: {proxy.token()}")
    assert status == 403, answer[:300]
    assert denial(answer) == "provider_unknown"
    assert SECRET.encode() not in answer


@pytest.mark.parametrize(
    "target", ["/check", "/checkv1/chat", "/Check/v1/chat/completions", "/%63heck/v1/chat/completions"]
)
def test_what_is_not_below_the_address(gateway: Gateway, proxy: Proxy, target: str) -> None:
    status, answer = raw(gateway, target, f"X-Gatehouse-LLM-Auth: {proxy.token()}")
    assert status == 404
    assert b"x-gatehouse-upstream" not in answer


def test_introspection_is_not_reached_by_a_detour(gateway: Gateway, proxy: Proxy, keys: Keys) -> None:
    caller, key = keys.caller(), keys.project()
    body = f"token={key.secret}".encode()
    sent = FORM | {"Authorization": f"Bearer {caller.secret}"}
    assert gateway.send("POST", "/api/v1/introspect", body, sent).is_active
    for target in ("/check/../api/v1/introspect", "/check/..%2Fapi/v1/introspect", "/check/api/v1/introspect"):
        reply = gateway.send("POST", target, body, sent)
        assert reply.status in {401, 403}
        assert b"active" not in reply.body


@pytest.mark.parametrize("name", ["X-Gatehouse-LLM-Auth", "Authorization", "X-API-Key", "X-Gatehouse-Project"])
def test_what_may_come_once_is_refused_twice(gateway: Gateway, proxy: Proxy, keys: Keys, name: str) -> None:
    proxy.configure(accepts_api_keys=True)
    key = keys.project(scopes=INVOKE)
    value = {
        "X-Gatehouse-LLM-Auth": proxy.token(),
        "Authorization": f"Bearer {key.secret}",
        "X-API-Key": key.secret,
        "X-Gatehouse-Project": "chatbot",
    }[name]
    shown = () if name != "X-Gatehouse-Project" else (f"X-Gatehouse-LLM-Auth: {proxy.token()}",)
    soon(lambda: raw(gateway, f"/check{CHAT}", *shown, f"{name}: {value}")[0], 200)
    status, answer = raw(gateway, f"/check{CHAT}", *shown, f"{name}: {value}", f"{name}: {value}")
    assert (status, denial(answer)) == (400, "malformed")
    status, answer = raw(gateway, f"/check{CHAT}", *shown, f"{name}: {value}", f"{name.lower()}: other")
    assert (status, denial(answer)) == (400, "malformed")


def test_several_addresses_on_the_way_are_one_list(proxied: Gateway, proxy: Proxy, keys: Keys) -> None:
    token = proxy.key_token(keys.project(scopes=INVOKE, allowed_networks=["192.0.2.0/24"]))
    shown = f"X-Gatehouse-LLM-Auth: {token}"
    forwarded = ("X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 192.0.2.1")
    assert raw(proxied, f"/check{CHAT}", shown, *forwarded)[0] == 200
    status, answer = raw(proxied, f"/check{CHAT}", shown, *reversed(forwarded))
    assert (status, denial(answer)) == (403, "network_not_allowed")


def test_a_token_decides_alone_whatever_key_stands_beside_it(gateway: Gateway, proxy: Proxy, keys: Keys) -> None:
    proxy.configure(accepts_api_keys=True)
    key = {"Authorization": f"Bearer {keys.project(scopes=INVOKE).secret}"}
    token = proxy.token()
    soon(lambda: check(gateway, headers=key).code, "")
    answer = check(gateway, token, headers=key)
    assert answer.context.actor_type == "user"
    assert answer.secret == SECRET
    assert check(gateway, token[:-4] + "AAAA", headers=key).code == "token_invalid"
    assert check(gateway, "nonsense", headers=key).code == "token_invalid"
    assert check(gateway, "Bearer", headers=key).code == "token_invalid"
    # An empty header says nothing, in whatever order the two are sent.
    assert check(gateway, headers=key | {"X-Gatehouse-LLM-Auth": ""}).context.actor_type == "api_key"


def test_two_different_tokens_or_keys_are_nobody(gateway: Gateway, proxy: Proxy, keys: Keys) -> None:
    proxy.configure(emits_langsmith_names=True, accepts_api_keys=True)
    one, other = proxy.token(), proxy.token("admin")
    both = {"X-Gatehouse-LLM-Auth": one, "X-LangSmith-LLM-Auth": other}
    soon(lambda: check(gateway, headers={"X-LangSmith-LLM-Auth": one}).code, "")
    assert check(gateway, headers=both).code == "malformed"
    assert check(gateway, headers=both | {"X-LangSmith-LLM-Auth": one}).is_allowed
    first, second = keys.project(scopes=INVOKE), keys.project(scopes=INVOKE)
    shown = {"Authorization": f"Bearer {first.secret}", "X-API-Key": second.secret}
    assert check(gateway, headers=shown).code == "malformed"
    assert check(gateway, headers=shown | {"X-API-Key": first.secret}).is_allowed


def test_a_key_in_the_address_is_refused(gateway: Gateway, proxy: Proxy) -> None:
    token = proxy.token()
    azure, aws = "subscription-key=x", "X-Amz-Signature=x"
    for query in (
        *("key=AIza", "a=b&API_KEY=x", "access_token", "%6Bey=x", "a=b;key=x", "api%2Dkey=x", f"token={token}"),
        *(azure, aws, "a=b&X-Amz-Credential=x"),
    ):
        answer = check(gateway, token, f"{CHAT}?{query}")
        assert (answer.code, answer.reply.status) == ("malformed", 400)
    assert check(gateway, token, f"{CHAT}?api-version=2024-10-21&beta=true").is_allowed


@pytest.mark.parametrize("size", [4_097, 20_000, 60_000])
def test_huge_headers(gateway: Gateway, proxy: Proxy, size: int) -> None:
    token = proxy.token()
    for name in ("X-Gatehouse-LLM-Auth", "Authorization", "X-API-Key"):
        value = "Bearer gatesk_" + "x" * size if name != "X-Gatehouse-LLM-Auth" else "x" * size
        status, _ = raw(gateway, f"/check{CHAT}", f"{name}: {value}")
        assert 400 <= status < 500
    for name in ("X-Gatehouse-Provider", "X-Gatehouse-Model", "X-Gatehouse-Project"):
        status, _ = raw(gateway, f"/check{CHAT}", f"X-Gatehouse-LLM-Auth: {token}", f"{name}: {'x' * size}")
        assert 400 <= status < 500
    many = [f"X-Filler-{number}: {'x' * 100}" for number in range(90)]
    assert raw(gateway, f"/check{CHAT}", f"X-Gatehouse-LLM-Auth: {token}", *many)[0] == 200


@pytest.mark.parametrize("value", ["\x80\xff", "ü", "\t", '"', "a, b", "{}", "%00", "' OR 1=1"])
def test_strange_values(gateway: Gateway, proxy: Proxy, value: str) -> None:
    token = proxy.token()
    for name in ("X-Gatehouse-Provider", "X-Gatehouse-Model", "X-Gatehouse-Project", "X-Gatehouse-LLM-Auth"):
        shown = () if name == "X-Gatehouse-LLM-Auth" else (f"X-Gatehouse-LLM-Auth: {token}",)
        status, _ = raw(gateway, f"/check{CHAT}", *shown, f"{name}: {value}")
        assert 400 <= status < 500 or not value.strip()
    status, answer = raw(gateway, f"/check{CHAT}", f"X-Gatehouse-LLM-Auth: {token}", f"X-Request-Id: {value}")
    assert status == 200
    assert value.encode("latin-1") not in answer.partition(b"x-request-id: ")[2][:40]


def test_a_body_does_not_matter(gateway: Gateway, proxy: Proxy) -> None:
    shown = f"X-Gatehouse-LLM-Auth: {proxy.token()}"
    for _ in range(2):
        status, _ = raw(gateway, f"/check{CHAT}", shown, "Content-Length: 5", body=b"hello")
        assert status == 200
    assert raw(gateway, f"/check{CHAT}", shown, "Content-Length: 5")[0] == 200


def test_methods_are_the_clients(gateway: Gateway, proxy: Proxy) -> None:
    token = proxy.token()
    for method, path, expected in (
        ("GET", "/v1/models", 200),
        ("POST", "/v1/models", 403),
        ("GET", CHAT, 403),
        ("HEAD", CHAT, 403),
        ("OPTIONS", CHAT, 403),
        ("PATCH", CHAT, 403),
    ):
        assert gateway.send(method, f"/check{path}", headers={"X-Gatehouse-LLM-Auth": token}).status == expected


def test_a_denial_and_an_answer_hold_no_secret_of_the_client(gateway: Gateway, proxy: Proxy, keys: Keys) -> None:
    proxy.configure(accepts_api_keys=True)
    token, key = proxy.token(), keys.project(scopes=["traces:read"])
    allowed = check(gateway, token, headers={"Cookie": "session=hush"})
    said = str(allowed.reply.headers) + str(allowed.context)
    assert token not in said
    assert "hush" not in said
    soon(lambda: check(gateway, headers={"x-api-key": key.secret}).code, "permission_missing")
    refused = check(gateway, headers={"x-api-key": key.secret})
    assert key.secret[:20] not in refused.reply.body.decode() + str(refused.reply.headers)


def test_only_the_proxys_envoy_is_answered(proxy: Proxy) -> None:
    """Answers hold what opens a provider: where a secret is set, it decides, also for what was answered before."""
    token, secret, former = proxy.token(), "s" * 32, "f" * 32
    with Gateway(PROXY_CHECK_SECRET=f"{secret},{former}") as gateway:
        for good in (secret, former, secret):
            assert check(gateway, token, headers={"X-Gatehouse-Check-Secret": good}).is_allowed
        for bad in ("", "s" * 31, "s" * 33, f"{secret},{former}", secret.upper(), "\xff"):
            assert check(gateway, token, headers={"X-Gatehouse-Check-Secret": bad}).code == "caller_unknown"
        assert check(gateway, token).code == "caller_unknown"
        assert check(gateway, "nonsense").code == "caller_unknown"


@pytest.mark.parametrize(
    ("peer", "answered"),
    [("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("192.0.2.1", False), ("10.0.0.5", False)],
)
def test_without_a_secret_only_this_machine_is_answered(peer: str, *, answered: bool) -> None:
    made = Check.__new__(Check)
    made._config = Config(conninfo="")
    scope = {"client": (peer, 1)}
    headers = {b"x-forwarded-for": b"127.0.0.1"}
    if answered:
        made._refuse_strangers(scope, headers)
    else:
        with pytest.raises(Refused):
            made._refuse_strangers(scope, headers)
