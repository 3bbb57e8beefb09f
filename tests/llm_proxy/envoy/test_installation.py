"""Gatehouse's own gateway and tokens behind a real Envoy: whose credential leaves, and how fast a "no" counts."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import certifi
import pytest
from django.conf import settings

from accounts.services.api_keys import revoke_api_key
from gateway.selectors import published_keys
from gateway.upstreams import upstream_at
from tests.gateway.check_stage import CHAT, Proxy
from tests.gateway.process import Gateway, Reply, wait_until_trusted
from tests.gateway.stage import Keys
from tests.gateway.test_invalidation import becomes
from tests.llm_proxy.envoy.running import CHECK_SECRET, Envoy, proxy, require_envoy
from tests.llm_proxy.envoy.servers import Answer, Server
from tests.people import Tenant

BODY = json.dumps({"model": "fake-1", "messages": []})


class Installation:
    """Two organizations behind one Envoy, each with a credential of its own."""

    def __init__(self, acme: Tenant, globex: Tenant, provider_port: int, directory: Path, stack: ExitStack) -> None:
        # What arrives at the provider comes back.
        self.upstream = upstream_at(f"http://127.0.0.1:{provider_port}/echo")
        base_url = f"http://127.0.0.1:{provider_port}/echo"
        self.acme, self.globex = Proxy(acme), Proxy(globex)
        self.credential = self.acme.credential("openai", secret="sk-acme", base_url=base_url)
        self.globex.credential("openai", secret="sk-globex", base_url=base_url)
        self.token = self.acme.token()
        keys = json.dumps({"keys": published_keys()}).encode()
        jwks = stack.enter_context(Server(lambda asked: Answer(200, (), keys)))
        self.gateway = stack.enter_context(
            Gateway(PROXY_UPSTREAMS=base_url, PROXY_TRANSFORMER="0", PROXY_CHECK_SECRET=CHECK_SECRET)
        )
        wait_until_trusted(self.gateway)
        made = proxy(
            issuer=settings.JWT_ISSUER,
            audiences=["gatehouse-llm"],
            jwks=jwks.url,
            authz=f"http://127.0.0.1:{self.gateway.port}",
            upstreams=[self.upstream],
            authorities=certifi.where(),
        )
        self.envoy = stack.enter_context(Envoy(made.bootstrap(), directory))

    def ask(self, token: str = "", **headers: str) -> Reply:
        shown = {"x_gatehouse_llm_auth": token} if token else {}
        return self.envoy.send("POST", CHAT, BODY, content_type="application/json", **shown, **headers)

    def refuses_within_a_second(self, change: Callable[[], object], code: str) -> None:
        assert self.ask(self.token).status == 200
        change()
        becomes(lambda: self.ask(self.token).headers.get("x-gatehouse-denial"), code, time.monotonic())


@pytest.fixture
def installation(acme: Tenant, globex: Tenant, provider_port: int, tmp_path: Path) -> Iterator[Installation]:
    require_envoy()
    with ExitStack() as stack:
        yield Installation(acme, globex, provider_port, tmp_path, stack)


def test_each_organization_leaves_with_its_own_credential(installation: Installation) -> None:
    tokens = {"sk-acme": installation.acme.token(), "sk-globex": installation.globex.token("owner")}
    for secret, token in tokens.items():
        reply = installation.ask(token, authorization="Bearer sk-mine", x_api_key="sk-mine")
        assert reply.status == 200, reply.body
        assert reply.json["headers"]["authorization"] == f"Bearer {secret}"
        assert not [name for name in reply.json["headers"] if name.startswith(("x-gatehouse-", "x-api-key"))]
        assert not [name for name in reply.headers if name.startswith(("x-gatehouse-", "x-envoy-"))]


def test_a_revoked_token_is_refused_within_a_second(installation: Installation) -> None:
    installation.refuses_within_a_second(lambda: installation.acme.revoke("organization"), "token_revoked")


def test_a_proxy_that_is_switched_off_refuses_within_a_second(installation: Installation) -> None:
    installation.refuses_within_a_second(lambda: installation.acme.configure(is_enabled=False), "proxy_disabled")


def test_a_credential_that_is_switched_off_leaves_no_more_within_a_second(installation: Installation) -> None:
    def switch_off() -> None:
        installation.acme.change(installation.credential, is_enabled=False)

    installation.refuses_within_a_second(switch_off, "credential_missing")


def test_an_api_key_in_place_of_a_token(installation: Installation, acme: Tenant) -> None:
    issued = Keys(acme).project(scopes=["llm:invoke"])
    assert installation.ask(authorization=f"Bearer {issued.secret}").json["code"] == "api_keys_not_accepted"
    installation.acme.configure(accepts_api_keys=True)
    becomes(lambda: installation.ask(x_api_key=issued.secret).status, 200, time.monotonic())
    reply = installation.ask(authorization=f"Bearer {issued.secret}", x_request_id="by-a-key-1")
    assert reply.json["headers"]["authorization"] == "Bearer sk-acme"
    assert issued.secret not in reply.body.decode()
    line = installation.envoy.accesses("by-a-key-1")
    assert line["authorized"]["x-gatehouse-log-organization-id"] == str(acme.organization.pk)
    assert line["authorized"]["x-gatehouse-log-actor-type"] == "api_key"
    with acme.acting("owner") as owner:
        revoke_api_key(key=issued.key, actor=owner)
    becomes(
        lambda: installation.ask(x_api_key=issued.secret).headers.get("x-gatehouse-denial"),
        "key_invalid",
        time.monotonic(),
    )


def test_a_refusal_says_what_to_do(installation: Installation) -> None:
    reply = installation.ask(installation.acme.token(model_name="gpt-9", model_provider="mistral"))
    assert (reply.status, reply.json["code"]) == (403, "credential_missing")
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json["detail"]


def test_a_gateway_that_ends_and_comes_back(installation: Installation) -> None:
    assert installation.ask(installation.token).status == 200
    installation.gateway.__exit__()
    assert installation.ask(installation.token).json["code"] == "unavailable"
    installation.gateway.__enter__()
    reply: Any = installation.ask(installation.token)
    assert reply.status == 200
