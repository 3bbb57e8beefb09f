"""Mails about SCIM tokens that expire: the owners get them, each once."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from accounts.key_format import SECRET_PATTERN
from accounts.models import ScimToken
from accounts.services.scim_tokens import revoke_scim_token
from accounts.tasks import warn_of_expiring_keys, warn_of_expiring_scim_token
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.services.organizations import suspend_organization
from tests.people import Tenant
from tests.scim.stage import connection_of, token_of
from tests.tenants.stage import at_once, events


@pytest.fixture
def token(acme: Tenant) -> ScimToken:
    """Return a token of acme that expires in a year."""
    expires_at = timezone.now() + timedelta(days=365)
    issued: ScimToken = token_of(acme, connection_of(acme, "Okta"), name="Sync", expires_at=expires_at).key
    return issued


@pytest.fixture
def at(superuser: Any, token: ScimToken) -> Any:
    """Return what lets the token be a year old and expire in so long, as if time had passed."""

    def pass_time(left: timedelta) -> None:
        with superuser.transaction():
            superuser.execute("SET LOCAL session_replication_role = replica")
            superuser.execute(
                "UPDATE accounts_scimtoken SET created_at = now() - interval '1 year', expires_at = now() + %(left)s,"
                " expiry_warned_at = expiry_warned_at - (expires_at - (now() + %(left)s)) WHERE id = %(id)s",
                {"left": left, "id": token.pk},
            )

    return pass_time


def heard() -> dict[str, str]:
    """Return the subject by recipient of the mails since the last call."""
    found = {message.to[0]: str(message.subject) for message in mail.outbox}
    assert len(found) == len(mail.outbox), "one mail for each address"
    mail.outbox.clear()
    return found


def test_the_owners_are_told_and_nobody_else(token: ScimToken, acme: Tenant, globex: Tenant, at: Any) -> None:
    at(timedelta(days=10))
    before = [event.pk for event in events(acme)]
    assert warn_of_expiring_keys() == 1
    message: Any = mail.outbox[0]
    for text in (message.body, message.alternatives[0][0]):
        assert not re.search(SECRET_PATTERN, str(text))
        assert f"/o/acme/accounts/scimconnection/{token.connection_id}/change/" in text
        assert token.public_id in text
        assert "Okta" in text
    assert heard() == {"owner@acme.example": "Acme: the SCIM token Sync expires in 10 days"}
    assert [event.pk for event in events(acme)] == before, "being warned is no event"


def test_each_warning_comes_once(at: Any) -> None:
    said = []
    for left in (20, 13.9, 13, 2.9, 2, 0.9, 0.1):
        at(timedelta(days=left))
        for _ in range(2):
            warn_of_expiring_keys()
        said.append(heard().get("owner@acme.example", "-").rpartition(" in ")[2])
    assert said == ["-", "14 days", "-", "3 days", "-", "22 hours", "-"]


def test_two_sweeps_at_once_mail_once(token: ScimToken, acme: Tenant, at: Any) -> None:
    at(timedelta(days=2))
    run = [lambda: warn_of_expiring_scim_token(str(acme.organization.pk), str(token.pk))] * 3
    assert at_once(*run) == [None] * 3
    assert len(heard()) == 1


@pytest.mark.parametrize("change", ["revoked", "suspended", "expired", "young"])
def test_what_needs_no_warning_gets_none(change: str, token: ScimToken, acme: Tenant, at: Any) -> None:
    at(timedelta(days=-1 if change == "expired" else 30 if change == "young" else 10))
    with acme.acting("owner") as owner:
        if change == "revoked":
            revoke_scim_token(token=token, actor=owner)
        elif change == "suspended":
            suspend_organization(organization=acme.organization, actor=SYSTEM, reason="Unpaid")
        elif change == "young":
            token_of(acme, token.connection, name="Short", expires_at=timezone.now() + timedelta(days=10))
    assert warn_of_expiring_keys() == 0


def test_a_mail_server_that_is_down_loses_nothing(token: ScimToken, acme: Tenant, at: Any, settings: Any) -> None:
    at(timedelta(days=2))
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    with pytest.raises(OSError, match="refused"):
        warn_of_expiring_scim_token(str(acme.organization.pk), str(token.pk))
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    with tenant_scope(acme.organization):
        assert ScimToken.objects.get().expiry_warned_at is None
    assert warn_of_expiring_keys() == 1
    assert set(heard()) == {"owner@acme.example"}
