"""A key at the door of the API: Bearer or Basic, and what is said when it is not accepted."""

import base64
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.key_format import KeyKind, new_secret
from accounts.services.api_keys import create_api_key, revoke_api_key
from accounts.services.key_rules import IssuedKey
from accounts.services.platform_keys import create_platform_key
from isolation.actor import SYSTEM
from tests.people import Tenant, signed_in

ME = "/api/v1/me"


def organization_key(tenant: Tenant, **values: Any) -> IssuedKey:
    with tenant.acting("owner") as owner:
        named: dict[str, Any] = {
            "organization": tenant.organization,
            "kind": KeyKind.ORGANIZATION,
            "name": "Automation",
            "scopes": ["organization:read", "projects:read"],
            "actor": owner,
        }
        return create_api_key(**(named | values))


def bearer(secret: str) -> dict[str, Any]:
    return {"HTTP_AUTHORIZATION": f"Bearer {secret}"}


def basic(public_id: str, secret: str) -> dict[str, Any]:
    return {"HTTP_AUTHORIZATION": "Basic " + base64.b64encode(f"{public_id}:{secret}".encode()).decode()}


def test_a_key_does_not_reach_another_organization(acme: Tenant, globex: Tenant) -> None:
    issued = organization_key(acme)
    own = Client().get(f"/api/v1/organizations/{acme.organization.slug}", **bearer(issued.secret))
    foreign = Client().get(f"/api/v1/organizations/{globex.organization.slug}", **bearer(issued.secret))
    nowhere = Client().get("/api/v1/organizations/nowhere", **bearer(issued.secret))
    assert own.status_code == 200
    assert foreign.status_code == nowhere.status_code == 404
    assert foreign.json()["code"] == nowhere.json()["code"]


def test_bearer_and_basic_are_the_same(acme: Tenant) -> None:
    issued = organization_key(acme)
    answers = [Client().get(ME, **header) for header in (bearer(issued.secret), basic(issued.public_id, issued.secret))]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()


def test_a_key_needs_no_csrf_token_and_counts_before_a_session(acme: Tenant) -> None:
    issued = organization_key(acme, scopes=["organization:read"])
    client = signed_in(acme.owner)
    client.handler.enforce_csrf_checks = True
    refused = client.patch(
        f"/api/v1/organizations/{acme.organization.slug}",
        {"name": "Renamed"},
        content_type="application/json",
        **bearer(issued.secret),
    )
    assert (refused.status_code, refused.json()["permission"]) == (403, "organization:manage")


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Bearer x", "Basic", "Basic ü", "Basic eA==", "Digest x", "", "Bearer \x00", "Bearer ü" * 99],
)
def test_malformed_headers_are_401(header: str, db: None) -> None:
    answer = Client().get(ME, HTTP_AUTHORIZATION=header)
    assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")
    assert "WWW-Authenticate" in answer


def test_unknown_revoked_and_mismatched_keys_are_401_and_look_alike(acme: Tenant) -> None:
    revoked, good = organization_key(acme), organization_key(acme)
    with acme.acting("owner") as owner:
        revoke_api_key(key=revoked.key, actor=owner)
    headers = [
        bearer(new_secret(KeyKind.ORGANIZATION, "production")),
        bearer(revoked.secret),
        basic(revoked.public_id, good.secret),
    ]
    answers = [Client().get(ME, **header) for header in headers]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.json()["detail"] for answer in answers}) == 1


def test_what_a_right_key_may_not_is_said(acme: Tenant) -> None:
    elsewhere = organization_key(acme, allowed_networks=["203.0.113.0/24"])
    assert Client().get(ME, **bearer(elsewhere.secret)).json()["code"] == "address_not_allowed"
    platform = create_platform_key(name="Ingestion", actor=SYSTEM)
    assert Client().get(ME, **bearer(platform.secret)).json()["code"] == "platform_key"


def test_a_key_gives_no_key_more_life_or_room_than_it_has(acme: Tenant) -> None:
    ends = (timezone.now() + timedelta(days=1)).isoformat()
    own = organization_key(
        acme,
        scopes=["api_keys:manage", "api_keys:read"],
        expires_at=datetime.fromisoformat(ends),
        allowed_networks=["127.0.0.0/8"],
    )
    address = f"/api/v1/organizations/{acme.organization.slug}/api-keys"
    bounds = {"expires_at": ends, "allowed_networks": ["127.0.0.1"]}

    def made(**values: object) -> Any:
        body = {"kind": "organization", "name": "Child", "scopes": ["api_keys:read"]} | bounds | values
        return Client().post(address, body, content_type="application/json", **bearer(own.secret))

    assert made().status_code == 201
    beyond: list[dict[str, Any]] = [
        {"expires_at": None},
        {"allowed_networks": []},
        {"allowed_networks": ["127.0.0.1", "10.0.0.0/8"]},
    ]
    for values in beyond:
        refused = made(**values)
        assert (refused.status_code, refused.json()["code"]) == (403, "beyond_own_key")
    loosened = Client().patch(
        f"{address}/{own.key.pk}", {"allowed_networks": []}, content_type="application/json", **bearer(own.secret)
    )
    assert (loosened.status_code, loosened.json()["code"]) == (403, "beyond_own_key")
    renamed = Client().patch(
        f"{address}/{own.key.pk}", {"name": "Renamed"}, content_type="application/json", **bearer(own.secret)
    )
    assert renamed.status_code == 200
