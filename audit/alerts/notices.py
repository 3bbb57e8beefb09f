"""Tells people and programs of alerts: each channel by itself, again and again until it is taken or too late."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import connections
from django.db.models import QuerySet
from django.utils import timezone

from audit.leases import wait
from audit.sinks.exceptions import DeliveryError, Later
from isolation.scope import APP, tenant_scope

from .channels import CHANNELS, opened
from .mailer import mailer
from .messages import message_of
from .models import AlertNotice

logger = logging.getLogger("gatehouse.audit")

LEASE = timedelta(seconds=120)
PATIENCE = timedelta(days=2)
"""After it a notice is given up: what was not told by then is on the page."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A leased notice."""

    notice_id: UUID
    organization_id: UUID
    lease: UUID


def tell(seconds: float) -> int:
    """Send what is due, until there is nothing or the time is over; return how many were tried."""
    end, tried = time.monotonic() + seconds, 0
    while time.monotonic() < end and (held := _claim()) is not None:
        _try(held)
        tried += 1
    return tried


def _claim() -> Claim | None:
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT * FROM audit_claim_alertnotice(%s)", [int(LEASE.total_seconds())])
        row = cursor.fetchone()
    return Claim(*row) if row else None


def _try(held: Claim) -> None:
    try:
        send = _prepared(held)
        if send is None:
            return
        send()
    except DeliveryError as error:
        _put_off(held, error.reason, error.after if isinstance(error, Later) else None)
    except Exception as error:
        logger.exception("The notice %s of an alert was not sent", held.notice_id)
        _put_off(held, f"It was not sent: {type(error).__name__}. Gatehouse's own log says more.")
    else:
        with tenant_scope(held.organization_id):
            _mine(held).update(sent_at=timezone.now(), retry_at=None, last_error="", lease=None, leased_until=None)


def _prepared(held: Claim) -> Callable[[], None] | None:
    """Return what sends the notice, with everything that it needs; None when it is gone."""
    with tenant_scope(held.organization_id):
        notice = _mine(held).select_related("alert", "channel").first()
        if notice is None:
            return None
        message, channel = message_of(notice.alert), notice.channel
        if channel is None:
            mails = mailer().mails_about(notice.alert, message)
            return lambda: mailer().deliver(mails)
        if channel.kind not in CHANNELS:
            raise Later(f"This version has no channel {channel.kind}.")
        receiver = opened(channel.kind, {**channel.options, **channel.revealed()}, channel.pk)

    def send() -> None:
        try:
            receiver.tell(message)
        finally:
            receiver.close()

    return send


def _put_off(held: Claim, reason: str, after: float | None = None) -> None:
    with tenant_scope(held.organization_id):
        notice = _mine(held).select_for_update(of=("self",)).select_related("alert").first()
        if notice is None:
            return
        notice.attempts += 1
        notice.last_error = reason[:1_000]
        retry_at = timezone.now() + wait(notice.attempts, after)
        is_late = retry_at > notice.alert.raised_at + PATIENCE
        notice.retry_at, notice.lease, notice.leased_until = (None if is_late else retry_at), None, None
        notice.save(update_fields=["attempts", "last_error", "retry_at", "lease", "leased_until"])


def _mine(held: Claim) -> QuerySet[AlertNotice]:
    rows: QuerySet[AlertNotice] = AlertNotice.objects.filter(pk=held.notice_id, lease=held.lease)
    return rows
