"""Leases of evaluation: one caller, one log."""

import psycopg

from audit.alerts.claims import claim, wake
from audit.alerts.models import AlertCursor
from isolation.scope import tenant_scope
from tests.audit.sinks.stage import happen
from tests.people import make_tenant


def test_a_claim_leases_one_log_whatever_the_plan(db: None, superuser: psycopg.Connection) -> None:
    wake()  # from now on
    tenants = [make_tenant("first", everybody=False)]
    happen(tenants[0], 1)
    wake()
    # As if there were one cursor only: then the planner may read a subquery once more for each cursor that there is.
    superuser.execute("ANALYZE audit_alertcursor")
    for number in range(5):
        tenants.append(make_tenant(f"org-{number}", everybody=False))
        happen(tenants[-1], 1)
    wake()
    leased = 0
    while (held := claim()) is not None:
        leased += 1
        found = superuser.execute("SELECT count(*) FROM audit_alertcursor WHERE lease IS NOT NULL").fetchone()
        assert found == (leased,)
        with tenant_scope(held.log):
            assert AlertCursor.objects.get().lease == held.lease
    assert leased >= len(tenants)
