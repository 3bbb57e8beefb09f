"""Recognizes the bearer of a key in the portal, always from the database; the gateway has its own, from memory."""

import hmac
import logging
import threading
import time
from datetime import datetime
from uuid import UUID

from django.db import DatabaseError
from django.utils import timezone

from accounts import key_format
from accounts.authority import KeyAuthority
from accounts.key_format import KeyKind
from accounts.key_record import KeyRecord, Refusal
from accounts.lookups import key_by_secret, personal_key_rule, service_account_authority, touch_keys
from isolation.actor import Actor, ActorKind
from isolation.context import current_origin
from tenants.access import load_authority
from tenants.authority import MemberAuthority

logger = logging.getLogger("gatehouse.keys")

_FLUSH_SECONDS = 10


class KeyRefused(Exception):  # noqa: N818 - reads as the statement it is
    """A key is not accepted; the client hears no more than that.

    Args:
        code: why, for the log: "malformed", "unknown", "mismatch" or one of `key_record.Refusal`.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def authenticate_key(*, secret: str, ip: str | None, public_id: str | None = None) -> KeyRecord:
    """Return the key behind a secret, and note that it was used.

    Args:
        secret: what came as Bearer token or Basic password.
        ip: the client's address by the trusted-proxy rule.
        public_id: the Basic user name; None for a Bearer token.

    Raises:
        KeyRefused: it is malformed, unknown, revoked, expired, of a suspended organization, from an address that is
            not allowed, or belongs to another public id.
    """
    if key_format.parse_secret(secret) is None:
        raise KeyRefused("malformed")
    record = key_by_secret(secret)
    if record is None:
        raise KeyRefused("unknown")
    if public_id is not None and not hmac.compare_digest(public_id.encode(), record.public_id.encode()):
        raise KeyRefused("mismatch")
    if refusal := record.refusal(now=timezone.now()):
        raise KeyRefused(refusal)
    if not record.accepts_address(ip):
        raise KeyRefused(Refusal.NETWORK)
    _uses.note(record.key_id, ip)
    return record


def key_actor(record: KeyRecord, organization_id: UUID) -> Actor:
    """Return the actor for a key in its organization, whose `tenant_scope` is open.

    Raises:
        KeyRefused: the key belongs to another organization, or to none; or it is somebody's own, and the organization's
            sign-in policy does not let it in.
    """
    if record.organization_id != organization_id:
        raise KeyRefused("other_organization")
    if record.kind == KeyKind.PERSONAL and record.user_id is not None:
        refusal = personal_key_rule(organization_id, record.user_id).refusal(current_origin().ip)
        if refusal is not None:
            raise KeyRefused(refusal)
    return Actor(
        kind=ActorKind.API_KEY,
        id=record.key_id,
        label=record.label,
        organization_id=organization_id,
        authority=KeyAuthority(
            organization_id, record.permissions, record.project_id, _owner_authority(record, organization_id)
        ),
    )


def _owner_authority(record: KeyRecord, organization_id: UUID) -> MemberAuthority | None:
    if record.kind == KeyKind.PERSONAL:
        return load_authority(record.user_id, organization_id) if record.user_id else MemberAuthority(organization_id)
    if record.kind == KeyKind.SERVICE_ACCOUNT:
        if record.service_account_id is None:
            return MemberAuthority(organization_id)
        return service_account_authority(record.service_account_id, organization_id)
    return None


class _Uses:
    """Collects when keys were used, and writes them in batches.

    The first use of a key after a pause is written at once, with all that wait: a page never says of a key that was
    used that it was not. Further uses within seconds wait, and are written with the next that is not one of them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[UUID, tuple[datetime, str | None]] = {}
        self._written: dict[UUID, float] = {}

    def note(self, key_id: UUID, ip: str | None) -> None:
        with self._lock:
            now = time.monotonic()
            self._waiting[key_id] = (timezone.now(), ip)
            if key_id in self._written and now - self._written[key_id] < _FLUSH_SECONDS:
                return
            batch, self._waiting = self._waiting, {}
            recent = {one: when for one, when in self._written.items() if now - when < _FLUSH_SECONDS}
            self._written = recent | dict.fromkeys(batch, now)
        try:
            touch_keys(dict(sorted(batch.items())))  # always in one order: two processes do not wait crosswise
        except DatabaseError:
            # Uses of other keys, of other organizations too, are no reason to refuse this one.
            logger.exception("when %d keys were last used could not be written", len(batch))


_uses = _Uses()
