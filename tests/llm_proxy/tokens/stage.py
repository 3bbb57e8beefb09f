"""What the tests of tokens share: the proxy switched on, asking for a token, and looking into one."""

import base64
import json
import time
from typing import Any
from urllib.parse import urlencode

import psycopg
from django.conf import settings
from django.db import connection
from django.test import Client

from accounts.services.key_rules import IssuedKey
from gateway.claims import Claims, Revocations, check, public_key
from gateway.models import ProxySettings, SigningKey
from gateway.services.proxy_settings import update_proxy_settings
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tests.database import TRIGGERS_OFF, TRIGGERS_ON
from tests.people import Tenant

ENDPOINT = "/api/v1/oauth2/token"
REVOCATION = "/api/v1/oauth2/revoke"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
API_KEY = "urn:gatehouse:params:oauth:token-type:api-key"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
SESSION = "urn:gatehouse:params:oauth:token-type:session"
FORM = "application/x-www-form-urlencoded"
SCOPES = ["llm:invoke", "traces:read"]


def switch_on(tenant: Tenant, **values: Any) -> ProxySettings:
    """Switch the proxy on for an organization, with settings."""
    with tenant_scope(tenant.organization):
        return update_proxy_settings(organization=tenant.organization, actor=SYSTEM, **{"is_enabled": True, **values})


def basic(public_id: str, secret: str) -> dict[str, str]:
    """Return the header by which a client authenticates."""
    return {"Authorization": f"Basic {base64.b64encode(f'{public_id}:{secret}'.encode()).decode()}"}


def form(values: dict[str, Any]) -> str:
    """Return a form as text."""
    return urlencode(values, doseq=True)


def post(path: str, values: dict[str, Any], *, headers: dict[str, str] | None = None, client: Any = None) -> Any:
    """Send a form."""
    return (client or Client()).post(path, form(values), content_type=FORM, headers=headers or {})


def ask(key: IssuedKey, *, headers: Any = None, **values: Any) -> Any:
    """Ask for a token with a key, by client credentials."""
    given = basic(key.key.public_id, key.secret) | (headers or {})
    return post(ENDPOINT, {"grant_type": "client_credentials", **values}, headers=given)


def exchange(client: Client, **values: Any) -> Any:
    """Ask for a token in a browser that enforces CSRF or not."""
    return post(ENDPOINT, {"grant_type": EXCHANGE, "subject_token_type": SESSION, **values}, client=client)


def token_of(answer: Any) -> str:
    """Return the token of an answer that has one."""
    assert answer.status_code == 200, answer.content.decode()
    text: str = json.loads(answer.content)["access_token"]
    return text


def read(token: str, *, now: float | None = None) -> Claims:
    """Check a token as the hot path does: with the published keys, the issuer, the clock of now."""
    keys = {key.kid: public_key(key.public) for key in SigningKey.objects.published()}
    return check(token, keys=keys, issuer=settings.JWT_ISSUER, now=time.time() if now is None else now)


def claims_of(answer: Any) -> Claims:
    """Return what the token of an answer says."""
    return read(token_of(answer))


def is_revoked(tenant: Tenant, token: str) -> bool:
    """Return whether the hot path refuses a token, by what the database tells it."""
    with tenant_scope(tenant.organization), connection.cursor() as cursor:
        cursor.execute("SELECT gateway_revocations(%s)", [tenant.organization.pk])
        rows = json.loads(cursor.fetchone()[0])
    return Revocations((kind, subject, last) for kind, subject, last in rows).include(read(token))


def let_pass(superuser: psycopg.Connection, seconds: float) -> None:
    """Let the tokens that were issued have been issued earlier."""
    superuser.execute(TRIGGERS_OFF)
    superuser.execute(
        "UPDATE gateway_issuedtoken SET issued_at = issued_at - make_interval(secs => %s),"
        " expires_at = expires_at - make_interval(secs => %s)",
        [float(seconds), float(seconds)],
    )
    superuser.execute(TRIGGERS_ON)


def refused(answer: Any, error: str, status: int = 400) -> str:
    """Return the sentence of a refusal, after looking at its form (RFC 6749 section 5.2)."""
    assert answer.status_code == status, answer.content.decode()
    assert answer["Cache-Control"] == "no-store"
    body = json.loads(answer.content)
    assert set(body) == {"error", "error_description"}
    assert body["error"] == error, body
    description: str = body["error_description"]
    assert all(" " <= character <= "~" and character not in '"\\' for character in description)
    return description
