"""Rotation: data keys under another key-encryption key, secrets under other data keys. Online and resumable.

All state is in the rows. A data key says which key wraps it, whether it is retired and which rotation made it; a
ciphertext says which data key opens it. Whoever is killed leaves rows that still open, and the next run goes on.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from django.db import connections
from django.db.models import Max
from django.utils import timezone
from psycopg import sql

from isolation.actor import Actor
from isolation.scope import APP, tenant_scope

from . import data_keys, envelope, signals
from .exceptions import CannotDecrypt, WrongKey
from .fields import EncryptedField
from .keyring import keyring
from .models import DataKey
from .usage import Store, columns, encrypted_fields, stores

BATCH = 200

Progress = Callable[[str], None]


@dataclass
class Outcome:
    """What a rotation did.

    Attributes:
        rewrapped: data keys that changed their key-encryption key.
        new_data_keys: organizations that got a new data key.
        reencrypted: values encrypted again.
        destroyed: retired data keys that nothing used any more.
        unreadable: ``table.column row`` of ciphertexts that do not open; they were left as they are.
        failed: organization → why it was left out.
    """

    rewrapped: int = 0
    new_data_keys: int = 0
    reencrypted: int = 0
    destroyed: int = 0
    unreadable: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Return whether nothing was left out."""
        return not self.unreadable and not self.failed


def rewrap(organization_id: UUID, *, actor: Actor) -> int:
    """Wrap an organization's data keys under the active key-encryption key; an event for each.

    The providers are asked outside of any transaction; what changed meanwhile is left to the next run.

    Returns:
        How many data keys changed.

    Raises:
        VaultError: a key cannot be used; nothing was changed.
    """
    number = keyring().active_key
    with tenant_scope(organization_id):
        old = list(DataKey.objects.exclude(wrapped_by=number))
    fresh = {}
    for data_key in old:
        key = keyring().provider(data_key.wrapped_by).unwrap(bytes(data_key.wrapped), data_key.context)
        fresh[data_key.pk] = keyring().provider(number).wrap(key, data_key.context)
        if keyring().provider(number).unwrap(fresh[data_key.pk], data_key.context) != key:
            raise WrongKey(number, "it does not give back what it wrapped")
    with tenant_scope(organization_id):
        changed = [
            data_key
            for data_key in old
            if DataKey.objects.filter(pk=data_key.pk, wrapped_by=data_key.wrapped_by, wrapped=data_key.wrapped).update(
                wrapped=fresh[data_key.pk], wrapped_by=number
            )
        ]
        for data_key in changed:
            signals.announce(
                signals.data_keys_rewrapped,
                data_key,
                actor=actor,
                before={"key_encryption_key": [data_key.wrapped_by]},
                after={"key_encryption_key": [number]},
            )
    return len(changed)


def begin(organization_id: UUID, *, rotation: datetime, actor: Actor) -> bool:
    """Give an organization a new data key and retire the present one; an event for each of the two.

    Returns:
        False when this rotation gave it one already, or when it has no data key.

    Raises:
        VaultError: the key-encryption key cannot be used; nothing was changed.
    """
    with tenant_scope(organization_id):
        # Waits for everybody who is storing a secret now; see data_keys.ACTIVE.
        active = DataKey.objects.filter(retired_at=None).select_for_update().first()
        if active is None or active.rotation == rotation:
            return False
        version = DataKey.objects.aggregate(Max("version"))["version__max"] + 1
        fresh = data_keys.new_data_key(organization_id, version=version, rotation=rotation)
        DataKey.objects.filter(pk=active.pk).update(retired_at=timezone.now())
        fresh.save(force_insert=True)
        signals.announce(signals.data_key_retired, active, actor=actor, before={"version": active.version})
        signals.announce(
            signals.data_key_rotated,
            fresh,
            actor=actor,
            before={"version": active.version},
            after={"version": fresh.version, "key_encryption_key": fresh.wrapped_by},
        )
    return True


