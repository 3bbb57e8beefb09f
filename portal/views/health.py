"""Probes: `live` says that the process answers, `ready` that it may be given requests."""

import logging

from django.db import DatabaseError, transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from isolation.roles import inspect_role

logger = logging.getLogger("gatehouse.health")


@never_cache
@require_safe
@transaction.non_atomic_requests
def live(request: HttpRequest) -> JsonResponse:
    """Answer 200 as long as the process runs; asks nobody else."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
@transaction.non_atomic_requests
def ready(request: HttpRequest) -> JsonResponse:
    """Answer 200 when the database answers and its role may do no more than it must, else 503; the log says why."""
    checks = {"database": "ok", "database_role": "ok"}
    try:
        excess = inspect_role().excess
    except DatabaseError:
        logger.exception("not ready: the database does not answer")
        checks = {"database": "unreachable", "database_role": "unknown"}
    else:
        if excess:
            logger.error("not ready: the database role %s", ", ".join(excess))
            checks["database_role"] = "too powerful"
    healthy = set(checks.values()) == {"ok"}
    return JsonResponse(
        {"status": "ok" if healthy else "unavailable", "checks": checks},
        status=200 if healthy else 503,
    )
