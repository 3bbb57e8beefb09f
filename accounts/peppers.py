"""Tells `manage.py rotate_keys --report`, and a process that starts, which peppers the digests of keys still need."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Count, Q
from django.utils import timezone

from accounts.lookups import peppers_in_force
from accounts.models import ApiKey, ApiKeySecret, PlatformKey, ScimToken
from vault import usage


def register() -> None:
    """Take part in the report and in the question at the start."""
    usage.register("API keys", lambda: _counts(_accepted_secrets()))
    usage.register("platform keys", lambda: _counts(PlatformKey.objects.active()))
    usage.register("SCIM tokens", lambda: _counts(ScimToken.objects.active()))
    usage.register_numbers("keys", peppers_in_force)


def _accepted_secrets() -> Any:
    """Return the secrets that open something: those of ended keys keep no pepper in the keyring."""
    overlap = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return ApiKeySecret.objects.filter(overlap, api_key__in=ApiKey.objects.active())


def _counts(rows: Any) -> Mapping[int, int]:
    return dict(rows.order_by().values_list("pepper_id").annotate(Count("pk")))
