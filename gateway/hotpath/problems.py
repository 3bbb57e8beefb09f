"""Errors as `application/problem+json` (RFC 9457), in the words of the management API; built without its framework."""

import json
from http import HTTPStatus
from typing import Any

Headers = list[tuple[bytes, bytes]]
_CHALLENGES: Headers = [
    (b"www-authenticate", b'Basic realm="gatehouse", charset="UTF-8"'),
    (b"www-authenticate", b'Bearer realm="gatehouse"'),
]


class Refused(Exception):  # noqa: N818 - reads as the statement it is
    """A request that is not answered with what it asked for.

    Args:
        status: the HTTP status.
        code: a stable name that programs branch on.
        detail: sentences: what happened, why, what to do next.
        headers: further headers of the response.
        members: further members of the document.
    """

    def __init__(
        self, status: HTTPStatus, code: str, detail: str, *, headers: Headers | None = None, **members: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.headers = headers or []
        self._document = {
            "type": f"urn:gatehouse:problem:{code}",
            "title": status.phrase,
            "status": int(status),
            "detail": detail,
            "code": code,
            **members,
        }

    def body(self, request_id: str) -> bytes:
        """Return the document."""
        return json.dumps(self._document | {"request_id": request_id}, ensure_ascii=False).encode()


def malformed(detail: str) -> Refused:
    """Return the refusal of a request that cannot be read."""
    return Refused(HTTPStatus.BAD_REQUEST, "malformed", detail)


def not_authenticated() -> Refused:
    """Return the refusal of a caller whose credential is missing, or not accepted from its address."""
    return Refused(
        HTTPStatus.UNAUTHORIZED,
        "not_authenticated",
        "The caller is not known: its key is missing, malformed, revoked, expired, or not accepted from this address. "
        "Send a valid key as “Authorization: Basic base64(public id:secret)” or “Authorization: Bearer gatesk_…”.",
        headers=_CHALLENGES,
    )


def permission_missing(detail: str) -> Refused:
    """Return the refusal of a caller that may not verify keys."""
    return Refused(HTTPStatus.FORBIDDEN, "permission_missing", detail, permission="api_keys:introspect")


def too_many_guesses(seconds: int) -> Refused:
    """Return the refusal after too many wrong keys."""
    return Refused(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too_many_guesses",
        "Too many wrong keys were tried from this address or for this key. Keys that are already known here go on "
        f"working; others are checked again in {seconds} s.",
        headers=[(b"retry-after", str(seconds).encode())],
    )


def unavailable() -> Refused:
    """Return the refusal while the database does not answer: nobody is valid without it."""
    return Refused(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "unavailable",
        "The database does not answer, so no key can be checked. Refuse the request that it came with, and try again.",
        headers=[(b"retry-after", b"1")],
    )
