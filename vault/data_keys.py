"""An organization's data keys: made when its first secret is stored, opened for the row at hand, destroyed with it."""

import secrets
from datetime import datetime
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction

from isolation import context
from isolation.actor import Actor
from isolation.exceptions import NoTenant
from isolation.scope import APP

from . import envelope, signals
from .cache import unwrapped
from .configuration import KEY_BYTES
from .envelope import Place
from .exceptions import CannotDecrypt
from .hidden import Hidden
from .keyring import keyring
from .models import DataKey

# Shared: writers do not wait for each other. A rotation that retires the key waits for all of them, and whoever comes
# after it finds the next key: no ciphertext of a retired key appears once its retirement is committed.
ACTIVE = "SELECT * FROM vault_datakey WHERE organization_id = %s AND retired_at IS NULL FOR SHARE"


def seal(place: Place, text: Hidden) -> bytes:
    """Return the ciphertext of a text under its organization's active data key, making the first one.

    Raises:
        NoTenant: the organization's `tenant_scope` is not open.
        VaultError: the data key cannot be had.
    """
    _own_scope(place.organization_id)
    data_key = hold_active(place.organization_id)
    return envelope.seal(open_key(data_key), data_key.pk, place, text)


def unseal(place: Place, ciphertext: bytes) -> Hidden:
    """Return the text of a ciphertext.

    Raises:
        NoTenant: the organization's `tenant_scope` is not open.
        CannotDecrypt: altered, of another place, or its data key is gone.
        VaultError: the data key cannot be unwrapped.
    """
    _own_scope(place.organization_id)
    data_key_id = envelope.data_key_of(ciphertext)
    key = unwrapped.get(place.organization_id, data_key_id)
    if key is None:
        data_key = DataKey.objects.filter(pk=data_key_id).first()
        if data_key is None:
            raise CannotDecrypt(data_key_id)
        key = open_key(data_key)
    return envelope.unseal(key, place, ciphertext)


def hold_active(organization_id: UUID) -> DataKey:
    """Return the active data key, which nobody retires before this transaction ends; the first one is made here.

    Its `tenant_scope` must be open.
    """
    held = _active(organization_id)
    if held is None:
        made = new_data_key(organization_id, version=1)
        # Two first writers: the second waits here until the first has committed, and takes its key.
        DataKey.objects.bulk_create([made], ignore_conflicts=True)
        held = _active(organization_id)
        if held is None:
            raise RuntimeError(f"The organization {organization_id} has retired data keys only.")
        if held.pk == made.pk:
            after = {"key_encryption_key": made.wrapped_by}
            signals.announce(signals.data_key_created, made, actor=context.current_actor(), after=after)
    return held


def new_data_key(organization_id: UUID, *, version: int, rotation: datetime | None = None) -> DataKey:
    """Return a new data key, wrapped under the active key-encryption key and not stored yet.

    Raises:
        VaultError: the key-encryption key cannot be used.
    """
    number = keyring().active_key
    data_key = DataKey(
        id=uuid4(), organization_id=organization_id, version=version, wrapped_by=number, rotation=rotation
    )
    data_key.wrapped = keyring().provider(number).wrap(Hidden(secrets.token_bytes(KEY_BYTES)), data_key.context)
    return data_key


def open_key(data_key: DataKey) -> Hidden:
    """Return a data key's bytes, from memory or from the provider of its key-encryption key.

    Raises:
        MissingKey: the keyring lacks the key-encryption key.
        WrongKey: it has another one under this number.
        KeyUnavailable: its provider does not answer.
    """
    key = unwrapped.get(data_key.organization_id, data_key.pk)
    if key is None:
        key = keyring().provider(data_key.wrapped_by).unwrap(bytes(data_key.wrapped), data_key.context)
        unwrapped.put(data_key.organization_id, data_key.pk, key, seconds=settings.KEYRING.cache_seconds)
    return key


def shred(*, organization_id: UUID, actor: Actor, reason: str = "") -> int:
    """Destroy an organization's data keys: none of its ciphertexts opens again, in a backup neither.

    Call it inside the transaction that deletes the organization; it announces each key. Other processes forget the
    unwrapped key when its time in their memory is over.

    Returns:
        How many keys there were.
    """
    data_keys = list(DataKey.objects.filter(organization_id=organization_id).select_for_update())
    for data_key in data_keys:
        destroy(data_key, actor=actor, reason=reason)
    return len(data_keys)


def destroy(data_key: DataKey, *, actor: Actor, reason: str = "") -> None:
    """Delete one data key, which the caller has locked, and announce it."""
    before = {"version": data_key.version, "key_encryption_key": data_key.wrapped_by}
    signals.announce(signals.data_key_destroyed, data_key, actor=actor, before=before, reason=reason)
    DataKey.objects.filter(pk=data_key.pk).delete()
    organization_id = data_key.organization_id
    unwrapped.forget(organization_id)
    # Somebody who reads meanwhile may have put it back.
    transaction.on_commit(lambda: unwrapped.forget(organization_id), using=APP)


def _active(organization_id: UUID) -> DataKey | None:
    found: list[DataKey] = list(DataKey.objects.using(APP).raw(ACTIVE, [organization_id]))
    return found[0] if found else None


def _own_scope(organization_id: UUID) -> None:
    """Refuse secrets of any organization but the current one; memory knows no row-level security.

    Raises:
        NoTenant: another one's scope is open, or none.
    """
    if context.crossing_tenants() or context.current_organization_id() != organization_id:
        raise NoTenant("Secrets open inside their own organization's tenant_scope only.")
