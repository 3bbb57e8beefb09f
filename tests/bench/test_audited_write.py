"""What an audited write costs: beside an unaudited one, and beside other audit logs for Django on the same rows."""

import json
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from tests import database
from tests.bench.server import ROOT
from tests.bench.timing import medians, report
from tests.people import Tenant

pytestmark = pytest.mark.bench

NAMES = {
    "bare": "no audit",
    "gatehouse": "Gatehouse",
    "auditlog": "django-auditlog",
    "pghistory": "django-pghistory",
    "simple_history": "django-simple-history",
}


def test_audited_write(db: None) -> None:
    """Create, change, and a thousand rows at once: the median of alternating rounds, one transaction each."""
    if any(find_spec(name) is None for name in ("auditlog", "pghistory", "simple_history")):
        pytest.skip("django-auditlog, django-pghistory and django-simple-history are not installed")
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.bench.audited.measure", database.worker_database()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    for kind, measured in json.loads(result.stdout.splitlines()[-1]).items():
        print(f"\n{kind}")
        for name, milliseconds in measured.items():
            print(f"  {NAMES[name]:<24} {milliseconds:9.3f} ms   {milliseconds / measured['bare']:6.2f} × no audit")


TABLES = {
    "event alone": "",
    "noted by statement": "SELECT audit_govern('{}', 'organization_id', '', '')",
    "judged row by row": "CREATE CONSTRAINT TRIGGER audit_event_required AFTER INSERT OR UPDATE OR DELETE ON {}"
    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_require_event('organization_id')",
}


def test_what_the_watch_costs(acme: Tenant, superuser: psycopg.Connection) -> None:
    """The same rows and the same event in SQL, without Python: no watch, today's, and the one before decision 17."""
    _, _, row_by_row = (ROOT / "audit" / "migrations" / "events.sql").read_text().partition("-- No event, no change")
    with superuser.transaction():
        superuser.execute("GRANT SELECT ON audit_event TO gatehouse_lookup")
        superuser.execute("SET LOCAL ROLE gatehouse_owner")
        superuser.execute(f"--{row_by_row}".encode())
    for number, watch in enumerate(TABLES.values()):
        table = f"bench_watched_{number}"
        with superuser.transaction():
            superuser.execute("SET LOCAL ROLE gatehouse_owner")
            superuser.execute(
                f"CREATE TABLE {table} (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL,"
                " project_id uuid, role_id uuid, name text NOT NULL)".encode()
            )
            if watch:
                superuser.execute(watch.format(table).encode())
    for rows, rounds in ((1, 1000), (1000, 30)):
        writes = {
            name: partial(_write, superuser, f"bench_watched_{number}", acme.organization.pk, rows)
            for number, name in enumerate(TABLES)
        }
        report(f"{rows} and an event in one transaction", medians(rounds, **writes), "event alone")


def _write(superuser: psycopg.Connection, table: str, organization: UUID, rows: int) -> None:
    with superuser.transaction():
        superuser.execute(ROWS.format(sql.Identifier(table)), [organization, rows])
        superuser.execute(EVENT, [organization, organization])


ROWS = sql.SQL(
    "INSERT INTO {} (organization_id, project_id, role_id, name)"
    " SELECT %s, gen_random_uuid(), gen_random_uuid(), 'x' FROM generate_series(1, %s)"
)
EVENT = """
INSERT INTO audit_event (id, time, organization_id, actor_kind, actor_label, via, action, outcome, target_type,
    target_id, target_label, project_label, before, after, reason, request_id, session, user_agent)
VALUES (gen_random_uuid(), now(), %s, 'user', 'ada', 'api', 'bench.done', 'success', 'organization', %s::uuid::text,
    'Acme', '', '{}', '{"name": "x"}', '', 'r', '', '')
"""
