"""Secrets of second factors, sealed by the vault and bound to their person and kind: moved elsewhere they do not open.

allauth keeps a factor's secret in a JSON column and knows no row when it encrypts or decrypts. So it is done where the
row is known: a value is sealed when its row is saved, and knows its place from the moment its row is read.
"""

import base64
import binascii
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from allauth.mfa.models import Authenticator

from isolation.scope import APP, INSTALLATION, tenant_scope
from vault import data_keys, envelope
from vault.envelope import Place
from vault.exceptions import CannotDecrypt
from vault.hidden import Hidden

SEALED = "sealed:"
SECRETS = ("secret", "seed", "migrated_codes")
"""The members of allauth's `Authenticator.data` that are secret: of an app, of recovery codes, of imported ones."""


class StoredSecret(str):
    """A sealed value that knows where it stands."""

    __slots__ = ("place",)
    place: Place


def opened(value: str) -> str:
    """Return the text of a sealed value, or one that was never stored as it is.

    Raises:
        CannotDecrypt: altered, of another place, or its data key is gone.
        VaultError: its data key cannot be unwrapped.
    """
    if isinstance(value, StoredSecret):
        with tenant_scope(INSTALLATION):
            return data_keys.unseal(value.place, _ciphertext(value)).expose().decode()
    if value.startswith(SEALED):
        raise CannotDecrypt
    return value


def bind(factor: Authenticator) -> None:
    """Tell the sealed values of a row that was read where they stand."""
    data = factor.__dict__.get("data")
    if not isinstance(data, dict):
        return
    for name, value in _secrets(data):
        _put(data, name, [_bound(item, factor) if _is_sealed(item) else item for item in _items(value)])


def seal(factor: Authenticator) -> bool:
    """Seal what is about to be stored under the active data key; return whether something changed.

    A value that a retired data key sealed is sealed again: whoever read its row before a rotation does not bring the
    old ciphertext back.

    Raises:
        VaultError: a data key cannot be used, or a ciphertext of another row is about to be stored.
    """
    changed = False
    for name, value in _secrets(factor.data):
        with tenant_scope(INSTALLATION):
            active = data_keys.hold_active(INSTALLATION)
            fresh = [_sealed(item, factor, active.pk) for item in _items(value)]
        changed = changed or fresh != _items(value)
        _put(factor.data, name, fresh)
    return changed


class SecondFactorStore:
    """The secrets of everybody's second factors, for rotations of the data key."""

    name = "mfa_authenticator.data"
    organization_id = INSTALLATION

    def data_keys(self) -> Mapping[UUID, int]:
        """Return how many secrets name each data key."""
        rows = Authenticator.objects.using(APP).filter(type__in=self._kinds).values_list("data", flat=True)
        return Counter(
            envelope.data_key_of(_ciphertext(item))
            for data in rows.iterator()
            for _, value in _secrets(data)
            for item in _items(value)
        )

    def rows(self) -> Iterable[Any]:
        """Return the keys of the factors that have a secret."""
        kinds = Authenticator.objects.using(APP).filter(type__in=self._kinds)
        return list(kinds.order_by("pk").values_list("pk", flat=True))

    def seal_again(self, row: Any) -> bool:
        """Seal a factor's secrets under the active data key.

        Raises:
            CannotDecrypt: one of them does not open.
        """
        factor = Authenticator.objects.using(APP).select_for_update().filter(pk=row).first()
        if factor is None or not seal(factor):
            return False
        factor.save(update_fields=["data"])
        return True

    _kinds: ClassVar = [Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES]


def _sealed(value: str, factor: Authenticator, active: UUID) -> StoredSecret:
    stored = _bound(value, factor) if _is_sealed(value) else None
    if stored is not None and envelope.data_key_of(_ciphertext(stored)) == active:
        return stored
    text = Hidden(opened(stored if stored is not None else value).encode())
    place = _place(factor)
    return _bound(SEALED + base64.b64encode(data_keys.seal(place, text)).decode("ascii"), factor)


def _bound(value: str, factor: Authenticator) -> StoredSecret:
    bound = StoredSecret(value)
    bound.place = _place(factor)
    return bound


def _place(factor: Authenticator) -> Place:
    # A person has one app and one set of recovery codes: the row's own key is not known before it is inserted.
    return Place(INSTALLATION, factor._meta.db_table, "data", f"{factor.user_id}/{factor.type}")


def _ciphertext(value: str) -> bytes:
    try:
        return base64.b64decode(value.removeprefix(SEALED), validate=True)
    except (binascii.Error, ValueError):
        raise CannotDecrypt from None


def _is_sealed(value: str) -> bool:
    return value.startswith(SEALED)


def _secrets(data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in SECRETS:
        if name in data:
            yield name, data[name]


def _items(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _put(data: dict[str, Any], name: str, values: Sequence[str]) -> None:
    data[name] = list(values) if isinstance(data[name], list) else values[0]
