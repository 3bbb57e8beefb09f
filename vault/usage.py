"""What still uses which key: data keys are counted here, other apps register what they count."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol
from uuid import UUID

from django.apps import apps
from django.db import connections, models
from psycopg import sql

from isolation.managers import tenant_column
from isolation.scope import APP

from . import envelope
from .fields import EncryptedField

KeyCount = Callable[[], Mapping[int, int]]
PepperCount = Callable[[], Mapping[int, int]]
PepperNumbers = Callable[[], Iterable[int]]


class Store(Protocol):
    """Ciphertexts that stand elsewhere than in an `EncryptedField`: inside a column of a table that is not ours.

    Attributes:
        name: ``table.column``, for reports.
        organization_id: whose data keys seal them.
    """

    name: str
    organization_id: UUID

    def data_keys(self) -> Mapping[UUID, int]:
        """Return how many ciphertexts name each data key."""

    def rows(self) -> Iterable[Any]:
        """Return the keys of the rows that hold ciphertexts."""

    def seal_again(self, row: Any) -> bool:
        """Encrypt a row's secrets under the active data key, unless they are; return whether something changed.

        It is called inside the organization's scope, in a transaction for each row.

        Raises:
            CannotDecrypt: one of them does not open.
        """


_stores: dict[str, Store] = {}
_peppers: dict[str, PepperCount] = {}
_wrapped: dict[str, KeyCount] = {}
_numbers: dict[str, PepperNumbers] = {}


def register(name: str, count: PepperCount) -> None:
    """Let `count` take part in the report of `manage.py rotate_keys`.

    Args:
        name: what is counted, such as ``API keys``.
        count: returns how many rows use each pepper, by its number. It is called inside `operator_scope`.

    Raises:
        ValueError: the name is taken.
    """
    if name in _peppers:
        raise ValueError(f"The use of peppers {name!r} is registered twice.")
    _peppers[name] = count


def register_wrapped(name: str, count: KeyCount) -> None:
    """Let `count` say what key-encryption keys wrap besides data keys.

    Args:
        name: what is counted, such as ``signing keys``.
        count: returns how many each key wraps, by its number; it is called without a scope.

    Raises:
        ValueError: the name is taken.
    """
    if name in _wrapped:
        raise ValueError(f"The wrapped {name!r} are registered twice.")
    _wrapped[name] = count


def other_wraps() -> dict[str, dict[int, int]]:
    """Return how much besides data keys each key-encryption key wraps, by what it is; no scope is needed."""
    return {name: dict(count()) for name, count in sorted(_wrapped.items())}


def register_numbers(name: str, numbers: PepperNumbers) -> None:
    """Let `numbers` take part in what a starting process asks.

    Args:
        name: of what they are the peppers.
        numbers: returns which peppers are in use, without counting; it is called without a scope.

    Raises:
        ValueError: the name is taken.
    """
    if name in _numbers:
        raise ValueError(f"The peppers of {name!r} are registered twice.")
    _numbers[name] = numbers


def register_store(store: Store) -> None:
    """Let a rotation, and the report, know of ciphertexts outside of encrypted fields.

    Raises:
        ValueError: the name is taken.
    """
    if store.name in _stores:
        raise ValueError(f"The ciphertexts in {store.name!r} are registered twice.")
    _stores[store.name] = store


def stores() -> list[Store]:
    """Return every place of ciphertexts that is no encrypted field, in a stable order."""
    return [_stores[name] for name in sorted(_stores)]


def pepper_numbers() -> set[int]:
    """Return the numbers of the peppers in use; no scope is needed."""
    return {number for numbers in _numbers.values() for number in numbers()}


def peppers() -> dict[str, dict[int, int]]:
    """Return how many rows use each pepper, by what they are; `operator_scope` must be open."""
    return {name: dict(sorted(count().items())) for name, count in sorted(_peppers.items())}


def data_keys_by_key() -> dict[int, int]:
    """Return how many data keys each key-encryption key wraps, in all organizations; no scope is needed."""
    return {number: count for number, count, *_ in samples()}


def samples() -> list[tuple[int, int, Any, Any, bytes]]:
    """Return (number, how many, organization, data key, wrapped) for each key-encryption key in use: one example."""
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT wrapped_by, data_keys, organization_id, id, wrapped FROM vault_keys_in_use()")
        return [(*row[:4], bytes(row[4])) for row in cursor.fetchall()]


def encrypted_models() -> list[type[models.Model]]:
    """Return the models that may have encrypted fields."""
    return list(apps.get_models())


def encrypted_fields() -> list[EncryptedField]:
    """Return every encrypted column of the installation, in a stable order."""
    found = [
        field
        for model in encrypted_models()
        if model._meta.managed and not model._meta.proxy
        for field in model._meta.local_concrete_fields
        if isinstance(field, EncryptedField)
    ]
    return sorted(found, key=lambda field: (field.model._meta.db_table, field.column))


def columns(field: EncryptedField) -> dict[str, sql.Composable]:
    """Return the quoted names of a field's table, column, key and organization, for raw SQL."""
    meta = field.model._meta
    pk = meta.pk
    assert pk is not None  # noqa: S101 - a concrete model has one
    tenant = meta.get_field(str(tenant_column(field.model)))
    return {
        "table": sql.Identifier(meta.db_table),
        "column": sql.Identifier(str(field.column)),
        "pk": sql.Identifier(str(pk.column)),
        "pk_type": sql.SQL(str(pk.rel_db_type(connections[APP]))),
        "organization": sql.Identifier(str(getattr(tenant, "column", None))),
        "named": named_key(field),
    }


def named_key(field: EncryptedField) -> sql.Composed:
    """Return the SQL for the id of the data key that a ciphertext names."""
    return sql.SQL("encode(substring({} from 2 for {}), 'hex')::uuid").format(
        sql.Identifier(str(field.column)), sql.Literal(envelope.ID_BYTES)
    )
