"""Leases: one caller, one cursor."""

import psycopg
from django.utils import timezone

from audit.models import SinkCursor
from audit.sinks.claims import claim, wake
from isolation.scope import tenant_scope
from tests.audit.sinks.receivers import Receiver
from tests.audit.sinks.stage import happen, webhook
from tests.people import Tenant


def test_a_claim_leases_one_cursor_whatever_the_plan(
    acme: Tenant, receiver: Receiver, superuser: psycopg.Connection
) -> None:
    webhook(acme, receiver.url, from_beginning=True)
    # As if there were one cursor only: then the planner may read a subquery once more for each cursor that there is.
    superuser.execute("ANALYZE audit_sinkcursor")
    superuser.execute("ANALYZE audit_sink")
    for number in range(5):
        webhook(acme, receiver.url, name=f"SIEM {number}", from_beginning=True)
    happen(acme, 3)
    wake()
    for leased in range(1, 7):
        assert claim() is not None
        with tenant_scope(acme.organization):
            assert SinkCursor.objects.filter(lease__isnull=False).count() == leased
    assert claim() is None


def test_an_organization_with_many_sinks_holds_up_no_other(acme: Tenant, globex: Tenant, receiver: Receiver) -> None:
    for number in range(6):
        webhook(acme, receiver.url, name=f"SIEM {number}", from_beginning=True)
    happen(acme, 3)
    wake()
    first = [claim(), claim()]  # two workers, both at acme's
    assert {held.organization_id for held in first if held} == {acme.organization.pk}
    webhook(globex, receiver.url, from_beginning=True)
    webhook(globex, receiver.url, name="Another", from_beginning=True)
    happen(globex, 3)
    wake()
    with tenant_scope(globex.organization):
        SinkCursor.objects.update(served_at=timezone.now())  # their last turns were later than acme's
    next_ones = [claim() for _worker in range(4)]
    whose = [held.organization_id for held in next_ones if held]
    assert whose[:2] == [globex.organization.pk] * 2
    assert whose[2:] == [acme.organization.pk] * 2
