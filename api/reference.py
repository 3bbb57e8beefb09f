"""The parts of the OpenAPI document that every operation refers to."""

from http import HTTPStatus
from typing import Any

from drf_spectacular.utils import OpenApiParameter

from .problems import CONTENT_TYPE, TYPE

_WHEN: dict[HTTPStatus, tuple[str, str]] = {
    HTTPStatus.BAD_REQUEST: ("malformed", "The query or the body cannot be read."),
    HTTPStatus.UNAUTHORIZED: ("not_authenticated", "There is no credential, or one that does not hold."),
    HTTPStatus.FORBIDDEN: ("permission_missing", "The credential may not do this."),
    HTTPStatus.NOT_FOUND: ("not_found", "There is nothing there, or it is somebody else's."),
    HTTPStatus.NOT_ACCEPTABLE: ("not_acceptable", "There is no answer in the format that Accept asks for."),
    HTTPStatus.CONFLICT: ("duplicate", "The present state does not allow it."),
    HTTPStatus.PRECONDITION_FAILED: ("changed_meanwhile", "Somebody changed it since the ETag in If-Match."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("too_large", "The body is too large."),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ("unsupported_media_type", "The body is not sent as JSON."),
    HTTPStatus.UNPROCESSABLE_ENTITY: ("invalid", "Values are refused; `errors` names each."),
    HTTPStatus.SERVICE_UNAVAILABLE: ("signatures_unavailable", "Something that is needed fails; send it again later."),
    HTTPStatus.TOO_MANY_REQUESTS: ("rate_limited", "There were too many requests; Retry-After says when to go on."),
}

IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "type": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "location": OpenApiParameter.HEADER,
    "description": "Any unique text. For 24 hours a second request with it is not carried out again, but answered with "
    "the first one's response and `Idempotent-Replayed: true`.",
}
IF_MATCH: dict[str, Any] = {
    "name": "If-Match",
    "type": {"type": "string"},  # what is no tag matches nothing
    "location": OpenApiParameter.HEADER,
    "description": "The ETag of what you saw; when somebody changed it meanwhile, nothing is done (412).",
}
IF_NONE_MATCH: dict[str, Any] = {
    "name": "If-None-Match",
    "type": {"type": "string"},  # what is no tag matches nothing
    "location": OpenApiParameter.HEADER,
    "description": "The ETag of what you hold; when it is still the same, the answer is 304 without a body.",
}

_TEXT = {"type": "string"}
HEADERS: dict[str, Any] = {
    "ETag": {"description": "Names this state of the object; send it as If-Match.", "schema": _TEXT},
    "Link": {"description": "The pages before and after (RFC 8288).", "schema": _TEXT},
    "Location": {"description": "The address of what was created.", "schema": _TEXT},
    "RateLimit": {"description": 'What is left of each quota: `"key";r=599;t=41`.', "schema": _TEXT},
    "RateLimit-Policy": {"description": 'The quotas: `"key";q=600;w=60`.', "schema": _TEXT},
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "How to authenticate.", "schema": _TEXT},
    "X-Request-ID": {"description": "Names the request; the audit log keeps it too.", "schema": _TEXT},
}

SECURITY_SCHEMES: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The secret of an API key: `gatesk_…`."},
    "basic": {"type": "http", "scheme": "basic", "description": "An API key's public id and secret."},
    "session": {"type": "apiKey", "in": "cookie", "name": "gatehouse_session", "description": "The console's session."},
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRFToken",
        "description": "With a session, for everything that changes something.",
    },
}

_ERROR = {
    "type": "object",
    "properties": {
        "detail": _TEXT,
        "code": _TEXT,
        "pointer": {"type": "string", "description": "Where in the body: a JSON pointer in a URI fragment (RFC 6901)."},
        "parameter": {"type": "string", "description": "The query parameter or header."},
    },
    "required": ["detail", "code"],
}
SCHEMAS: dict[str, Any] = {
    "Problem": {
        "type": "object",
        "description": "An error (RFC 9457). Programs branch on `code`; `detail` tells a person what to do next.",
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": _TEXT,
            "code": _TEXT,
            "request_id": _TEXT,
            "errors": {"type": "array", "items": _ERROR},
            "permission": {"type": "string", "description": "The permission that is missing."},
            "granted_by": {
                "type": "array",
                "description": "Members who can grant it.",
                "items": {
                    "type": "object",
                    "properties": {"name": _TEXT, "email": _TEXT},
                    "required": ["name", "email"],
                },
            },
        },
        "required": ["type", "title", "status", "detail", "code", "request_id"],
    }
}


def name_of(status: int) -> str:
    """Return the name under `components.responses` of an error's status."""
    return HTTPStatus(status).phrase.title().replace(" ", "").replace("-", "")


def responses() -> dict[str, Any]:
    """Return the response of each error's status, with an example."""
    return {name_of(status): _response(status, code, text) for status, (code, text) in _WHEN.items()}


def page_schema(row: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a page of rows."""
    link = {"type": ["string", "null"], "format": "uri"}
    return {
        "type": "object",
        "properties": {
            "data": {"type": "array", "items": row},
            "next": {**link, "description": "The address of the page after; null on the last one."},
            "previous": {**link, "description": "The address of the page before; null on the first one."},
        },
        "required": ["data", "next", "previous"],
    }


def _response(status: HTTPStatus, code: str, text: str) -> dict[str, Any]:
    names = {
        HTTPStatus.SERVICE_UNAVAILABLE: ["Retry-After"],
        HTTPStatus.TOO_MANY_REQUESTS: ["Retry-After", "RateLimit", "RateLimit-Policy"],
        HTTPStatus.UNAUTHORIZED: ["WWW-Authenticate"],
    }.get(status, [])
    example = {
        "type": f"{TYPE}{code}",
        "title": status.phrase,
        "status": int(status),
        "detail": text,
        "code": code,
        "request_id": "3f1c0c8f7d5a4d4c9a1be2f3a4b5c6d7",
    }
    if status is HTTPStatus.FORBIDDEN:
        example |= {
            "permission": "members:manage",
            "granted_by": [{"name": "Ada", "email": "ada@acme.example"}],
        }
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": text,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in ["X-Request-ID", *names]},
        "content": {CONTENT_TYPE: {"schema": schema, "example": example}},
    }
