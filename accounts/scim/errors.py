"""What goes wrong, in SCIM's shape (RFC 7644 section 3.12)."""

import json
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from pydantic import ValidationError
from rest_framework.exceptions import ParseError
from scim2_models import Error, SCIMException

from api.parsers import UnstorableText
from isolation.exceptions import DomainError

MEDIA_TYPE = "application/scim+json"
ERROR_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:Error"
# Rules of the domain that have a status or scimType of their own; every other one is a value that is refused.
_DOMAIN = {
    "duplicate": (HTTPStatus.CONFLICT, "uniqueness"),
    "gone": (HTTPStatus.NOT_FOUND, ""),
    "last_owner": (HTTPStatus.CONFLICT, ""),
    "being_deleted": (HTTPStatus.FORBIDDEN, ""),
}


class ScimError(Exception):
    """A request is refused.

    Args:
        status: the HTTP status.
        detail: a full sentence for the person who reads the identity provider's log.
        scim_type: one of RFC 7644 table 9, "" for none.
        headers: further headers of the response.
        code: a stable name for what other code looks for, such as "last_owner".
    """

    def __init__(
        self,
        status: int,
        detail: str,
        scim_type: str = "",
        *,
        headers: dict[str, str] | None = None,
        code: str = "",
    ) -> None:
        super().__init__(detail)
        self.status = int(status)
        self.detail = detail
        self.scim_type = scim_type
        self.headers = headers or {}
        self.code = code

    @property
    def body(self) -> dict[str, Any]:
        """Return the error as JSON values."""
        body = {"schemas": [ERROR_SCHEMA], "status": str(self.status), "detail": self.detail}
        return body | {"scimType": self.scim_type} if self.scim_type else body

    def response(self, media_type: str = MEDIA_TYPE) -> HttpResponse:
        """Return the error as a response."""
        return HttpResponse(
            json.dumps(self.body, ensure_ascii=False),
            status=self.status,
            content_type=media_type,
            headers={"Cache-Control": "no-store", **self.headers},
        )


def bad_request(detail: str, scim_type: str = "invalidValue") -> ScimError:
    """Return a 400."""
    return ScimError(HTTPStatus.BAD_REQUEST, detail, scim_type)


def not_found(what: str = "resource") -> ScimError:
    """Return a 404: what is gone, was never there, or is somebody else's looks alike."""
    return ScimError(HTTPStatus.NOT_FOUND, f"There is no {what} with this id.")


def error_of(error: Exception) -> ScimError | None:  # noqa: PLR0911 - one for each kind
    """Return what a client is told of an exception; None for one that is not of its making."""
    match error:
        case ScimError():
            return error
        case SCIMException():
            cause = error.__cause__
            detail = _first(cause).detail if isinstance(cause, ValidationError) else str(error)
            return ScimError(error.status, str(detail), error.scim_type)
        case ValidationError():
            first = _first(error)
            return ScimError(first.status or HTTPStatus.BAD_REQUEST, str(first.detail), first.scim_type or "")
        case UnstorableText():
            return bad_request(str(error.detail))
        case ParseError():
            return bad_request(str(error.detail), "invalidSyntax")
        case DomainError():
            status, scim_type = _DOMAIN.get(error.code, (HTTPStatus.BAD_REQUEST, "invalidValue"))
            return ScimError(status, error.message, scim_type, code=error.code)
        case PermissionDenied():
            return ScimError(HTTPStatus.FORBIDDEN, "This token may not do that.")
    return None


def _first(error: ValidationError) -> Error:
    found: Error = Error.from_validation_errors(error)[0]
    return found
