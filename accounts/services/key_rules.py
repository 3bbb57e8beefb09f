"""What all keys have in common: which scopes, addresses and lifetimes are accepted, and how a secret is made."""

import difflib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from accounts import key_format
from accounts.key_digests import active_digest
from isolation.exceptions import DomainError
from tenants.permissions import PERMISSIONS, Level, P

LONGEST_NOTE = 1_000
LONGEST_REASON = 300
MOST_NETWORKS = 50
_MAPPED_BITS = 96


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key together with its secret, which exists in this object and nowhere else.

    Attributes:
        key: the ApiKey or PlatformKey.
        secret: shown once; never in a representation of this object.
    """

    key: Any
    secret: str = field(repr=False)

    @property
    def public_id(self) -> str:
        """Return the user name of HTTP Basic authentication with this key."""
        return str(self.key.public_id)


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A secret and what is stored of it.

    Attributes:
        text: the secret itself.
        digest: its 32 bytes under the active pepper.
        pepper_id: the number of that pepper.
    """

    text: str = field(repr=False)
    digest: bytes = field(repr=False)
    pepper_id: int

    @property
    def last_four(self) -> str:
        """Return the characters by which people tell it apart."""
        return key_format.last_four(self.text)


def make_secret(kind: str, environment: str, predefined: str | None = None) -> NewSecret:
    """Return a new secret, or a predefined one made ready to store.

    Args:
        kind: one of `KeyKind`.
        environment: one of `Environment`.
        predefined: a secret made elsewhere, such as by ``manage.py api_key generate``.

    Raises:
        DomainError: the predefined secret is malformed or speaks of another kind or environment.
    """
    text = key_format.new_secret(kind, environment) if predefined is None else _checked(predefined, kind, environment)
    return NewSecret(text, *active_digest(text))


def check_scopes(names: Iterable[str], *, kind: str) -> list[str]:
    """Return the scopes, sorted and without repetition.

    Raises:
        DomainError: none at all, an unknown one, or one that a project key cannot have.
    """
    scopes = sorted({str(name) for name in names})
    if not scopes:
        raise DomainError("Choose at least one scope: what the key may do.", field="scopes", code="required")
    for name in scopes:
        if name not in PERMISSIONS:
            raise DomainError(_unknown(name), field="scopes", code="unknown_permission")
        if kind == key_format.KeyKind.PROJECT and PERMISSIONS[P(name)].level is not Level.PROJECT:
            raise DomainError(
                f"A project's key cannot have the scope {name}, which counts in the whole organization. "
                "Make an organization key for it.",
                field="scopes",
                code="organization_scope",
            )
    return scopes


def check_networks(texts: Iterable[str]) -> list[str]:
    """Return addresses and networks in their canonical form, an address as a network of one.

    Raises:
        DomainError: one of them is malformed, or there are too many.
    """
    networks: dict[str, None] = {}
    for text in texts:
        try:
            networks[str(_as_ipv4(ipaddress.ip_network(text.strip(), strict=False)))] = None
        except ValueError as error:
            raise DomainError(
                f"“{text[:60]}” is no IP address or network. Write 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32.",
                field="allowed_networks",
                code="invalid",
            ) from error
    if len(networks) > MOST_NETWORKS:
        raise DomainError(
            f"A key takes {MOST_NETWORKS} networks at most. Name larger ones.",
            field="allowed_networks",
            code="too_many",
        )
    return list(networks)


def check_expiry(
    expires_at: datetime | None, *, max_days: int | None, since: datetime | None = None
) -> datetime | None:
    """Return the moment from which a key is no longer accepted.

    Args:
        expires_at: that moment, with a time zone; None for never.
        max_days: the organization's maximum, None without one.
        since: when the key's secret was made; None: now.

    Raises:
        DomainError: it is past, or beyond the maximum.
    """
    now = timezone.now()
    if expires_at is None:
        if max_days is not None:
            raise DomainError(
                f"Keys of this organization live {max_days} days at most. Choose when this one expires.",
                field="expires_at",
                code="expiry_required",
            )
        return None
    if timezone.is_naive(expires_at):
        raise DomainError("Say in which time zone, such as 2027-01-31T12:00:00Z.", field="expires_at", code="invalid")
    if expires_at <= now:
        raise DomainError("Choose a moment in the future.", field="expires_at", code="past")
    # A minute's grace: "90 days from now" is chosen before it is sent.
    if max_days is not None and expires_at > (since or now) + timedelta(days=max_days, minutes=1):
        raise DomainError(
            f"Keys of this organization live {max_days} days at most; choose an earlier moment, or rotate the key.",
            field="expires_at",
            code="beyond_maximum",
        )
    return expires_at


def renewed_expiry(expires_at: datetime, *, since: datetime, max_days: int | None) -> datetime:
    """Return when a rotated key expires: as long after now as it did after its last secret was made.

    Args:
        expires_at: when it would have expired.
        since: when the secret before was made.
        max_days: the organization's maximum, which may have become shorter; None without one.
    """
    life = expires_at - since
    return timezone.now() + (min(life, timedelta(days=max_days)) if max_days is not None else life)


def check_text(text: str, *, field: str, longest: int) -> str:
    """Return a free text without outer white space.

    Raises:
        DomainError: too long, or with a NUL byte.
    """
    text = text.strip()
    if len(text) > longest:
        raise DomainError(f"Use {longest} characters at most.", field=field, code="too_long")
    if "\x00" in text:
        raise DomainError("The text has characters that cannot be stored.", field=field, code="invalid")
    return text


def _as_ipv4(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return the IPv4 network an IPv6 one maps (RFC 4291 §2.5.5.2), any other as it is; so clients are compared."""
    first = getattr(network.network_address, "ipv4_mapped", None)
    if first is None or network.prefixlen < _MAPPED_BITS:
        return network
    return ipaddress.IPv4Network((first, network.prefixlen - _MAPPED_BITS))


def _checked(secret: str, kind: str, environment: str) -> str:
    parsed = key_format.parse_secret(secret)
    if parsed is None:
        raise DomainError(
            "The predefined secret is malformed or mistyped. `manage.py api_key generate` makes one.",
            field="secret",
            code="malformed_secret",
        )
    if (parsed.kind, parsed.environment) != (kind, environment):
        raise DomainError(
            f"The predefined secret says “{parsed.kind}, {parsed.environment}”, but the key is for “{kind}, "
            f"{environment}”. Generate one for that.",
            field="secret",
            code="wrong_secret",
        )
    return secret


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, list(P), n=1)
    hint = f" Did you mean {near[0]}?" if near else " docs/roles.md lists them."
    return f"There is no permission “{name[:60]}”.{hint}"