def finish(organization_id: UUID, *, actor: Actor, outcome: Outcome, progress: Progress) -> None:
    """Encrypt everything of an organization under its active data key, then destroy the retired ones.

    Short transactions: a batch of rows is locked, rows that others hold are left for the next round.

    Raises:
        VaultError: a data key cannot be unwrapped; what is not done yet stays as it is.
    """
    for column in encrypted_fields():
        done = 0
        for count, unreadable in _reencrypt(organization_id, column):
            done += count
            outcome.reencrypted += count
            outcome.unreadable += unreadable
            progress(f"{organization_id} {column.model._meta.db_table}.{column.column}: {done}")
    own = [store for store in stores() if store.organization_id == organization_id]
    for store in own:
        done = 0
        for count, unreadable in _seal_again(store):
            done += count
            outcome.reencrypted += count
            outcome.unreadable += unreadable
        progress(f"{organization_id} {store.name}: {done}")
    with tenant_scope(organization_id):
        for data_key in DataKey.objects.exclude(retired_at=None).select_for_update():
            used = any(_uses(column, data_key.pk) for column in encrypted_fields())
            if not used and not any(data_key.pk in store.data_keys() for store in own):
                data_keys.destroy(data_key, actor=actor, reason="Nothing is encrypted with it any more")
                outcome.destroyed += 1


def _reencrypt(organization_id: UUID, column: EncryptedField) -> Iterator[tuple[int, list[str]]]:
    """Yield (values encrypted again, unreadable ones) for each batch."""
    after: Any = None
    while True:
        count, after, _ = _batch(organization_id, column, after, BATCH, "SKIP LOCKED")
        if after is None:
            break
        yield count, []
    # What others held meanwhile, one row at a time: who waits for a lock holds no other. Here comes again, and is
    # counted, what does not open.
    while True:
        count, after, unreadable = _batch(organization_id, column, after, 1, "")
        if after is None:
            return
        yield count, unreadable


def _batch(
    organization_id: UUID, column: EncryptedField, after: Any, size: int, locked: LiteralString
) -> tuple[int, Any, list[str]]:
    """Encrypt the next rows again in one transaction.

    Returns:
        How many, the last row's key (None when there was none), and the unreadable ones.
    """
    names = columns(column)
    select = sql.SQL(
        "SELECT {pk}, {column} FROM {table} WHERE {organization} = %(organization)s AND {column} IS NOT NULL"
        " AND {named} <> %(active)s AND (%(after)s::{pk_type} IS NULL OR {pk} > %(after)s::{pk_type})"
        " ORDER BY {pk} LIMIT %(size)s FOR UPDATE {locked}"
    ).format(locked=sql.SQL(locked), **names)
    update = sql.SQL(
        "UPDATE {table} SET {column} = fresh.value"
        " FROM unnest(%(rows)s::{pk_type}[], %(values)s::bytea[]) AS fresh(row, value) WHERE {pk} = fresh.row"
    ).format(**names)
    with tenant_scope(organization_id), connections[APP].cursor() as cursor:
        active = data_keys.hold_active(organization_id)
        key = data_keys.open_key(active)
        cursor.execute(select, {"organization": organization_id, "active": active.pk, "after": after, "size": size})
        found = cursor.fetchall()
        rows, values, unreadable = [], [], []
        for row, stored in found:
            place = column.place(organization_id, row)
            try:
                text = data_keys.unseal(place, bytes(stored))
            except CannotDecrypt:
                unreadable.append(f"{place.table}.{place.column} {row}")
                continue
            rows.append(row)
            values.append(envelope.seal(key, active.pk, place, text))
        if rows:
            signals.rows_reencrypted.send(sender=DataKey, data_key=active)
            cursor.execute(update, {"rows": rows, "values": values})
    return len(rows), (found[-1][0] if found else None), unreadable


def _seal_again(store: Store) -> Iterator[tuple[int, list[str]]]:
    """Yield (1 when it was encrypted again, unreadable ones) for each row of a store."""
    for row in store.rows():
        changed, unreadable = False, []
        with tenant_scope(store.organization_id):
            active = data_keys.hold_active(store.organization_id)
            try:
                changed = store.seal_again(row)
            except CannotDecrypt:
                unreadable.append(f"{store.name} {row}")
            if changed:
                signals.rows_reencrypted.send(sender=DataKey, data_key=active)
        yield int(changed), unreadable


def _uses(column: EncryptedField, data_key: UUID) -> bool:
    """Return whether a ciphertext of the current organization names the data key."""
    names = columns(column)
    query = sql.SQL("SELECT EXISTS (SELECT FROM {table} WHERE {column} IS NOT NULL AND {named} = %s)").format(**names)
    with connections[APP].cursor() as cursor:
        cursor.execute(query, [data_key])
        return bool(cursor.fetchone()[0])
