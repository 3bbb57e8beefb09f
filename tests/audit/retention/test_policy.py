"""How long events are kept: minimum, default, notice, and who hears of it."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from audit.retention.policy import retention_of
from audit.services.retention import change_retention
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from tests.audit.retention.stage import let_pass
from tests.people import Tenant
from tests.tenants.stage import events


def change(tenant: Tenant, months: int | None) -> None:
    with tenant.acting("owner") as actor:
        change_retention(organization_id=tenant.organization.pk, months=months, actor=actor)


def told(tenant: Tenant) -> tuple[int | None, int | None, bool]:
    """Return what counts, what is announced, and whether something is."""
    with tenant_scope(tenant.organization):
        found = retention_of(tenant.organization.pk, now=timezone.now())
    return found.months, found.next_months, found.next_at is not None


def test_nobody_chose(acme: Tenant, settings) -> None:
    assert told(acme) == (None, None, False)
    settings.AUDIT_RETENTION_MONTHS = 36
    assert told(acme) == (36, None, False)


def test_a_shorter_time_is_announced_to_the_owners(acme: Tenant) -> None:
    change(acme, 24)
    assert told(acme) == (None, 24, True)
    (message,) = [message for message in mail.outbox if "how long" in message.subject]
    assert message.to == ["owner@acme.example"]
    assert "for 24 months; it was without end" in message.body
    assert "If nobody of you meant that" in message.body
    assert "/o/acme/audit/retention/" in message.body
    (event,) = events(acme, "retention.announced")
    assert (event.before["months"], event.after["months"]) == (None, 24)


def test_it_counts_after_the_notice_and_can_be_called_off_before(acme: Tenant, superuser) -> None:
    change(acme, 24)
    with pytest.raises(DomainError, match="announced already"):
        change(acme, 24)
    change(acme, None)
    assert told(acme) == (None, None, False)
    change(acme, 24)
    let_pass(superuser, "audit_retentionchange", "effective_at = announced_at")
    assert told(acme) == (24, None, False)
    with pytest.raises(DomainError, match="kept already"):
        change(acme, 24)
    change(acme, 48)
    assert told(acme) == (48, None, False)


@pytest.mark.parametrize("months", [0, 11, 1_201, -1])
def test_the_installations_minimum_holds(months: int, acme: Tenant) -> None:
    with pytest.raises(DomainError, match="Choose 12 to 1200 months"):
        change(acme, months)


def test_the_notice_is_the_installations(acme: Tenant, settings) -> None:
    settings.AUDIT_RETENTION_NOTICE_DAYS = 90
    change(acme, 24)
    with tenant_scope(acme.organization):
        next_at = retention_of(acme.organization.pk, now=timezone.now()).next_at
    assert next_at is not None
    assert timedelta(days=89) < next_at - timezone.now() < timedelta(days=90)


def test_another_organization_is_not_concerned(acme: Tenant, globex: Tenant) -> None:
    change(acme, 24)
    assert told(globex) == (None, None, False)
    assert not events(globex, "retention.announced")
