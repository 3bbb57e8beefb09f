"""Events for the tests of viewer and export, written as the recorder writes them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.models.sql import InsertQuery
from django.utils import timezone

from audit.models import Event, Outcome
from isolation.scope import tenant_scope


def write(organization_id: UUID | None, **values: Any) -> Event:
    """Return a new event; `ago` puts it into the past, None is the installation's log."""
    ago: timedelta = values.pop("ago", timedelta())
    event = Event(
        organization_id=organization_id,
        **{
            "time": timezone.now() - ago,
            "actor_kind": "user",
            "actor_label": "ada@acme.example",
            "via": "console",
            "action": "member.added",
            "outcome": Outcome.SUCCESS,
            "target_type": "member",
            "target_label": "grace@acme.example",
            **values,
        },
    )
    if event.time < timezone.now() - timedelta(hours=23):  # nobody but a superuser writes into the past
        _write_long_ago(event)
        return event
    if organization_id is None:
        event.save()
        return event
    with tenant_scope(organization_id):
        event.save()
    return event


def _write_long_ago(event: Event) -> None:
    superuser = DatabaseWrapper({**connection.settings_dict, "USER": "postgres"}, "default")
    try:
        query = InsertQuery(Event)
        query.insert_values(Event._meta.concrete_fields, [event])
        with superuser.cursor() as cursor:
            for statement, values in query.get_compiler(connection=superuser).as_sql():
                cursor.execute(statement, values)
    finally:
        superuser.close()


def write_many(organization_id: UUID, count: int, **values: Any) -> None:
    """Write `count` events, a second apart."""
    for number in range(count):
        write(organization_id, ago=timedelta(seconds=number + 1), **values)
