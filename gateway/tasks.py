"""Work of the proxy that beat starts."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import operator_scope
from isolation.tasks import TenantTask

from .models import IssuedToken
from .services.signing_keys import settle_signing_keys
from .services.tokens import forget_expired_tokens

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
