"""Ends keys whose secret was found where it does not belong."""

import re
from urllib.parse import urlsplit

from django.db import transaction
from django.utils import timezone

from accounts import key_format
from accounts.key_format import KeyKind
from accounts.key_record import KeyRecord
from accounts.lookups import key_by_secret, scim_token_by_secret
from accounts.mails import send_leak_notice, send_platform_leak_notice, send_scim_leak_notice
from accounts.models import ApiKey, PlatformKey, ScimToken
from isolation.actor import SYSTEM
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from tenants.services.rules import own_row

from .api_keys import end_api_key
from .platform_keys import revoke_platform_key
from .scim_tokens import end_scim_token

_LONGEST_SOURCE = 250
_ATTEMPTS = 3
_CHANGED_MEANWHILE = frozenset({"already_revoked", "gone"})
_SECRET = re.compile(key_format.SECRET_PATTERN)


def report_leak(*, secret: str, source_url: str = "") -> bool:
    """Revoke the key that a secret belongs to, and tell its people. Whoever holds the secret may report it.

    Each key ends in a transaction of its own, in its organization's scope and in the name of the system; where the
    report came from is in the event. A key that has expired is revoked too, because its end could be moved. A secret
    that a rotation has put out of use ends nothing.

    Args:
        secret: what was found.
        source_url: where; anything but a web address is left out of what people read.

    Returns:
        Whether it is, or was, the secret of a key of this installation.
    """
    parsed = key_format.parse_secret(secret)
    if parsed is None:
        return False
    if parsed.kind is KeyKind.SCIM:
        return _end_scim_token(secret, _told(source_url))
    for attempt in range(1, _ATTEMPTS + 1):
        record = key_by_secret(secret)
        if record is None:
            return False
        if record.revoked_at is not None or _is_replaced(record):
            return True
        try:
            _end(record, _told(source_url))
        except DomainError as error:  # revoked, or moved to another organization, since it was looked up
            if error.code not in _CHANGED_MEANWHILE or attempt == _ATTEMPTS:
                raise
        else:
            break
    return True


def _is_replaced(record: KeyRecord) -> bool:
    return record.secret_expires_at is not None and record.secret_expires_at <= timezone.now()


def _end(record: KeyRecord, source_url: str) -> None:
    reason = _reason(source_url)
    if record.organization_id is None:
        with transaction.atomic():
            platform_key = PlatformKey.objects.filter(pk=record.key_id).first()
            if platform_key is None:
                raise DomainError("This platform key no longer exists.", code="gone")
            revoke_platform_key(key=platform_key, actor=SYSTEM, reason=reason)
            send_platform_leak_notice(platform_key, source_url=source_url)
        return
    with tenant_scope(record.organization_id):
        key = own_row(ApiKey, record.key_id, related=("user", "organization"))
        end_api_key(key, actor=SYSTEM, reason=reason, leaked=True)
        send_leak_notice(key, source_url=source_url)


def _end_scim_token(secret: str, source_url: str) -> bool:
    record = scim_token_by_secret(secret)
    if record is None:
        return False
    if record.revoked_at is None:
        with tenant_scope(record.organization_id):
            token = ScimToken.objects.select_for_update().filter(pk=record.token_id, revoked_at=None).first()
            if token is not None:
                end_scim_token(token, actor=SYSTEM, reason=_reason(source_url), leaked=True)
                send_scim_leak_notice(token, source_url=source_url)
    return True


def _reason(source_url: str) -> str:
    return f"Reported as leaked: {source_url}" if source_url else "Reported as leaked"


def _told(url: str) -> str:
    """Return what people are told of a place: a web address without spaces and without the secret itself, or ""."""
    url = _SECRET.sub("[secret]", url.strip())[:_LONGEST_SOURCE]
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    is_web = parts.scheme in {"http", "https"} and bool(parts.netloc)
    return url if is_web and url.isascii() and url.isprintable() and " " not in url else ""
