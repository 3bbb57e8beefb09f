"""What the tests of the vault do again and again."""

from typing import Any

from django.db import connection

from audit.recorder import ACCESS_DENIED, record
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tests.people import Tenant
from tests.vault.notes import TABLE, Note

PLAIN = "gatehouse-plain-text-7f3a"


def attributed(tenant: Tenant) -> None:
    """Write an event that names the organization, and so all of its rows that change; the scope must be open."""
    pk = tenant.organization.pk
    record(ACCESS_DENIED, actor=SYSTEM, organization_id=pk, target_id=str(pk))


def make_note(tenant: Tenant, secret: str | None = PLAIN, **fields: Any) -> Note:
    """Return a stored note."""
    with tenant_scope(tenant.organization):
        attributed(tenant)
        note = Note(organization_id=tenant.organization.pk, secret=secret, **fields)
        note.save()
    return note


def load(tenant: Tenant, note: Note) -> Note:
    """Return the note as it is stored."""
    with tenant_scope(tenant.organization):
        stored: Note = Note.objects.get(pk=note.pk)
    return stored


def reveal(tenant: Tenant, note: Note) -> str:
    """Return the note's secret, opened from what is stored."""
    with tenant_scope(tenant.organization):
        value: str = Note.objects.get(pk=note.pk).secret.reveal()
    return value


def raw(superuser: Any, note: Note, column: str = "secret") -> bytes:
    """Return the stored bytes."""
    query = f"SELECT {column} FROM {TABLE} WHERE id = %s"  # noqa: S608 - names of the tests
    (value,) = superuser.execute(query, [note.pk]).fetchone()
    return bytes(value)


def overwrite(superuser: Any, note: Note, value: bytes, column: str = "secret") -> None:
    """Store bytes behind the application's back."""
    with superuser.transaction():
        superuser.execute("SET LOCAL session_replication_role = replica")
        superuser.execute(f"UPDATE {TABLE} SET {column} = %s WHERE id = %s", [value, note.pk])  # noqa: S608 - the same


def execute(statement: str, *parameters: Any) -> None:
    """Run SQL as the app."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
