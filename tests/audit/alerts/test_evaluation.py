"""The walk over the sealed log: nothing twice, nothing missed, whatever dies or commits late."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone
from psycopg import sql

from accounts.models import User
from audit.alerts import evaluation
from audit.alerts.claims import Claim, claim, wake
from audit.alerts.evaluation import evaluate, evaluate_batch
from audit.alerts.notices import tell
from audit.leases import LeaseLost
from audit.models import Alert, AlertCursor, Event, Leaf, Sighting
from audit.sealing.sealer import seal
from isolation.scope import tenant_scope
from tenants.tasks import purge_due
from tests.audit.alerts.stage import (
    HOME,
    alerts_of,
    evaluated,
    failed_from,
    from_the_beginning,
    happened,
    notices_of,
    raised,
    statements,
)
from tests.audit.sealing.stage import writer
from tests.people import Tenant
from tests.tenants.stage import events
from tests.tenants.test_deletion import age, schedule


def cursor_of(tenant: Tenant) -> AlertCursor:
    with tenant_scope(tenant.organization):
        found: AlertCursor = AlertCursor.objects.get()
        return found


def claimed(tenant: Tenant) -> Claim:
    """Seal, and return the lease of an organization's log."""
    seal()
    wake()
    while held := claim():
        if held.log == tenant.organization.pk:
            return held
    raise AssertionError("there is nothing to evaluate")


def burst(tenant: Tenant, count: int = 10, ago: float = 0) -> None:
    for number in range(count):
        failed_from(tenant, HOME, ago=ago + number / 100)


def test_another_organization_s_events_raise_nothing_here(acme: Tenant, globex: Tenant, stranger: User) -> None:
    burst(globex, 9)
    burst(acme, 9)
    assert raised(acme, "sign_in_burst") == alerts_of(globex, "sign_in_burst") == []
    burst(globex, 1)
    assert len(raised(globex, "sign_in_burst")) == 1
    assert alerts_of(acme, "sign_in_burst") == []
    with tenant_scope(acme.organization):
        assert set(Sighting.objects.values_list("organization_id", flat=True)) == {acme.organization.pk}


def test_an_alert_is_an_event_that_tells_of_it(acme: Tenant) -> None:
    burst(acme)
    (alert,) = raised(acme, "sign_in_burst")
    (event,) = [each for each in events(acme, "alert.raised") if each.target_id == str(alert.pk)]
    assert (event.actor_kind, event.target_label) == ("system", "Burst of failed sign-ins: 1@acme.example")
    assert event.after["events"] == alert.numbers
    with tenant_scope(acme.organization):
        found = Event.objects.filter(pk__in=linked(alert)).values_list("action", flat=True)
        assert set(found) == {"user.sign_in_failed"}


def linked(alert: Alert) -> list[UUID]:
    return list(Leaf.objects.filter(seq__in=alert.numbers).values_list("event_id", flat=True))


def test_looking_again_raises_nothing_and_tells_nobody_again(acme: Tenant) -> None:
    burst(acme, 25)
    happened(acme, "sso_connection.disabled")
    evaluated()
    before, told = alerts_of(acme), len(events(acme, "alert.raised"))
    assert len(before) == told
    notices = len(notices_of(acme))
    for _ in range(2):
        from_the_beginning(acme)
        assert evaluated()
    assert [(each.pk, each.count) for each in alerts_of(acme)] == [(each.pk, each.count) for each in before]
    assert len(events(acme, "alert.raised")) == told
    assert len(notices_of(acme)) == notices


def test_events_that_commit_late_and_out_of_order_are_counted(acme: Tenant) -> None:
    with writer() as late:
        late.execute("SELECT pg_current_xact_id()")
        for number in range(5):
            late.execute(
                "INSERT INTO audit_event (id, time, organization_id, actor_kind, actor_label, via, action, outcome,"
                " target_type, target_id, target_label, project_label, before, after, reason, request_id, session,"
                " user_agent) VALUES (gen_random_uuid(), clock_timestamp() - make_interval(mins => %s), %s,"
                " 'anonymous', '', 'console', 'user.sign_in_failed', 'failed', 'user', %s, 'ada', '', '{}', '{}', '',"
                " '', '', '')",
                [5 - number, acme.organization.pk, str(UUID(int=1))],
            )
        burst(acme, 5)
        assert raised(acme, "sign_in_burst") == []
    (alert,) = raised(acme, "sign_in_burst")
    assert alert.count == 10
    assert alert.started_at < timezone.now() - timedelta(minutes=4)


