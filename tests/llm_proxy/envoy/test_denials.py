"""What the authorization service refuses reaches the client as it was said."""

from http import HTTPStatus

import pytest

from gateway.hotpath.problems import Refused
from tests.llm_proxy.envoy.conftest import Stage

DENIALS = {
    "token_revoked": (401, [(b"www-authenticate", b'Bearer realm="gatehouse", error="invalid_token"')]),
    "key_invalid": (401, [(b"www-authenticate", b'Bearer realm="gatehouse"')]),
    "budget_exceeded": (402, []),
    "model_not_allowed": (403, []),
    "project_suspended": (403, []),
    "credential_missing": (403, []),
    "rate_limited": (429, [(b"retry-after", b"17"), (b"ratelimit", b'"minute";r=0;t=17')]),
    "concurrency_exceeded": (429, [(b"retry-after", b"1")]),
    "credential_unavailable": (503, [(b"retry-after", b"5")]),
    "counters_unavailable": (503, [(b"retry-after", b"1")]),
}


@pytest.mark.parametrize("code", DENIALS)
def test_a_denial_arrives_whole(stage: Stage, code: str) -> None:
    status, headers = DENIALS[code]
    detail = "What happened – and “what to do next”."
    stage.authorization.refusal = refused = Refused(
        HTTPStatus(status), code, detail, headers=[*headers, (b"x-gatehouse-denial", code.encode())], limit=7
    )
    reply = stage.envoy.send("POST", "/echo", "{}", x_gatehouse_llm_auth=stage.key.token(), x_request_id="denied-1")
    assert reply.status == status
    assert reply.body == refused.body("denied-1")
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["x-gatehouse-denial"] == code
    assert reply.headers["x-request-id"] == "denied-1"
    for name, value in headers:
        assert reply.headers[name.decode()] == value.decode()


def test_a_denial_is_in_the_access_log(stage: Stage) -> None:
    headers = [(b"x-gatehouse-denial", b"budget_exceeded"), (b"x-gatehouse-log-model", b"fake-1")]
    stage.authorization.refusal = Refused(HTTPStatus.PAYMENT_REQUIRED, "budget_exceeded", "Spent.", headers=headers)
    stage.envoy.send("POST", "/echo", "{}", x_gatehouse_llm_auth=stage.key.token(), x_request_id="denied-2")
    line = stage.envoy.accesses("denied-2")
    assert (line["status"], line["denial"], line["details"]) == (402, "budget_exceeded", "ext_authz_denied")


def test_a_denial_shows_nothing_of_what_would_have_been_injected(stage: Stage) -> None:
    headers = [
        (b"x-gatehouse-upstream", b"inside"),
        (b"x-gatehouse-context", b"secret"),
        (b"authorization", b"Bearer x"),
    ]
    stage.authorization.refusal = Refused(HTTPStatus.FORBIDDEN, "model_not_allowed", "No.", headers=headers)
    reply = stage.envoy.send("POST", "/echo", "{}", x_gatehouse_llm_auth=stage.key.token())
    assert not ({"x-gatehouse-upstream", "x-gatehouse-context", "authorization"} & reply.headers.keys())
