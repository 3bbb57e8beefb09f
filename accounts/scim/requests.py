"""The list of recent requests: what an identity provider asked, without secrets, and what it was told."""

import json
from typing import Any

from django.http import HttpRequest

from accounts.models import ScimRequest
from isolation.context import current_origin

from .errors import ScimError

LONGEST_BODY = 8_000
_SECRETS = ("password", "secret", "token", "x509certificates")
_REDACTED = "[redacted]"


def note_request(
    request: HttpRequest,
    *,
    organization_id: Any,
    connection_id: Any,
    status: int,
    body: Any,
    seconds: float,
    error: ScimError | None = None,
) -> None:
    """Write one request down; the scope of its organization must be open.

    Args:
        request: the request.
        organization_id: whose.
        connection_id: whose.
        status: what was answered.
        body: what was sent, parsed; None for nothing.
        seconds: how long it took.
        error: what went wrong, None when nothing did.
    """
    origin = current_origin()
    ScimRequest.objects.create(
        organization_id=organization_id,
        connection_id=connection_id,
        method=str(request.method)[:8],
        path=request.get_full_path()[:400].replace("\x00", ""),
        status=status,
        scim_type=error.scim_type if error else "",
        detail=error.detail if error else "",
        body=_shown(body),
        duration_ms=round(seconds * 1000),
        request_id=origin.request_id,
        ip=origin.ip,
        user_agent=origin.user_agent[:200],
    )


def _shown(body: Any) -> str:
    if body is None:
        return ""
    return json.dumps(without_secrets(body), ensure_ascii=False)[:LONGEST_BODY]


def without_secrets(value: Any) -> Any:
    """Return a body with its secrets made unreadable, also where an operation of a PATCH names one."""
    match value:
        case dict():
            path = str(next((inner for name, inner in value.items() if name.lower() == "path"), ""))
            hides = _is_secret(path)
            return {
                name: _REDACTED if _is_secret(name) or (hides and name.lower() == "value") else without_secrets(inner)
                for name, inner in value.items()
            }
        case list():
            return [without_secrets(inner) for inner in value]
    return value


def _is_secret(name: str) -> bool:
    lowered = name.lower()
    return any(word in lowered for word in _SECRETS)
