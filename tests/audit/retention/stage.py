"""What the tests of retention share: events of a month that is long over, sealed and verified."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import psycopg
from django.utils import timezone

from audit.sealing.sealer import seal
from audit.services.retention import change_retention
from audit.watching import watch
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tests import database
from tests.audit.events import write
from tests.people import Tenant

OLD = date(timezone.now().year - 4, 3, 1)
NEXT = date(OLD.year, 4, 1)
PERSON = UUID("7f3e0f5c-59f6-4a8b-9f57-1f6a0f0a3c11")


def name(month: date) -> str:
    """Return how the partitions of a month end."""
    return f"{month:%Y_%m}"


@contextmanager
def months(superuser: psycopg.Connection, *wanted: date) -> Iterator[None]:
    """Have tables of old months, as an installation that ran then has; nothing of them is left behind."""
    for month in wanted:
        end = (month + timedelta(days=31)).replace(day=1)
        for parent in ("audit_event", "audit_leaftext"):
            with superuser.transaction():
                superuser.execute("SET LOCAL ROLE gatehouse_audit")
                superuser.execute(
                    f"CREATE TABLE {parent}_{name(month)} PARTITION OF {parent}"
                    f" FOR VALUES FROM ('{month} 00:00+00') TO ('{end} 00:00+00')"
                )
                for trigger in ("audit_append_only",):
                    superuser.execute(f"ALTER TABLE {parent}_{name(month)} ENABLE ALWAYS TRIGGER {trigger}")
                superuser.execute(
                    f"CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON {parent}_{name(month)}"
                    " FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_rewrite()"
                )
                superuser.execute(f"ALTER TABLE {parent}_{name(month)} ENABLE ALWAYS TRIGGER audit_no_truncate")
    try:
        yield
    finally:
        superuser.execute(database.TRIGGERS_ON)
        for month in wanted:
            superuser.execute(f"DROP TABLE IF EXISTS audit_event_{name(month)}, audit_leaftext_{name(month)}")


def write_old(log: UUID | None, count: int, *, month: date = OLD, **values: object) -> None:
    """Write events in the middle of a month, a minute apart."""
    middle = datetime(month.year, month.month, 15, 12, tzinfo=UTC)
    for number in range(count):
        write(log, time=middle + timedelta(minutes=number), **values)


def seal_and_verify() -> None:
    """Do what the worker does."""
    seal()
    assert watch() == 0


def let_pass(superuser: psycopg.Connection, table: str, assignment: str) -> None:
    """Change rows as time would have: a notice or a week is over."""
    superuser.execute(database.TRIGGERS_OFF)
    trigger = "audit_announced" if table == "audit_retentionchange" else "audit_kept"
    superuser.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
    superuser.execute(f"UPDATE {table} SET {assignment}")  # noqa: S608 - the tests' own words
    superuser.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")
    superuser.execute(database.TRIGGERS_ON)


def keep(tenant: Tenant, count: int | None, superuser: psycopg.Connection) -> None:
    """Let a retention count, as if its notice were over."""
    with tenant_scope(tenant.organization):
        change_retention(organization_id=tenant.organization.pk, months=count, actor=SYSTEM)
    let_pass(superuser, "audit_retentionchange", "effective_at = announced_at")
