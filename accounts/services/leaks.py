"""Ends keys whose secret was found where it does not belong."""

import re
from urllib.parse import urlsplit

from django.db import transaction
from django.utils import timezone

from accounts import key_format
from accounts.key_record import KeyRecord
from accounts.lookups import key_by_secret
from accounts.mails import send_leak_notice, send_platform_leak_notice
from accounts.models import ApiKey, PlatformKey
from isolation.actor import SYSTEM
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from tenants.services.rules import own_row

from .api_keys import end_api_key
from .platform_keys import revoke_platform_key

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
    if key_format.parse_secret(secret) is None:
        return False
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
    reason = f"Reported as leaked: {source_url}" if source_url else "Reported as leaked"
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


def _told(url: str) -> str:
    """Return what people are told of a place: a web address without spaces and without the secret itself, or ""."""
    url = _SECRET.sub("[secret]", url.strip())[:_LONGEST_SOURCE]
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    is_web = parts.scheme in {"http", "https"} and bool(parts.netloc)
    return url if is_web and url.isascii() and url.isprintable() and " " not in url else ""
