"""Disasters on our side: workers are killed, the clock jumps, the disk is full. Nothing is missing, the order stays."""

import os
import random
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from audit.models import SinkCursor, SinkState
from audit.sealing.sealer import seal
from isolation.scope import INSTALLATION, tenant_scope
from tests.audit.sinks.fakes.base import check_complete
from tests.audit.sinks.fakes.webhook import WebhookFake
from tests.audit.sinks.receivers import Answer, Receiver, Request
from tests.audit.sinks.stage import cursor_in, cursor_of, due, happen, installation_sink, sealed, turns, webhook
from tests.audit.sinks.worker import Worker, workers
from tests.people import Tenant

PATIENCE = 60


def until(done: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait for something that other processes do."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def disturbed(fake: WebhookFake, tenant: Tenant, *, events: int, batch: int, kills: int, patience: float) -> int:
    """Deliver by two workers to a receiver that is slow and loses answers, kill them, and check what arrived.

    Returns:
        How many events arrived.
    """
    chance = random.Random(events)  # noqa: S311 - the same disorder each time
    every = max(1, events // batch // (kills + 1))

    def fault(request: Request) -> Answer | None:
        drawn = chance.random()
        if drawn < 1 / 40:
            fake.accept(request)
            return Answer(0)  # it has them, and we do not know
        if drawn < 1 / 20:
            return Answer(503, headers={"Retry-After": "0"})
        return None

    fake.fault = fault
    sink = fake.sink(tenant, batch_events=batch)
    happen(tenant, events)
    while seal():
        pass
    with workers(2) as running:
        for kill in range(1, kills + 1):
            wanted = min(kill * every * batch, events - batch)
            until(lambda wanted=wanted: len(fake.arrived) >= wanted, patience)  # type: ignore[misc]
            running[kill % 2].kill()
            running[kill % 2] = Worker()
        until(lambda: cursor_of(sink).next_seq == sealed(tenant), patience)
    check_complete(fake, tenant, sink)
    return len(fake.arrived)


def test_workers_that_are_killed_lose_nothing(acme: Tenant) -> None:
    with WebhookFake.running() as fake:
        assert disturbed(fake, acme, events=3_000, batch=20, kills=3, patience=PATIENCE) >= sealed(acme)


@pytest.mark.soak
def test_a_million_events_arrive_whatever_is_killed(acme: Tenant) -> None:
    events, started = int(os.environ.get("SOAK_EVENTS", "1000000")), time.monotonic()
    with Receiver(keeps=0).running() as receiver:
        fake = WebhookFake(receiver)
        arrived = disturbed(fake, acme, events=events, batch=500, kills=20, patience=1_800)
    print(  # noqa: T201 - what was done
        f"\n{sealed(acme):,} events by two workers, 20 times SIGKILL, one answer in twenty lost or refused: 0 missing, "
        f"{arrived - sealed(acme):,} twice, all with equal ids, order kept; {time.monotonic() - started:,.0f} s"
    )


def test_a_clock_that_jumps_between_batches_loses_nothing(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(11)  # noqa: S311 - the same jumps each time
    with WebhookFake.running() as fake:
        sink = fake.sink(acme, batch_events=10)
        happen(acme, 200)
        fake.fault = lambda _request: Answer(503) if chance.random() < 1 / 5 else None
        true = timezone.now
        hours = 0.0

        def jumping() -> datetime:
            nonlocal hours
            hours = chance.choice([hours, hours, -3, 3])
            return true() + timedelta(hours=hours)

        with monkeypatch.context() as patched:
            patched.setattr(timezone, "now", jumping)
            for _try in range(100):
                turns()
                cursor = cursor_of(sink)
                if cursor.lag_events == 0:
                    break
                assert cursor.retry_at is not None
                assert cursor.retry_at < true() + timedelta(minutes=10)
                due(acme)
        check_complete(fake, acme, sink)


@pytest.mark.parametrize("name", ["retry_at", "leased_until", "waiting_since"])
def test_a_moment_that_a_wrong_clock_has_set_holds_nothing_up(acme: Tenant, receiver: Receiver, name: str) -> None:
    sink = webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 3)
    with tenant_scope(acme.organization):
        SinkCursor.objects.update(**{name: timezone.now() + timedelta(days=1)})
    assert turns() == 1
    assert cursor_of(sink).lag_events == 0


def test_a_standard_output_on_a_full_disk_waits(acme: Tenant, capfd: pytest.CaptureFixture[str]) -> None:
    sink = installation_sink("file", {"target": "stdout"}, from_beginning=True)
    happen(acme, 3)
    kept = os.dup(1)
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        os.dup2(full, 1)
        turns()
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(full)
    cursor = cursor_in(sink, acme)
    assert (cursor.state, cursor.next_seq) == (SinkState.RETRYING, 0)
    assert "No space left" in cursor.last_error
    with tenant_scope(INSTALLATION):
        SinkCursor.objects.update(retry_at=None)
    turns()
    assert cursor_in(sink, acme).lag_events == 0
