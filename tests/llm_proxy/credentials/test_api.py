"""The API of provider credentials: strangers, what is never in an answer, and where errors point."""

from typing import Any

import pytest

from gateway.models import ProviderCredential
from isolation.scope import tenant_scope
from tenants.permissions import P
from tests.accounts.api.stage import organization_key, with_key
from tests.api.calls import Caller, by
from tests.audit.sinks.receivers import Answer, Receiver
from tests.llm_proxy.credentials.stage import OTHER, SECRET, credential_of
from tests.people import Tenant

ALL = "/organizations/acme/provider-credentials"
NEW = {"name": "Production", "provider": "openai", "secret": SECRET}


@pytest.fixture
def api(acme: Tenant) -> Caller:
    return by(acme.owner)


def test_a_stranger_finds_nothing_of_it(acme: Tenant, globex: Tenant) -> None:
    stored = credential_of(acme, name="Acme OpenAI", project=acme.project)
    stranger = by(globex.owner)
    theirs = "/organizations/globex/provider-credentials"
    for base in (ALL, theirs):
        for method, path in (
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("POST", "/rotate"),
            ("POST", "/put-back"),
            ("POST", "/enable"),
            ("POST", "/disable"),
            ("POST", "/test"),
        ):
            body = {"secret": OTHER} if path == "/rotate" else {} if method == "PATCH" else None
            response = stranger(method, f"{base}/{stored.pk}{path}", body)
            assert response.status_code == 404, (method, path)
            assert b"Acme" not in response.content
    assert stranger("GET", f"{theirs}/resolve?project={acme.project.pk}").status_code == 404
    named = stranger("POST", theirs, {**NEW, "project": str(acme.project.pk)})
    assert named.status_code == 422
    with tenant_scope(globex.organization):
        assert not ProviderCredential.objects.exists()


def test_no_answer_has_a_secret(api: Caller, acme: Tenant, provider: Receiver) -> None:
    provider.rule = lambda request: Answer(401, request.headers["authorization"].encode())
    told = {**NEW, "provider": "openai_compatible", "base_url": provider.url}
    answers = [api("POST", ALL, told)]
    assert answers[0].status_code == 201
    one = f"{ALL}/{answers[0].json()['id']}"
    assert answers[0].json()["last_four"] == "WXYZ"
    answers += [
        api("GET", one),
        api("GET", ALL),
        api("PATCH", one, {"secret": OTHER}),
        api("POST", f"{one}/rotate", {"secret": SECRET, "overlap_seconds": 60}),
        api("POST", f"{one}/put-back"),
        api("POST", f"{one}/test"),
        api("POST", f"{one}/disable"),
        api("POST", f"{one}/enable"),
        api("GET", f"{ALL}/resolve?project=chatbot&model=gpt-4o"),
        api("POST", ALL, {**NEW, "base_url": "https://evil.example"}),
        api("POST", f"{one}/rotate", {"secret": OTHER}),
    ]
    assert [answer.status_code for answer in answers[1:10]] == [200] * 9
    assert answers[4].json()["former_secret_until"].endswith("Z")
    assert answers[6].json()["accepted"] is False
    assert answers[9].json()["steps"][0]["use"] == "first"
    for answer in answers:
        for secret in (SECRET, OTHER):
            assert secret not in answer.content.decode()
    assert api("DELETE", one).status_code == 204
    assert api("GET", one).status_code == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"base_url": "https://evil.example"}, "#/base_url"),
        ({"secret": "two words"}, "#/secret"),
        ({"provider": "bedrock"}, "#/options/region"),
        ({"options": {"a/b~c": "x"}}, "#/options/a~1b~0c"),
        (
            {"kind": "oauth_client", "options": {"client_id": "c", "token_url": "https://10.0.0.1/"}},
            "#/options/token_url",
        ),
        ({"project": "nowhere"}, "#/project"),
        ({"token": "x"}, "#/token"),
        ({"options": {"token_url": {"nested": []}}, "kind": "oauth_client"}, "#/options/token_url"),
    ],
)
def test_errors_point_at_what_is_wrong(api: Caller, body: dict[str, Any], pointer: str) -> None:
    response = api("POST", ALL, {**NEW, **body})
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


def test_a_key_needs_the_scope(acme: Tenant) -> None:
    reads = with_key(organization_key(acme, P.PROVIDER_CREDENTIALS_READ, name="reads").secret)
    assert reads("GET", ALL).status_code == 200
    refused = reads("POST", ALL, NEW)
    assert refused.status_code == 403
    assert refused.json()["permission"] == "provider_credentials:manage"
    manages = with_key(organization_key(acme, P.PROVIDER_CREDENTIALS_MANAGE, name="manages").secret)
    assert manages("POST", ALL, NEW).status_code == 201


def test_an_etag_leaves_uses_and_tests_out(api: Caller, acme: Tenant, provider: Receiver) -> None:
    stored = credential_of(acme, provider="openai_compatible", base_url=provider.url)
    one = f"{ALL}/{stored.pk}"
    before = api("GET", one)["ETag"]
    assert api("POST", f"{one}/test").json() == {"accepted": True, "text": "The provider accepted it."}
    assert api("GET", one)["ETag"] == before
    api("POST", f"{one}/disable")
    assert api("GET", one)["ETag"] != before
