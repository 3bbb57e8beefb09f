"""An outage that is longer than retention: delivery goes on behind what was retired, and people are told of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from django.core import mail
from django.utils import timezone

from accounts.models import User
from audit.models import Event, RetirementReceipt, Sink, SinkCursor
from audit.retention.retiring import retire_month
from audit.sealing.sealer import seal
from audit.services.holds import set_hold
from audit.services.sink_delivery import replay_sink
from audit.services.sinks import set_sink_active
from audit.sinks.claims import wake
from audit.sinks.missed import taken_soon
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tests import database
from tests.api.calls import by
from tests.audit.retention.stage import NEXT, OLD, PERSON, keep, months, seal_and_verify, write_old
from tests.audit.sinks.receivers import Answer, Receiver, Request
from tests.audit.sinks.stage import cursor_in, cursor_of, due, happen, installation_sink, sealed, turns, webhook
from tests.audit.sinks.stage import numbers as numbers_in
from tests.people import Tenant, signed_in
from tests.tenants.stage import events

OTHER = UUID("00000000-0000-4000-8000-000000000004")


@pytest.fixture
def old(acme: Tenant, superuser: psycopg.Connection) -> Iterator[Tenant]:
    """Return an organization that keeps events for two years, and has months of four years ago."""
    with months(superuser, OLD, NEXT):
        keep(acme, 24, superuser)
        seal()
        yield acme


def numbers(receiver: Receiver) -> list[int]:
    """Return the numbers that were accepted, as they came."""
    bodies = [request.json() for request in receiver.requests if receiver.rule(request).status == 200]
    return [event["seq"] for body in bodies for event in body["events"]]


def numbers_of(request: Request) -> list[int]:
    return numbers_in([request.json()])


def outage(tenant: Tenant, receiver: Receiver) -> tuple[int, int]:
    """Let the receiver be away while events of a month come and are retired; return the first and the last of them."""
    receiver.rule = lambda _request: Answer(503)
    first = sealed(tenant)
    write_old(tenant.organization.pk, 7)
    seal_and_verify()
    turns()
    write_old(tenant.organization.pk, 4, month=NEXT)
    seal_and_verify()
    assert retire_month(tenant.organization.pk, OLD) == 7
    seal()
    receiver.rule = lambda _request: Answer()
    receiver.requests.clear()
    due(tenant)
    return first, first + 6


def missed(tenant: Tenant) -> list[Event]:
    seal()
    return events(tenant, "sink.missed_events")


def test_a_stranger_hears_nothing_of_it(old: Tenant, globex: Tenant, receiver: Receiver) -> None:
    sink = webhook(old, receiver.url)
    other = webhook(globex, receiver.url)
    turns()
    outage(old, receiver)
    mail.outbox.clear()
    turns()
    assert missed(globex) == []
    assert cursor_of(other).missed_events == 0
    assert {message.to[0] for message in mail.outbox} == {old.owner.email, old.admin.email}
    assert by(globex.owner).get(f"/organizations/acme/sinks/{sink.pk}").status_code == 404


@pytest.mark.parametrize("batch", [3, 500])
def test_delivery_goes_on_behind_the_gap_and_people_are_told(
    old: Tenant, receiver: Receiver, batch: int, superuser: psycopg.Connection
) -> None:
    sink = webhook(old, receiver.url, batch_events=batch)
    turns()
    begin = cursor_of(sink).next_seq
    first, last = outage(old, receiver)
    mail.outbox.clear()
    turns()
    before = [*range(begin, first)]
    assert numbers(receiver) == [*before, *range(last + 1, sealed(old))]
    cursor = cursor_of(sink)
    assert (cursor.lag_events, cursor.missed_events, cursor.missed_first, cursor.missed_last) == (0, 7, first, last)

    # An event and a mail say which numbers, and that a receipt explains them.
    (told,) = missed(old)
    assert (told.outcome, told.target_id) == ("failed", str(sink.pk))
    assert [told.after[name] for name in ("events", "first", "last")] == [7, first, last]
    assert "A signed receipt explains the gap." in told.after["reason"]
    with tenant_scope(old.organization):
        receipt = RetirementReceipt.objects.get()
    assert (receipt.first, receipt.last, receipt.events) == (first, last, 7)
    assert {message.to[0] for message in mail.outbox} == {old.owner.email, old.admin.email}
    message = mail.outbox[0]
    assert message.subject == "Acme: the SIEM sink Our SIEM missed events"
    assert f"numbers {first:,} to {last:,}, were retired" in str(message.body)
    assert f"/o/acme/sinks/{sink.pk}/" in str(message.body)

    # So do the page and the API.
    page = signed_in(old.owner).get(f"/o/acme/sinks/{sink.pk}/").content.decode()
    assert "7 events that were retired from the log before they could be sent" in page
    assert '<a class="audit-link" href="/o/acme/audit/retention/#receipts-title">' in page
    health = by(old.owner).get(f"/organizations/acme/sinks/{sink.pk}").json()["health"]
    assert (health["missed_events"], health["missed_first"], health["missed_last"]) == (7, first, last)

    # Once: neither a later turn nor a replay tells of it again.
    happen(old, 2)
    turns()
    with old.acting("owner") as actor:
        replay_sink(sink=sink, seq=0, actor=actor)
    turns()
    assert len(missed(old)) == 1
    assert cursor_of(sink).missed_events == 7


def test_it_is_told_also_while_the_receiver_is_still_away(old: Tenant, receiver: Receiver) -> None:
    sink = webhook(old, receiver.url, batch_events=1)
    turns()
    first, last = outage(old, receiver)
    receiver.rule = lambda request: Answer(503 if max(numbers_of(request)) > last else 200)
    turns()
    assert len(missed(old)) == 1
    assert (cursor_of(sink).missed_first, cursor_of(sink).missed_last) == (first, last)
    receiver.rule = lambda _request: Answer()
    due(old)
    turns()
    assert cursor_of(sink).lag_events == 0
    assert len(missed(old)) == 1


def test_islands_that_a_hold_keeps_are_delivered_in_order_and_told_of_once(old: Tenant, receiver: Receiver) -> None:
    sink = webhook(old, receiver.url)
    turns()
    receiver.rule = lambda _request: Answer(503)
    first = sealed(old)
    for held in (False, True, False, True, False):
        write_old(old.organization.pk, 2, actor_id=PERSON if held else OTHER)
    with tenant_scope(old.organization):
        set_hold(organization_id=old.organization.pk, name="Case", reason="4711", subject=str(PERSON), actor=SYSTEM)
    seal_and_verify()
    assert retire_month(old.organization.pk, OLD) == 6
    seal()
    turns()
    receiver.rule = lambda _request: Answer()
    receiver.requests.clear()
    due(old)
    turns()
    came = [seq for seq in numbers(receiver) if seq >= first]
    gone = set(range(first, sealed(old))) - set(came)
    assert came == sorted(came)
    assert len(gone) == 6
    (told,) = missed(old)
    assert (told.after["events"], told.after["first"], told.after["last"]) == (6, min(gone), max(gone))
    assert "A signed receipt explains the gap." in told.after["reason"]
    assert cursor_of(sink).lag_events == 0


def test_what_was_retired_before_a_sink_was_made_is_nothing_that_it_missed(old: Tenant, receiver: Receiver) -> None:
    write_old(old.organization.pk, 7)
    seal_and_verify()
    retire_month(old.organization.pk, OLD)
    sink = webhook(old, receiver.url, from_beginning=True)
    happen(old, 3)
    turns()
    assert cursor_of(sink).lag_events == 0
    assert cursor_of(sink).missed_events == 0
    assert missed(old) == []


def test_what_was_delivered_once_is_nothing_that_a_replay_misses(old: Tenant, receiver: Receiver) -> None:
    sink = webhook(old, receiver.url)
    write_old(old.organization.pk, 7)
    seal_and_verify()
    turns()
    assert cursor_of(sink).lag_events == 0
    retire_month(old.organization.pk, OLD)
    with old.acting("owner") as actor:
        replay_sink(sink=sink, seq=0, actor=actor)
    turns()
    assert cursor_of(sink).missed_events == 0
    assert missed(old) == []


def test_a_gap_that_no_receipt_explains_is_told_as_one(
    old: Tenant, receiver: Receiver, superuser: psycopg.Connection
) -> None:
    webhook(old, receiver.url)
    turns()
    receiver.rule = lambda _request: Answer(503)
    write_old(old.organization.pk, 3)
    seal_and_verify()
    turns()
    superuser.execute(database.TRIGGERS_OFF)
    superuser.execute("DELETE FROM audit_event WHERE organization_id = %s AND time < %s", [old.organization.pk, NEXT])
    superuser.execute(database.TRIGGERS_ON)
    receiver.rule = lambda _request: Answer()
    due(old)
    turns()
    (told,) = missed(old)
    assert told.after["events"] == 3
    assert "No signed receipt explains all of it" in told.after["reason"]


def test_operators_hear_of_it_from_a_sink_of_the_installation(
    old: Tenant, operator: User, receiver: Receiver, superuser: psycopg.Connection
) -> None:
    sink = installation_sink("webhook", {"url": receiver.url})
    turns()
    write_old(old.organization.pk, 7)
    seal_and_verify()
    retire_month(old.organization.pk, OLD)
    seal()
    mail.outbox.clear()
    turns()
    cursor = cursor_in(sink, old)
    assert (cursor.lag_events, cursor.missed_events) == (0, 7)
    assert {message.to[0] for message in mail.outbox} == {operator.email}
    assert missed(old) == []  # it is in the installation's own log
    [(count,)] = superuser.execute(
        "SELECT count(*) FROM audit_event WHERE action = 'sink.missed_events' AND organization_id IS NULL"
    ).fetchall()
    assert count == 1
    page = signed_in(operator).get(f"/admin/sinks/{sink.pk}/").content.decode()
    assert "7 events that were retired" in page
    assert f"/admin/audit/retention/?log={old.organization.pk}#receipts-title" in page


# Before it happens -------------------------------------------------------------------------------------


def waiting(sink: Sink, ago: timedelta) -> SinkCursor:
    with tenant_scope(sink.organization_id):
        SinkCursor.objects.filter(sink=sink).update(waiting_since=timezone.now() - ago)
    return cursor_of(sink)


@pytest.mark.parametrize(("months_ahead", "is_soon"), [(3, False), (0, True), (-12, True)])
def test_what_retention_takes_soon_is_known_by_the_month_of_what_waits(
    old: Tenant, receiver: Receiver, superuser: psycopg.Connection, months_ahead: int, is_soon: bool
) -> None:
    sink = webhook(old, receiver.url)
    turns()
    write_old(old.organization.pk, 2, month=NEXT)
    seal()
    wake()
    now = timezone.now()
    keep(old, 12 * (now.year - NEXT.year) + now.month - NEXT.month - 1 + months_ahead, superuser)
    this_month = datetime(now.year, now.month, 1, tzinfo=UTC)
    expected = {0: this_month, -12: this_month.replace(year=now.year - 1)}.get(months_ahead)
    assert taken_soon([waiting(sink, timedelta(days=2))]) == (expected if is_soon else None)
    assert taken_soon([waiting(sink, timedelta(hours=2))]) is None  # it cannot be: the shortest time is a month
    keep(old, None, superuser)
    assert taken_soon([waiting(sink, timedelta(days=2))]) is None


def test_a_failing_sink_tells_again_when_retention_comes_near(
    old: Tenant, receiver: Receiver, superuser: psycopg.Connection
) -> None:
    sink = webhook(old, receiver.url)
    turns()
    receiver.rule = lambda _request: Answer(401)
    write_old(old.organization.pk, 2, month=NEXT)
    seal()
    turns()
    keep(old, 12 * (timezone.now().year - NEXT.year) + 240, superuser)
    for _turn in range(2):
        waiting(sink, timedelta(days=300))
        due(old)
        turns()
    assert len(events(old, "sink.failing")) == 1  # kept for decades
    with tenant_scope(old.organization):
        SinkCursor.objects.filter(sink=sink).update(alerted_at=datetime(NEXT.year, NEXT.month, 15, tzinfo=UTC))
    keep(old, 24, superuser)
    mail.outbox.clear()
    for _turn in range(2):
        waiting(sink, timedelta(days=300))
        due(old)
        turns()
    first, second = events(old, "sink.failing")
    reason = max(first.after["reason"], second.after["reason"], key=len)
    assert f"From 1 May {NEXT.year + 2} on retention takes events that wait" in reason
    assert len(mail.outbox) == 2  # the owner and the admin, once
    with old.acting("owner") as actor:
        set_sink_active(sink=sink, is_active=False, actor=actor)
    page = signed_in(old.owner).get(f"/o/acme/sinks/{sink.pk}/").content.decode()
    assert "Will be missed" in page  # paused as well
