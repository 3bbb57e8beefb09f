"""A request that is let through: what the authorization service sees, what the provider sees, what comes back."""

import hashlib
import json

import pytest

from tests.llm_proxy.envoy.conftest import Stage
from tests.llm_proxy.envoy.running import CHECK_SECRET
from tests.llm_proxy.envoy.servers import ORGANIZATION, PROJECT, SECRET


def test_the_authorization_service_is_asked_about_the_request_itself(stage: Stage) -> None:
    token = stage.key.token()
    stage.envoy.send(
        "PATCH",
        "/echo/v1//things/../models?limit=2",
        "a body",
        x_gatehouse_llm_auth=token,
        x_gatehouse_provider="openai",
        x_gatehouse_model="fake-1",
        x_gatehouse_project="chatbot",
        x_request_id="mine-1",
        anthropic_version="2023-06-01",
        accept_language="de",
    )
    (asked,) = stage.authz.asked
    assert (asked.method, asked.path, asked.body) == ("PATCH", "/check/echo/v1/models?limit=2", b"")
    told = {name: asked.headers.get(name) for name in ("x-gatehouse-llm-auth", "x-request-id", "anthropic-version")}
    assert told == {"x-gatehouse-llm-auth": token, "x-request-id": "mine-1", "anthropic-version": "2023-06-01"}
    assert [asked.headers[f"x-gatehouse-{name}"] for name in ("provider", "model", "project")] == [
        "openai",
        "fake-1",
        "chatbot",
    ]
    assert "accept-language" not in asked.headers


def test_envoy_says_who_it_is_and_nobody_else_does_in_its_place(stage: Stage) -> None:
    reply = stage.envoy.send(
        "GET",
        "/echo",
        x_gatehouse_llm_auth=stage.key.token(),
        x_gatehouse_check_secret="forged",
        x_gatehouse_unavailable_as="200",
    )
    (asked,) = stage.authz.asked
    assert asked.headers["x-gatehouse-check-secret"] == CHECK_SECRET
    assert asked.headers["x-gatehouse-unavailable-as"] == "424"
    assert "forged" not in reply.body.decode()
    assert CHECK_SECRET not in reply.body.decode()
    assert CHECK_SECRET not in stage.envoy.tell("/config_dump").body.decode()


def test_who_says_to_come_from_elsewhere_is_not_believed(stage: Stage) -> None:
    """Envoy adds where the request really came from; the last address is the one that counts."""
    stage.envoy.send("GET", "/echo", x_gatehouse_llm_auth=stage.key.token(), x_forwarded_for="203.0.113.7")
    addresses = [part.strip() for part in stage.authz.asked[0].headers["x-forwarded-for"].split(",")]
    assert addresses[0] == "203.0.113.7"
    assert len(addresses) == 2


LEAVES_NOTHING = {
    "api-key": "azure-key-of-the-clients-own",
    "cookie": "session=mine",
    "forwarded": "for=10.0.0.1",
    "ocp-apim-subscription-key": "azure-key-of-the-clients-own",
    "openai-organization": "org-mine",
    "openai-project": "proj-mine",
    "proxy-authorization": "Basic eA==",
    "via": "1.1 mine",
    "x-amz-security-token": "session-of-the-clients-own",
    "x-api-key": "sk-the-clients-own",
    "x-envoy-original-path": "/elsewhere",
    "x-envoy-retry-on": "5xx",
    "x-envoy-upstream-rq-timeout-ms": "1",
    "x-forwarded-for": "10.0.0.1",
    "x-forwarded-host": "inside.test",
    "x-forwarded-proto": "https",
    "x-gatehouse-context": "forged",
    "x-gatehouse-log-organization": "forged",
    "x-gatehouse-model": "fake-1",
    "x-gatehouse-project": "chatbot",
    "x-gatehouse-provider": "openai",
    "x-gatehouse-upstream": "169.254.169.254",
    "x-goog-api-key": "AIza-of-the-clients-own",
    "x-goog-user-project": "project-mine",
    "x-http-method": "DELETE",
    "x-http-method-override": "DELETE",
    "x-method-override": "DELETE",
    "x-original-url": "/v1/files",
    "x-real-ip": "10.0.0.1",
    "x-rewrite-url": "/v1/files",
}


def test_nothing_of_the_client_reaches_the_provider(stage: Stage) -> None:
    token = stage.key.token()
    sent = LEAVES_NOTHING | {"authorization": "Bearer sk-the-clients-own", "x-langsmith-llm-auth": token}
    reply = stage.envoy.send("POST", "/echo", "{}", x_gatehouse_llm_auth=token, user_agent="mine/1", **sent)
    arrived = reply.json["headers"]
    assert arrived["authorization"] == f"Bearer {SECRET}"
    assert not (LEAVES_NOTHING.keys() & arrived.keys())
    assert sorted(arrived) == [
        "accept-encoding",
        "authorization",
        "content-length",
        "host",
        "user-agent",
        "x-request-id",
    ]
    assert token not in json.dumps(arrived)


