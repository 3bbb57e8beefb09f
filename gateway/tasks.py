"""Work of the proxy that beat starts."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from celery import shared_task
from django.conf import settings
from django.db import connections
from django.utils import timezone

from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import APP, operator_scope
from isolation.tasks import TenantTask

from .models import IssuedToken, LimitWindow, ProviderCredential, UsageLimit
from .services.provider_credentials import forget_former_secret
from .services.signing_keys import settle_signing_keys
from .services.tokens import forget_expired_tokens
from .services.usage_limits import tell_of_reached_limits

TOKENS_KEPT = timedelta(days=30)
TOKENS_BATCH = 5_000


@shared_task(name="gateway.tasks.keep_signing_keys")
def keep_signing_keys() -> None:
    """Rotate the signing keys when it is time, and withdraw those that nobody needs any more."""
    with acting_as(SYSTEM):
        settle_signing_keys()


@shared_task(name="gateway.tasks.forget_tokens")
def forget_tokens() -> None:
    """Start a task for each organization with tokens that expired a month ago."""
    before = timezone.now() - TOKENS_KEPT
    with acting_as(SYSTEM), operator_scope("Sweep for access tokens that expired long ago"):
        rows = IssuedToken.objects.filter(expires_at__lt=before).order_by().values_list("organization_id", flat=True)
        organizations = list(rows.distinct())
    for organization_id in organizations:
        forget_tokens_of.delay(str(organization_id))


@shared_task(base=TenantTask, name="gateway.tasks.forget_tokens_of")
def forget_tokens_of(organization_id: str) -> None:
    """Forget an organization's tokens that expired a month ago, a batch; the next sweep takes the next one."""
    forget_expired_tokens(kept=TOKENS_KEPT, most=TOKENS_BATCH)


@shared_task(name="gateway.tasks.forget_former_secrets")
def forget_former_secrets() -> int:
    """Start a task for each credential whose former secret was kept long enough; the next sweep makes up a lost start.

    Returns:
        how many these are.
    """
    with acting_as(SYSTEM), operator_scope("Sweep for former secrets of provider credentials"):
        due = ProviderCredential.objects.filter(previous_until__lte=timezone.now())
        found = list(due.values_list("organization_id", "pk"))
    for organization_id, credential_id in found:
        forget_former_secret_of.delay(str(organization_id), str(credential_id))
    return len(found)


@shared_task(base=TenantTask, name="gateway.tasks.forget_former_secret_of")
def forget_former_secret_of(organization_id: str, credential_id: str) -> None:
    """Delete the former secret of one credential, unless that was done."""
    due = ProviderCredential.objects.filter(previous_until__lte=timezone.now())
    for credential in due.filter(pk=credential_id):
        forget_former_secret(credential=credential, actor=SYSTEM)


@shared_task(name="gateway.tasks.watch_limits")
def watch_limits() -> int:
    """Start a look at the budgets of each organization that has some; a lost start is made up by the next minute's.

    Returns:
        how many organizations these are.
    """
    with acting_as(SYSTEM), operator_scope("Sweep for budgets that are used up"):
        budgets = UsageLimit.objects.filter(is_enabled=True, window__in=[LimitWindow.DAY, LimitWindow.MONTH])
        organizations = list(budgets.order_by().values_list("organization_id", flat=True).distinct())
    for organization_id in organizations:
        watch_limits_of.delay(str(organization_id))
    return len(organizations)


@shared_task(base=TenantTask, name="gateway.tasks.watch_limits_of")
def watch_limits_of(organization_id: str) -> None:
    """Write down which budgets of one organization have come to 80 or 100 percent."""
    tell_of_reached_limits(UUID(organization_id))


@shared_task(name="gateway.tasks.forget_usage")
def forget_usage() -> int:
    """Delete hours that are older than they are kept, and what counted for windows that are over.

    Returns:
        how many hours these were.
    """
    with connections[APP].cursor() as cursor:
        kept: Any = timedelta(days=settings.USAGE_RETENTION_DAYS)
        cursor.execute("SELECT gateway_forget_usage(%s)", [kept])
        return int(cursor.fetchone()[0])
