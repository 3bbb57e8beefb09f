"""Tells `manage.py rotate_keys --report` which peppers the digests of keys still need."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Count

from accounts.models import ApiKeySecret, PlatformKey
from vault import usage


def register() -> None:
    """Take part in the report."""
    usage.register("API keys", lambda: _counts(ApiKeySecret.objects.all()))
    usage.register("platform keys", lambda: _counts(PlatformKey.objects.all()))


def _counts(rows: Any) -> Mapping[int, int]:
    return dict(rows.order_by().values_list("pepper_id").annotate(Count("pk")))