def test_an_injected_key_takes_the_place_of_the_clients(stage: Stage) -> None:
    stage.authorization.credential = ("x-api-key", SECRET)
    stage.authorization.further = (("anthropic-version", "2023-06-01"),)
    reply = stage.envoy.send(
        "POST",
        "/echo",
        "{}",
        x_gatehouse_llm_auth=stage.key.token(),
        x_api_key="sk-mine",
        authorization="Bearer sk-mine",
        anthropic_version="1999-01-01",
    )
    arrived = reply.json["headers"]
    assert (arrived["x-api-key"], arrived["anthropic-version"]) == (SECRET, "2023-06-01")
    assert "sk-mine" not in json.dumps(arrived)


def test_only_chosen_headers_of_the_authorization_service_are_injected(stage: Stage) -> None:
    stage.authorization.further = (("x-of-its-own", "1"), ("set-cookie", "a=b"), ("server", "authz"))
    reply = stage.envoy.send("POST", "/echo", "{}", x_gatehouse_llm_auth=stage.key.token())
    assert not ({"x-of-its-own", "set-cookie", "server"} & reply.json["headers"].keys())
    assert "set-cookie" not in reply.headers


def test_nothing_of_the_account_or_of_envoy_reaches_the_client(stage: Stage) -> None:
    token = stage.key.token()
    reply = stage.envoy.send("POST", "/echo", "{}", x_gatehouse_llm_auth=token, x_request_id="mine-2")
    assert sorted(reply.headers) == [
        "content-length",
        "content-type",
        "date",
        "server",
        "x-provider-request-id",
        "x-request-id",
    ]
    assert reply.headers["server"] == "gatehouse"
    assert reply.headers["x-request-id"] == "mine-2"
    assert reply.headers["x-provider-request-id"] == "req_of_the_provider"