def test_a_worker_that_dies_between_batches_leaves_nothing_half_done(
    acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "BATCH", 7)
    burst(acme, 40)
    held = claimed(acme)
    while held.next_seq + 7 < held.head - 20:
        evaluate_batch(held, held.next_seq + 7)

    def dies(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(evaluation, "_keep", dies)
        with pytest.raises(KeyboardInterrupt):
            evaluate_batch(held, held.next_seq + 7)
    assert cursor_of(acme).next_seq == held.next_seq
    evaluate(30)
    assert cursor_of(acme).next_seq == held.next_seq  # the dead worker's lease still holds
    with tenant_scope(acme.organization):
        AlertCursor.objects.update(leased_until=timezone.now())
    assert evaluate(30) == 1
    (alert,) = alerts_of(acme, "sign_in_burst")
    assert alert.count == 40
    with pytest.raises(LeaseLost):
        evaluate_batch(held, held.next_seq + 7)


def test_what_goes_wrong_is_noted_and_tried_again(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    burst(acme)

    def broken(*args: Any) -> None:
        raise ValueError

    with monkeypatch.context() as patched:
        patched.setattr(evaluation, "_keep", broken)
        evaluated()
    cursor = cursor_of(acme)
    assert (cursor.failures, cursor.lease) == (1, None)
    assert "its own log says what" in cursor.last_error
    assert evaluate(30) == 0
    with tenant_scope(acme.organization):
        AlertCursor.objects.update(retry_at=None)
    assert evaluate(30) == 1
    assert len(alerts_of(acme, "sign_in_burst")) == 1
    assert cursor_of(acme).failures == 0


def test_what_happened_before_there_were_alerts_is_told_to_nobody(acme: Tenant, superuser: Any) -> None:
    burst(acme)
    seal()
    superuser.execute("UPDATE audit_alertwaking SET checkpoint_id = -1")
    assert evaluated() == 0
    burst(acme, 9)
    evaluated()
    assert alerts_of(acme, "sign_in_burst") == []
    burst(acme, 1)
    assert len(raised(acme, "sign_in_burst")) == 1


def test_reading_takes_the_same_statements_however_many_events_and_people(acme: Tenant) -> None:
    def turn(people: int) -> int:
        for number in range(people):
            failed_from(acme, f"10.0.{number}.1", who=UUID(int=100 + number))
        seal()
        wake()
        return statements(lambda: evaluate(30))

    turn(1)
    few = turn(2)
    assert turn(60) == few


def test_sightings_are_forgotten(acme: Tenant) -> None:
    failed_from(acme, HOME, ago=5 * 24 * 60)
    evaluated()
    with tenant_scope(acme.organization):
        assert Sighting.objects.filter(rule="sign_in_burst").count() == 1
    happened(acme, "project.updated")
    evaluated()
    with tenant_scope(acme.organization):
        assert not Sighting.objects.filter(rule="sign_in_burst").exists()


def test_nothing_is_left_of_an_organization_that_is_deleted_for_good(acme: Tenant, superuser: Any) -> None:
    burst(acme)
    evaluated()
    schedule(acme, "organization")
    age(superuser, "organization", acme)
    assert purge_due() == 1
    evaluated()
    tell(5)
    for table in ("alert", "alertcursor", "alertnotice", "alertrule", "alertchannel", "sighting"):
        query = sql.SQL("SELECT count(*) FROM {} WHERE organization_id = %s").format(sql.Identifier(f"audit_{table}"))
        (count,) = superuser.execute(query, [acme.organization.pk]).fetchone()
        assert count == 0, table
