"""What is read about keys by more than one door."""

from datetime import timedelta
from typing import Any

from django.db.models import F, OuterRef, Q, Subquery
from django.utils import timezone

from .models import ApiKey, ApiKeySecret, PlatformKey
from .querysets import ApiKeyQuerySet

WARNINGS = (timedelta(days=14), timedelta(days=3), timedelta(days=1))
"""How long before a key expires its people are told, the earliest first."""


def keys_with_secret() -> ApiKeyQuerySet:
    """Return the keys of the scope that is open, each with its owner and with what is known of its current secret.

    Each row has ``last_four`` and ``secret_created_at`` besides.
    """
    current = ApiKeySecret.objects.filter(api_key=OuterRef("pk"), expires_at=None)
    keys: ApiKeyQuerySet = ApiKey.objects.select_related("organization", "project", "user", "service_account")
    described: ApiKeyQuerySet = keys.annotate(
        last_four=Subquery(current.values("last_four")[:1]),
        secret_created_at=Subquery(current.values("created_at")[:1]),
    )
    return described


def keys_older_than(days: int) -> ApiKeyQuerySet:
    """Return the active keys whose current secret was made more than `days` days ago, the oldest first."""
    return keys_with_secret().older_than(days).order_by("secret_created_at", "pk")


def keys_to_warn_about() -> ApiKeyQuerySet:
    """Return the active keys that expire soon and whose people have not been told so yet, the soonest first.

    A warning is due at each of `WARNINGS` that the current secret has lived to see: a key made for an hour has none.
    """
    keys = keys_with_secret().filter(revoked_at=None, organization__suspended_at=None)
    due: ApiKeyQuerySet = _due(keys, "secret_created_at")
    return due


def platform_keys_to_warn_about() -> Any:
    """Return the active platform keys that expire soon and of which the operators have not been told so yet."""
    return _due(PlatformKey.objects.filter(revoked_at=None), "created_at")


def _due(keys: Any, born: str) -> Any:
    now = timezone.now()
    due = Q()
    for before in WARNINGS:
        moment = F("expires_at") - before
        unsaid = Q(expiry_warned_at=None) | Q(expiry_warned_at__lt=moment)
        due |= Q(expires_at__lte=now + before) & Q(**{f"{born}__lt": moment}) & unsaid
    return keys.filter(due, expires_at__gt=now, expires_at__lte=now + max(WARNINGS)).order_by("expires_at", "pk")
