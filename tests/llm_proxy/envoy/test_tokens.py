"""Which tokens Envoy lets pass: the ones that the authorization service is never asked about."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.llm_proxy.envoy.conftest import Stage
from tests.llm_proxy.envoy.servers import AUDIENCE, SigningKey, claims, encoded

Forge = Callable[[SigningKey], str]


def signed(key: SigningKey, body: Any = None, **header: Any) -> str:
    given = {"alg": "EdDSA", "typ": "at+jwt", "kid": key.kid} | header
    return key.sign({name: value for name, value in given.items() if value is not None}, body or claims())


def hmac_under_the_public_key(key: SigningKey) -> str:
    parts = [encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "kid": key.kid}, claims())]
    signature = hmac.new(key.public, ".".join(parts).encode(), hashlib.sha256).digest()
    return ".".join([*parts, encoded(signature)])


def with_payload(key: SigningKey) -> str:
    head, _, signature = key.token().split(".")
    return ".".join([head, encoded(json.dumps(claims(organization_id="somebody-else")).encode()), signature])


def flipped(key: SigningKey) -> str:
    head, body, signature = key.token().split(".")
    return ".".join([head, body, ("B" if signature[0] == "A" else "A") + signature[1:]])


def unsigned(key: SigningKey) -> str:
    return ".".join([encoded(json.dumps({"alg": "none"}).encode()), encoded(json.dumps(claims()).encode()), ""])


def now() -> int:
    return int(time.time())


BAD: dict[str, tuple[Forge, str]] = {
    "nothing": (lambda key: "", "token_invalid"),
    "a word": (lambda key: "token", "token_invalid"),
    "two parts": (lambda key: ".".join(key.token().split(".")[:2]), "token_invalid"),
    "four parts": (lambda key: key.token() + ".e30", "token_invalid"),
    "no base64": (lambda key: "!!.??.**", "token_invalid"),
    "no JSON": (lambda key: ".".join([encoded(b"{"), encoded(b"{"), "AA"]), "token_invalid"),
    "claims that are a list": (lambda key: signed(key, [1]), "token_invalid"),
    "alg none": (unsigned, "token_invalid"),
    "alg none, with a signature": (lambda key: signed(key, alg="none"), "token_invalid"),
    "alg RS256": (lambda key: signed(key, alg="RS256"), "token_invalid"),
    "no alg": (lambda key: signed(key, alg=None), "token_invalid"),
    "HMAC under the public key": (hmac_under_the_public_key, "token_invalid"),
    "another key under this kid": (lambda key: SigningKey(key.kid).token(), "token_invalid"),
    "another key, unknown kid": (lambda key: SigningKey("elsewhere").token(), "token_invalid"),
    "another key, no kid": (lambda key: signed(SigningKey("elsewhere"), kid=None), "token_invalid"),
    "other claims under the signature": (with_payload, "token_invalid"),
    "a flipped bit": (flipped, "token_invalid"),
    "a cut signature": (lambda key: key.token()[:-8], "token_invalid"),
    "an empty signature": (lambda key: key.token().rpartition(".")[0] + ".", "token_invalid"),
    "another issuer": (lambda key: key.token(iss="https://evil.test"), "token_invalid"),
    "no issuer": (lambda key: key.token(iss=None), "token_invalid"),
    "an issuer that begins alike": (lambda key: key.token(iss="https://portal.test.evil.test"), "token_invalid"),
    "another audience": (lambda key: key.token(aud=["another"]), "token_invalid"),
    "no audience": (lambda key: key.token(aud=None), "token_invalid"),
    "an empty audience": (lambda key: key.token(aud=[]), "token_invalid"),
    "an audience that begins alike": (lambda key: key.token(aud=AUDIENCE + "-2"), "token_invalid"),
    "expired 50 seconds ago": (lambda key: key.token(exp=now() - 50), "token_expired"),
    "expired 10 seconds ago": (lambda key: key.token(exp=now() - 10), "token_expired"),
    "no expiry": (lambda key: key.token(exp=None), "token_invalid"),
    "ten years": (lambda key: key.token(exp=now() + 315_360_000), "token_invalid"),
    "sixteen minutes": (lambda key: key.token(exp=now() + 960), "token_invalid"),
    "an expiry in words": (lambda key: key.token(exp="tomorrow"), "token_invalid"),
    "not valid yet": (lambda key: key.token(nbf=now() + 60), "token_invalid"),
    "two tokens": (lambda key: f"{key.token()},{key.token()}", "token_invalid"),
    "an API key": (lambda key: "gatesk_prj_prod_abc", "token_invalid"),
}


@pytest.mark.parametrize("header", ["x-gatehouse-llm-auth", "x-langsmith-llm-auth"])
@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_refused(stage: Stage, name: str, header: str) -> None:
    forge, code = BAD[name]
    reply = stage.envoy.send("POST", "/echo", "{}", **{header: forge(stage.key)})
    assert (reply.status, reply.json["code"]) == (401, code)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["x-gatehouse-denial"] == code
    assert reply.headers["www-authenticate"].startswith('Bearer realm="gatehouse"')
    assert reply.json["request_id"] == reply.headers["x-request-id"]
    assert not stage.authz.asked


def test_no_token_is_refused(stage: Stage) -> None:
    reply = stage.envoy.send("POST", "/echo", "{}", authorization="Bearer sk-a-providers-key")
    assert (reply.status, reply.json["code"]) == (401, "token_invalid")
    assert "carries no access token" in reply.json["detail"]
    assert not stage.authz.asked


@pytest.mark.parametrize("where", ["query", "cookie", "authorization"])
def test_a_token_elsewhere_counts_for_nothing(stage: Stage, where: str) -> None:
    """It would end up in logs, or in a browser that sends it along by itself."""
    token = stage.key.token()
    path = f"/echo?access_token={token}" if where == "query" else "/echo"
    headers = {"cookie": f"access_token={token}", "authorization": f"Bearer {token}"}
    reply = stage.envoy.send("GET", path, **({where: headers[where]} if where in headers else {}))
    assert reply.status == 401
    assert not stage.authz.asked


@pytest.mark.parametrize("header", ["x-gatehouse-llm-auth", "x-langsmith-llm-auth"])
@pytest.mark.parametrize("prefix", ["", "Bearer "])
def test_a_good_token_passes(stage: Stage, header: str, prefix: str) -> None:
    reply = stage.envoy.send("POST", "/echo", "{}", **{header: prefix + stage.key.token()})
    assert reply.status == 200, stage.envoy.all_accesses().splitlines()[-1]
    assert len(stage.authz.asked) == 1


def test_clocks_may_differ_by_seconds(stage: Stage) -> None:
    for token in (stage.key.token(exp=now() - 2), stage.key.token(nbf=now() + 2), stage.key.token(exp=now() + 902)):
        assert stage.envoy.send("GET", "/echo", x_gatehouse_llm_auth=token).status == 200


def test_one_audience_of_several_is_enough(stage: Stage) -> None:
    for audience in (AUDIENCE, ["another", AUDIENCE]):
        assert stage.envoy.send("GET", "/echo", x_gatehouse_llm_auth=stage.key.token(aud=audience)).status == 200


def test_health_is_told_to_everybody(stage: Stage) -> None:
    assert stage.envoy.send("GET", "/healthz").status == 200
    assert stage.envoy.send("GET", "/healthz/").status == 401
    assert not stage.authz.asked


# --- API keys in place of tokens ------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer gatesk_prj_prod_abc"},
        {"authorization": "bearer gatesk_prj_prod_abc"},
        {"x-api-key": "gatesk_prj_prod_abc"},
    ],
)
def test_an_api_key_is_for_the_authorization_service_to_judge(stage: Stage, headers: dict[str, str]) -> None:
    reply = stage.envoy.send("POST", "/echo", "{}", **headers)
    assert reply.status == 200
    (name, value) = next(iter(headers.items()))
    assert stage.authz.asked[0].headers[name] == value
    assert "gatesk_" not in json.dumps(reply.json["headers"])


def test_a_bad_token_is_not_saved_by_an_api_key(stage: Stage) -> None:
    reply = stage.envoy.send(
        "POST", "/echo", "{}", x_api_key="gatesk_prj_prod_abc", x_gatehouse_llm_auth=stage.key.token(exp=now() - 50)
    )
    assert (reply.status, reply.json["code"]) == (401, "token_expired")
    assert not stage.authz.asked
