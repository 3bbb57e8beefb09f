"""OAuth 2.0 client credentials, as Entra's gallery asks for: RFC 6749 4.4."""

import base64
from typing import Any

import pytest
from django.test import Client

from accounts.models import ScimConnection
from accounts.services.key_rules import IssuedKey
from accounts.services.scim_tokens import revoke_scim_token
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tests.people import Tenant
from tests.scim.stage import BASE, Scim, expire_tokens, refused, token_of

GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
def issued(acme: Tenant, connection: ScimConnection, scim: Scim) -> IssuedKey:
    """Return a token, whose public id and secret are a client's."""
    return token_of(acme, connection, name="Entra")


def ask(body: dict[str, str], *, basic: tuple[str, str] | None = None, **options: Any) -> Any:
    """Return the answer of the token endpoint."""
    headers = {}
    if basic:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(basic).encode()).decode()
    client: Any = Client(raise_request_exception=False, enforce_csrf_checks=True, headers=headers, **options)
    form = "&".join(f"{name}={value}" for name, value in body.items())
    return client.generic("POST", f"{BASE}/oauth2/token", form, content_type="application/x-www-form-urlencoded")


def credentials(issued: IssuedKey) -> dict[str, str]:
    return {"client_id": issued.public_id, "client_secret": issued.secret}


@pytest.mark.parametrize("how", ["basic", "body"])
def test_a_client_gets_an_access_token(issued: IssuedKey, scim: Scim, how: str) -> None:
    if how == "basic":
        response = ask(GRANT, basic=(issued.public_id, issued.secret))
    else:
        response = ask(GRANT | credentials(issued))
    assert response.status_code == 200
    assert response["Content-Type"].partition(";")[0] == "application/json"
    assert "no-store" in response["Cache-Control"]
    answer = response.json()
    assert answer["token_type"].lower() == "bearer"
    assert type(answer["expires_in"]) is int
    assert answer["expires_in"] > 0
    assert issued.secret not in answer["access_token"]
    provider = Scim(answer["access_token"])
    assert provider.get("/Users").json == scim.get("/Users").json
    assert provider.user("grace")["active"] is True


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "gatepk_scm_prod_0000000000000000000000"}, 401, "invalid_client"),
        ({"client_id": "", "client_secret": ""}, 401, "invalid_client"),
        ({"client_secret": "%00"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, None),
    ],
)
def test_a_refusal_is_in_oauths_shape(issued: IssuedKey, changes: dict[str, str], status: int, error: str) -> None:
    response = ask(GRANT | credentials(issued) | changes)
    assert response.status_code == status
    assert response["Content-Type"].partition(";")[0] == "application/json"
    assert response.json()["error"] == (error or response.json()["error"])
    assert "access_token" not in response.json()


def test_a_wrong_basic_header_is_challenged(issued: IssuedKey) -> None:
    response = ask(GRANT, basic=(issued.public_id, "wrong"))
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    assert response["WWW-Authenticate"].startswith("Basic")


def test_only_post(issued: IssuedKey) -> None:
    for method in ("GET", "PUT", "DELETE"):
        response: Any = Client(raise_request_exception=False).generic(method, f"{BASE}/oauth2/token")
        assert response.status_code in {401, 404, 405}


def test_the_public_id_of_one_token_with_the_secret_of_another(
    acme: Tenant, connection: ScimConnection, issued: IssuedKey
) -> None:
    other = token_of(acme, connection, name="Other")
    assert ask(GRANT | credentials(issued) | {"client_secret": other.secret}).status_code == 401


def test_access_ends_with_the_token(acme: Tenant, issued: IssuedKey) -> None:
    provider = Scim(ask(GRANT | credentials(issued)).json()["access_token"])
    assert provider.get("/Users").status == 200
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        revoke_scim_token(token=issued.key, actor=SYSTEM)
    refused(provider.get("/Users"), 401)
    assert ask(GRANT | credentials(issued)).status_code == 401


def test_an_expired_token_is_no_client(issued: IssuedKey, superuser: Any) -> None:
    provider = Scim(ask(GRANT | credentials(issued)).json()["access_token"])
    expire_tokens(superuser)
    assert ask(GRANT | credentials(issued)).status_code == 401
    refused(provider.get("/Users"), 401)


def test_the_allow_list_holds_for_both(acme: Tenant, connection: ScimConnection) -> None:
    issued = token_of(acme, connection, allowed_networks=["192.0.2.0/24"])
    assert ask(GRANT | credentials(issued), REMOTE_ADDR="203.0.113.5").status_code in {401, 403}
    access = ask(GRANT | credentials(issued), REMOTE_ADDR="192.0.2.5").json()["access_token"]
    assert Scim(access, address="192.0.2.9").get("/Users").status == 200
    assert Scim(access, address="203.0.113.5").get("/Users").status in {401, 403}


def test_a_changed_access_token_is_refused(issued: IssuedKey) -> None:
    access = ask(GRANT | credentials(issued)).json()["access_token"]
    middle = len(access) // 2
    changed = access[:middle] + ("A" if access[middle] != "A" else "B") + access[middle + 1 :]
    for token in (changed, access + "A", access[:-2]):
        refused(Scim(token).get("/Users"), 401)
