"""Telling people in time that their keys expire."""

from uuid import UUID

from celery import shared_task
from django.db import connections, transaction
from django.utils import timezone

from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import APP, operator_scope
from isolation.tasks import TenantTask

from .mails import deliver, expiry_warnings, platform_expiry_warnings
from .models import ApiKey, PlatformKey
from .selectors import keys_to_warn_about, platform_keys_to_warn_about


@shared_task(name="accounts.tasks.warn_of_expiring_keys")
def warn_of_expiring_keys() -> int:
    """Start a task for each key whose people are to be told; a lost start is made up by the next sweep.

    Returns:
        how many keys these are.
    """
    with acting_as(SYSTEM), operator_scope("Sweep for API keys that expire soon"):
        keys = list(keys_to_warn_about().values_list("organization_id", "pk"))
    platform_keys = list(platform_keys_to_warn_about().values_list("pk", flat=True))
    for organization_id, key_id in keys:
        warn_of_expiring_key.delay(str(organization_id), str(key_id))
    for key_id in platform_keys:
        warn_of_expiring_platform_key.delay(str(key_id))
    return len(keys) + len(platform_keys)


@shared_task(base=TenantTask, name="accounts.tasks.warn_of_expiring_key")
def warn_of_expiring_key(organization_id: str, key_id: str) -> None:
    """Mail one key's people, unless that was done.

    The mails go before the transaction commits: when the mail server refuses or the process dies, the next sweep tries
    again. A process that dies between the two repeats this key's mails and no other's.
    """
    if not _claim(key_id):
        return
    key = keys_to_warn_about().filter(pk=key_id).first()
    if key is None:
        return
    deliver(expiry_warnings(key))
    # Not the row that was read: somebody may have changed it, or chosen another expiry, which is warned about anew.
    ApiKey.objects.filter(pk=key.pk, expires_at=key.expires_at).update(expiry_warned_at=timezone.now())


@shared_task(name="accounts.tasks.warn_of_expiring_platform_key")
@transaction.atomic
def warn_of_expiring_platform_key(key_id: str) -> None:
    """Mail the operators about one platform key, unless that was done."""
    if not _claim(key_id):
        return
    key = platform_keys_to_warn_about().filter(pk=key_id).first()
    if key is None:
        return
    deliver(platform_expiry_warnings(key))
    PlatformKey.objects.filter(pk=key.pk, expires_at=key.expires_at).update(expiry_warned_at=timezone.now())


def _claim(key_id: str) -> bool:
    """Return whether this transaction alone warns about a key; its row stays free to be rotated or revoked."""
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"expiry of key {UUID(key_id)}"])
        return bool(cursor.fetchone()[0])
