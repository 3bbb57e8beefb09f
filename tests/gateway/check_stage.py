"""What the tests of the check share: an organization whose LLM requests pass, and what is sent about them."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from audit.redaction import snapshot
from gateway import signals
from gateway.claims import Claims, sign
from gateway.hotpath.proxy_request import ProxyRequest, request_of
from gateway.models import ProviderCredential, ProxySettings, TokenRevocation
from gateway.services.signing_keys import settle_signing_keys
from gateway.signing import current_signer
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.models import Organization
from tests.gateway.process import Gateway, Reply
from tests.gateway.test_invalidation import becomes
from tests.people import Tenant

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
SECRET = "sk-provider-secret"


def store(row: Any, *, organization: Organization) -> Any:
    """Store a row of an organization together with an event about it."""
    with tenant_scope(organization), acting_as(SYSTEM), transaction.atomic():
        row.save()
        signals.proxy_settings_updated.announce(row, actor=SYSTEM, after=snapshot(row))
    return row


def drop(row: Any, *, organization: Organization) -> None:
    """Delete a row of an organization together with an event about it."""
    with tenant_scope(organization), acting_as(SYSTEM), transaction.atomic():
        signals.proxy_settings_updated.announce(row, actor=SYSTEM, before=snapshot(row))
        row.delete()


@dataclass
class Answer:
    """What the check answered."""

    reply: Reply

    @property
    def is_allowed(self) -> bool:
        return self.reply.status == 200

    @property
    def code(self) -> str:
        """Return why it was refused, "" when it was not."""
        if self.is_allowed:
            return ""
        document = self.reply.json
        assert self.reply.headers["content-type"] == "application/problem+json"
        assert self.reply.headers["x-gatehouse-denial"] == document["code"]
        assert self.reply.headers["x-request-id"] == document["request_id"]
        assert document["detail"].endswith(".")
        assert "x-gatehouse-context" not in self.reply.headers
        assert "authorization" not in self.reply.headers
        return str(document["code"])

    @property
    def context(self) -> ProxyRequest:
        return request_of(self.reply.headers["x-gatehouse-context"].encode())

    @property
    def removed(self) -> set[str]:
        return set(self.reply.headers["x-envoy-auth-headers-to-remove"].split(","))

    @property
    def secret(self) -> str:
        """Return what would reach the provider."""
        headers = self.reply.headers
        given = headers.get("authorization", headers.get("x-api-key", headers.get("api-key", "")))
        return given.removeprefix("Bearer ")


class Proxy:
    """One organization as the proxy sees it.

    Args:
        tenant: the organization.
        enabled: whether it uses the proxy.
    """

    def __init__(self, tenant: Tenant, *, enabled: bool = True) -> None:
        self.tenant = tenant
        self.settings: Any = None
        if enabled:
            self.configure(is_enabled=True)

    def configure(self, **values: Any) -> None:
        """Change the organization's settings."""
        if self.settings is None:
            self.settings = ProxySettings(organization=self.tenant.organization)
        for name, value in values.items():
            setattr(self.settings, name, value)
        store(self.settings, organization=self.tenant.organization)

    def credential(self, provider: str = "openai", *, secret: str = SECRET, **values: Any) -> Any:
        """Return a new credential, the organization's unless a project is given."""
        given = {"name": f"{provider} {uuid4()}", "secret": secret, "created_by": "test"} | values
        row = ProviderCredential(organization=self.tenant.organization, provider=provider, **given)
        return store(row, organization=self.tenant.organization)

    def change(self, row: Any, **values: Any) -> None:
        """Change a row."""
        for name, value in values.items():
            setattr(row, name, value)
        store(row, organization=self.tenant.organization)

    def revoke(self, kind: str, subject: str = "") -> None:
        """Revoke tokens."""
        now = timezone.now()
        row = TokenRevocation(
            organization=self.tenant.organization,
            kind=kind,
            subject=subject,
            issued_up_to=now,
            until=now + timedelta(minutes=20),
            created_by="test",
        )
        store(row, organization=self.tenant.organization)

    def claims(self, person: str = "member", **changes: Any) -> Claims:
        """Return good claims of a person."""
        now = int(time.time())
        user = str(self.tenant.people[person].pk) if person else ""
        values: dict[str, Any] = {
            "issuer": settings.JWT_ISSUER,
            "audiences": ("gatehouse-llm",),
            "subject": user,
            "issued_at": now,
            "not_before": now,
            "expires_at": now + 300,
            "id": uuid4().hex,
            "actor_type": "user",
            "organization_id": str(self.tenant.organization.pk),
            "project_id": str(self.tenant.project.pk),
            "environment": "development",
            "request_id": "r-12345678",
            "scope": frozenset({"llm:invoke"}),
            "user_id": user or None,
        }
        return Claims(**values | changes)

    def token(self, person: str = "member", **changes: Any) -> str:
        """Return a token of a person."""
        return signed(self.claims(person, **changes))

    def key_token(self, key: Any, **changes: Any) -> str:
        """Return a token that was issued for a key."""
        row = key.key
        actor_type, subject = "api_key", row.pk
        if row.user_id:
            actor_type, subject = "user", row.user_id
        elif row.service_account_id:
            actor_type, subject = "service", row.service_account_id
        given = {"subject": str(subject), "actor_type": actor_type, "client_id": row.public_id, "user_id": None}
        return self.token("", **given | changes)


def signed(claims: Claims) -> str:
    """Return a token that says this."""
    with acting_as(SYSTEM):
        settle_signing_keys()
        signer = current_signer()
    return sign(claims.document(), kid=signer.kid, key=signer.private)


def check(
    gateway: Gateway,
    token: str = "",
    path: str = CHAT,
    *,
    method: str = "POST",
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
) -> Answer:
    """Ask a gateway about a request."""
    sent = dict(headers) | ({"X-Gatehouse-LLM-Auth": token} if token else {})
    return Answer(gateway.send(method, f"/check{path}", headers=sent))


def soon(answer: Callable[[], object], expected: object) -> None:
    """Fail unless an answer is as expected within a second."""
    becomes(answer, expected, time.monotonic())
