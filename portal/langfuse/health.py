"""Whether it runs, in Langfuse's shape."""

import re
from functools import cache

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

_RELEASE = re.compile(r"^## (\d+\.\d+\.\d+)", re.MULTILINE)


@never_cache
@require_safe
@transaction.non_atomic_requests
def health(request: HttpRequest) -> JsonResponse:
    """Answer 200 as long as the process runs; with ``failIfDatabaseUnavailable=true`` when the database answers too."""
    if request.GET.get("failIfDatabaseUnavailable") == "true":
        try:
            connection.ensure_connection()
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except DatabaseError:
            return JsonResponse({"status": "Database not available", "version": version()}, status=503)
    return JsonResponse({"status": "OK", "version": version()})


@never_cache
@require_safe
@transaction.non_atomic_requests
def ready(request: HttpRequest) -> JsonResponse:
    """Answer 200 as long as the process runs."""
    return JsonResponse({"status": "OK", "version": version()})


@cache
def version() -> str:
    """Return Gatehouse's version: the newest of the changelog."""
    found = _RELEASE.search((settings.BASE_DIR / "CHANGELOG.md").read_text(encoding="utf-8"))
    return found[1] if found else "0.0.0"
