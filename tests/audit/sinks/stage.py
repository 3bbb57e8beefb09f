"""What the tests of sinks share: a sink of acme's, events, and turns of delivery."""

import threading
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from django.db import connections

from audit.models import DeadLetter, Sink, SinkCursor
from audit.sealing.logs import head
from audit.sealing.sealer import seal
from audit.services.sinks import create_sink
from audit.sinks.claims import wake
from audit.sinks.delivery import deliver
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import INSTALLATION, tenant_scope
from tests.audit.sealing.stage import write_many, writer
from tests.people import Tenant


def webhook(tenant: Tenant, url: str, who: str = "owner", **values: Any) -> Sink:
    """Return a new webhook of an organization's; what it is told of its own making is delivered already."""
    return sink_of(tenant, "webhook", {"url": url}, who, **values)


def sink_of(tenant: Tenant, kind: str, options: dict[str, Any], who: str = "owner", **values: Any) -> Sink:
    """Return a new sink of an organization's that waits for no more events."""
    with tenant.acting(who) as actor:
        made = create_sink(
            organization_id=tenant.organization.pk,
            kind=kind,
            name=values.pop("name", "Our SIEM"),
            options=options,
            actor=actor,
            **{"batch_seconds": 0, "sends_checkpoints": False, **values},
        )
    return made.sink


def installation_sink(kind: str, options: dict[str, Any], **values: Any) -> Sink:
    """Return a new sink of the installation: it receives every log."""
    with tenant_scope(INSTALLATION), acting_as(SYSTEM):
        made = create_sink(
            organization_id=INSTALLATION,
            kind=kind,
            name="The installation's",
            options=options,
            actor=SYSTEM,
            **{"batch_seconds": 0, "sends_checkpoints": False, **values},
        )
    return made.sink


def cursor_in(sink: Sink, tenant: Tenant) -> SinkCursor:
    """Return how far a sink of the installation is in an organization's log."""
    with tenant_scope(INSTALLATION):
        found: SinkCursor = SinkCursor.objects.select_related("sink").get(sink=sink, log=tenant.organization.pk)
        return found


def happen(tenant: Tenant, count: int) -> None:
    """Let events happen, and seal them."""
    with writer() as connection:
        write_many(connection, tenant.organization.pk, count)
    seal()


def turns() -> int:
    """Deliver what is due now; return how many turns there were."""
    wake()
    return deliver(30)


def due(tenant: Tenant) -> None:
    """Let what waits for its next try be due now."""
    with tenant_scope(tenant.organization):
        SinkCursor.objects.update(retry_at=None)


def cursor_of(sink: Sink) -> SinkCursor:
    """Return how far a sink is."""
    with tenant_scope(sink.organization_id):
        found: SinkCursor = SinkCursor.objects.select_related("sink").get(sink=sink)
        return found


def letters_of(sink: Sink) -> list[DeadLetter]:
    """Return what a sink's receiver refused, by number."""
    with tenant_scope(sink.organization_id):
        return list(DeadLetter.objects.filter(sink=sink).order_by("seq"))


def numbers(bodies: Iterable[Any]) -> list[int]:
    """Return the numbers of the events in webhook bodies, as they came."""
    return [event["seq"] for body in bodies for event in body["events"]]


def sealed(tenant: Tenant) -> int:
    """Return how many events of an organization are sealed."""
    return head(UUID(str(tenant.organization.pk)))


def apart(work: Callable[[], object]) -> threading.Thread:
    """Start something in a thread of its own, which closes its database connections at its end."""

    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread
