"""The private parts of the signing keys: made, wrapped by the keyring, and opened where a token is signed."""

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db.models import Count
from django.utils import timezone

from vault.hidden import Hidden
from vault.keyring import keyring

from .claims import x_of
from .models import SigningKey
from .signing_jwks import thumbprint


class NoSigningKey(Exception):  # noqa: N818 - reads as the statement it is
    """There is no key that may sign now."""


@dataclass(frozen=True, slots=True)
class Signer:
    """The key that signs now.

    Attributes:
        kid: its key ID.
        private: signs.
    """

    kid: str
    private: Ed25519PrivateKey


_opened: dict[bytes, Ed25519PrivateKey] = {}


def current_signer() -> Signer:
    """Return the key that signs, by one query.

    Raises:
        NoSigningKey: there is none yet, or every key that the environment gives is revoked.
        VaultError: it cannot be unwrapped.
    """
    published = SigningKey.objects.published()
    if settings.SIGNING_JWKS:
        known = set(published.filter(pk__in=[key.kid for key in settings.SIGNING_JWKS]).values_list("pk", flat=True))
        for given in settings.SIGNING_JWKS:
            if given.kid in known:
                return Signer(given.kid, given.private())
        raise NoSigningKey
    row = (
        published.filter(signs_from__lte=timezone.now(), retired_at=None, wrapped__isnull=False)
        .order_by("-signs_from")
        .first()
    )
    if row is None:
        raise NoSigningKey
    return Signer(row.kid, _private(row))


def new_key() -> SigningKey:
    """Return a new key that is not stored yet, its private part wrapped.

    Raises:
        VaultError: the keyring cannot wrap it.
    """
    private = Ed25519PrivateKey.generate()
    x = x_of(private.public_key())
    key = SigningKey(kid=thumbprint(x), public=x)
    _wrap(key, private)
    return key


def wrap_again(key: SigningKey) -> bool:
    """Wrap a key's private part under the keyring's active key; return whether that changed anything.

    Raises:
        VaultError: the keyring cannot open or wrap it.
    """
    if key.wrapped is None or key.wrapped_by == keyring().active_key:
        return False
    _wrap(key, _private(key))
    return True


def wrapping_keys() -> Mapping[int, int]:
    """Return how many signing keys each key-encryption key wraps."""
    rows = SigningKey.objects.filter(wrapped__isnull=False).values("wrapped_by").annotate(count=Count("pk"))
    return {row["wrapped_by"]: row["count"] for row in rows.order_by()}


def _context(kid: str) -> dict[str, str]:
    return {"purpose": "token signing key", "kid": kid}


def _wrap(key: SigningKey, private: Ed25519PrivateKey) -> None:
    number = keyring().active_key
    key.wrapped = keyring().provider(number).wrap(Hidden(private.private_bytes_raw()), _context(key.kid))
    key.wrapped_by = number


def _private(key: SigningKey) -> Ed25519PrivateKey:
    wrapped = bytes(key.wrapped or b"")
    if wrapped not in _opened:
        seed = keyring().provider(key.wrapped_by or 0).unwrap(wrapped, _context(key.kid))
        _opened.clear()
        _opened[wrapped] = Ed25519PrivateKey.from_private_bytes(seed.expose())
    return _opened[wrapped]
