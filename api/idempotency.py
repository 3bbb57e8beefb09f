"""`Idempotency-Key`: a repeated POST is answered with the first one's response instead of being carried out again.

After draft-ietf-httpapi-idempotency-key-header. The record is written in the transaction of the change: a request that
failed or was cut off left neither, and may be sent again.
"""

import hashlib
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import connections
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from isolation.scope import APP, INSTALLATION, tenant_scope

from .models import StoredResponse
from .problems import FieldError, Problem

if TYPE_CHECKING:
    from .views import ApiView

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEPT = timedelta(hours=24)

_KEY = re.compile(r"[!-~]{1,255}")
_KEPT_HEADERS = ("Content-Type", "ETag", "Location")


def once(view: "ApiView", handle: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """Return the response of `handle`, or the one that the same request got before.

    Args:
        view: a view whose scope is open and whose permission was checked.
        handle: carries the request out; what it raises leaves no record.

    Raises:
        Problem: 400 the key is malformed, 409 the first request is still running, 422 the key came with another
            request before.
    """
    key = view.request.headers[HEADER]
    if not _KEY.fullmatch(key):
        raise _problem(HTTPStatus.BAD_REQUEST, "invalid_idempotency_key", "Use 1 to 255 visible ASCII characters.")
    credential = view.credential.limit_key if view.credential else ""
    organization_id = view.organization_id or INSTALLATION
    fingerprint = _fingerprint(view)
    _hold(organization_id, credential, key)
    with _scope(view):
        stored = StoredResponse.objects.filter(credential=credential, key=key).first()
        if stored is not None and stored.created_at > timezone.now() - KEPT:
            return _replayed(stored, fingerprint)
        if stored is not None:
            stored.delete()
    response = handle()
    if isinstance(response, HttpResponse):
        with _scope(view):
            StoredResponse.objects.create(
                organization_id=organization_id,
                credential=credential,
                key=key,
                fingerprint=fingerprint,
                status=response.status_code,
                headers={name: response[name] for name in _KEPT_HEADERS if name in response},
                body=response.content.decode() or None,
            )
    return response


def _scope(view: "ApiView") -> AbstractContextManager[None]:
    return tenant_scope(INSTALLATION) if view.organization_id is None else nullcontext()


def _fingerprint(view: "ApiView") -> bytes:
    request = view.request
    digest = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    digest.update(request.body)
    return digest.digest()


def _hold(organization_id: UUID, credential: str, key: str) -> None:
    """Keep the key to this request until its transaction ends.

    Raises:
        Problem: 409, another request holds it.
    """
    digest = hashlib.sha256(f"{organization_id}\n{credential}\n{key}".encode()).digest()
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [int.from_bytes(digest[:8], signed=True)])
        (held,) = cursor.fetchone()
    if not held:
        detail = "The first request with this key is still running. Wait a moment, then send it again."
        raise _problem(HTTPStatus.CONFLICT, "still_running", detail, {"Retry-After": "1"})


def _replayed(stored: StoredResponse, fingerprint: bytes) -> HttpResponse:
    if bytes(stored.fingerprint) != fingerprint:
        detail = "This key came with another request before. Make a new key for each request of its own."
        raise _problem(HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail)
    body = stored.body.reveal() if stored.body is not None else ""
    return HttpResponse(body, status=stored.status, headers={**stored.headers, REPLAYED: "true"})


def _problem(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> Problem:
    return Problem(status, code, detail, errors=[FieldError(detail, code, parameter=HEADER)], headers=headers)