def test_a_forged_upstream_leads_nowhere_else(stage: Stage) -> None:
    """Neither in a header of its own nor hidden in another one's spelling."""
    token = stage.key.token()
    reply = stage.envoy.send("GET", "/echo", x_gatehouse_llm_auth=token, x_gatehouse_upstream="api.openai.com")
    assert reply.status == 200
    head = "GET /echo HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\n"
    answer = stage.envoy.raw(f"{head}X-Gatehouse-LLM-Auth: {token}\r\nX_Gatehouse_Upstream: evil\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("upstream", ["", "api.evil.test", "127.0.0.1:1", "evil.openai.azure.com.evil.test"])
def test_an_upstream_that_was_not_allowed_gets_nothing(stage: Stage, upstream: str) -> None:
    stage.authorization.upstream = upstream
    reply = stage.envoy.send("POST", "/echo", "{}", x_gatehouse_llm_auth=stage.key.token())
    assert (reply.status, reply.json["code"]) == (503, "upstream_unknown")


def test_twenty_megabytes_pass_unchanged(stage: Stage) -> None:
    body = hashlib.sha256(b"image").digest() * (20 * 1024 * 1024 // 32)
    reply = stage.envoy.send("POST", "/echo", body, x_gatehouse_llm_auth=stage.key.token())
    assert reply.status == 200
    assert (reply.json["bytes"], reply.json["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())


def test_the_access_log_says_who_and_never_with_what(stage: Stage) -> None:
    token = stage.key.token()
    stage.envoy.send(
        "POST",
        "/echo?key=secret-in-the-query",
        "{}",
        x_gatehouse_llm_auth=token,
        x_request_id="logged-1",
        authorization="Bearer sk-mine",
    )
    line = stage.envoy.accesses("logged-1")
    assert {name: line[name] for name in ("organization", "project", "actor_type", "model", "status", "path")} == {
        "organization": ORGANIZATION,
        "project": PROJECT,
        "actor_type": "service",
        "model": "fake-1",
        "status": 200,
        "path": "/echo",
    }
    assert line["authorized"]["x-gatehouse-log-organization"] == ORGANIZATION
    everything = stage.envoy.all_accesses() + stage.envoy.log
    for secret in (token, token.split(".")[1], SECRET, "sk-mine", "secret-in-the-query"):
        assert secret not in everything


def test_a_denial_is_logged_with_its_code(stage: Stage) -> None:
    stage.envoy.send("GET", "/echo", x_gatehouse_llm_auth=stage.key.token(exp=1), x_request_id="logged-2")
    line = stage.envoy.accesses("logged-2")
    assert (line["status"], line["denial"]) == (401, "token_expired")


def test_administration_is_on_loopback_only(stage: Stage) -> None:
    assert stage.envoy.send("GET", "/config_dump", x_gatehouse_llm_auth=stage.key.token()).status == 404
    listening = json.loads(stage.envoy.tell("/config_dump").body)["configs"][0]["bootstrap"]["admin"]["address"]
    assert listening["socket_address"]["address"] == "127.0.0.1"


# --- Requests that two readers could read differently -------------------------------------------------


def head(token: str, *lines: str, method: str = "POST", path: str = "/echo") -> bytes:
    return "\r\n".join(
        [f"{method} {path} HTTP/1.1", "Host: proxy", f"X-Gatehouse-LLM-Auth: {token}", *lines, "", ""]
    ).encode()


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: proxy\r\n\r\n"
AMBIGUOUS = {
    "length and chunks": (["Content-Length: 4", "Transfer-Encoding: chunked"], b"0\r\n\r\n" + SMUGGLED),
    "chunks and length": (["Transfer-Encoding: chunked", "Content-Length: 4"], b"0\r\n\r\n" + SMUGGLED),
    "two lengths": (["Content-Length: 0", "Content-Length: 38"], SMUGGLED),
    "a list of lengths": (["Content-Length: 0, 38"], SMUGGLED),
    "a negative length": (["Content-Length: -1"], SMUGGLED),
    "a length with a sign": (["Content-Length: +5"], b"hello"),
    "another coding": (["Transfer-Encoding: xchunked"], SMUGGLED),
    "chunks hidden by a tab": (["Transfer-Encoding:\tchunked", "Content-Length: 4"], b"0\r\n\r\n" + SMUGGLED),
    "a space before the colon": (["Content-Length : 0"], SMUGGLED),
    "a bare NUL": (["X-Nul: a\0b"], b""),
    "an extended size": (["Transfer-Encoding: chunked"], b"0x4\r\nabcd\r\n0\r\n\r\n"),
    "a huge size": (["Transfer-Encoding: chunked"], b"FFFFFFFFFFFFFFFFFF\r\nabc\r\n"),
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_an_ambiguous_request_reaches_nobody(stage: Stage, name: str) -> None:
    lines, rest = AMBIGUOUS[name]
    answer = stage.envoy.raw(head(stage.key.token(), *lines) + rest)
    assert answer.split(b" ")[1] in {b"400", b"501"}, answer
    assert not [asked for asked in stage.authz.asked if "smuggled" in asked.path]
    assert b"/smuggled" not in answer


ARN = "arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Aapplication-inference-profile%2Fab12"


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/echo%2F..%2Fadmin",
            "/echo/%5C..",
            "/echo%2f",
            "/%00",
            "/echo/..%2f..%2f",
            f"/{ARN}",
            f"/model/{ARN}%2Fx/invoke",
        ),
        *(f"/model/{ARN}/in%2Fvoke", f"/echo/model/{ARN}/invoke", "/model/anthropic%2Fclaude/invoke"),
        "/model/arn:aws:bedrock:eu-west-1:123456789012:x%2F../invoke",
    ],
)
def test_an_escaped_slash_is_refused(stage: Stage, path: str) -> None:
    answer = stage.envoy.raw(head(stage.key.token(), "Connection: close", method="GET", path=path))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert not stage.authz.asked


def test_an_escaped_slash_is_refused_in_words(stage: Stage) -> None:
    reply = stage.envoy.send("POST", "/v1%2Fchat/completions", "{}", x_gatehouse_llm_auth=stage.key.token())
    assert (reply.status, reply.json["code"]) == (400, "malformed")
    assert reply.headers["x-gatehouse-denial"] == "malformed"


@pytest.mark.parametrize("line", ["CONNECT evil.test:443 HTTP/1.1", "GET /echo HTTP/1.0", "GET /echo"])
def test_other_ways_of_asking_are_refused(stage: Stage, line: str) -> None:
    text = f"{line}\r\nHost: proxy\r\nX-Gatehouse-LLM-Auth: {stage.key.token()}\r\n\r\n"
    assert stage.envoy.raw(text.encode()).split(b" ")[1] in {b"400", b"401", b"403", b"404", b"426"}
    assert not stage.authz.asked


def test_an_upgrade_is_refused(stage: Stage) -> None:
    lines = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: eA=="]
    answer = stage.envoy.raw(head(stage.key.token(), *lines, method="GET"))
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert not stage.authz.asked
