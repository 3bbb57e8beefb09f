"""Errors as `application/problem+json` (RFC 9457): each kind of exception is mapped once, here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DataError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions as drf

from isolation.context import current_origin
from isolation.exceptions import DomainError, FreshSignInNeeded, MissingPermission, UnknownPermission
from vault.exceptions import VaultError

CONTENT_TYPE = "application/problem+json"
TYPE = "urn:gatehouse:problem:"

# What a rule of the domain refuses is 422 (the request itself is wrong) unless its code is listed here.
_STATUS_OF_CODE = {
    HTTPStatus.FORBIDDEN: (
        "above_own_permissions",
        "beyond_own_key",
        "creation_closed",
        "not_yours",
        "operators_only",
        "other_person",
        "owners_only",
        "person_only",
    ),
    HTTPStatus.CONFLICT: (
        "already_member",
        "already_revoked",
        "already_scheduled",
        "already_suspended",
        "being_deleted",
        "builtin",
        "closed",
        "duplicate",
        "expired",
        "gone",
        "in_use",
        "last_owner",
        "lookup_failed",
        "not_completed",
        "not_scheduled",
        "not_sealed",
        "not_suspended",
        "record_missing",
        "revoked",
        "rotated_meanwhile",
        "same_organization",
        "target_closed",
        "taken",
        "too_many",
    ),
}
_STATUS = {code: status for status, codes in _STATUS_OF_CODE.items() for code in codes}
_DEADLOCK_STATES = {"40001", "40P01"}


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong with the request.

    Attributes:
        detail: a sentence.
        code: a stable name.
        pointer: where in the body, as a JSON pointer in a URI fragment (RFC 6901 section 6), or "".
        parameter: the query parameter or header, or "".
    """

    detail: str
    code: str
    pointer: str = ""
    parameter: str = ""

    def as_json(self) -> dict[str, str]:
        """Return it as it is sent."""
        where = {name: value for name in ("pointer", "parameter") if (value := getattr(self, name))}
        return {"detail": self.detail, "code": self.code, **where}


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """An error as the client reads it.

    Args:
        status: the HTTP status.
        code: a stable name that programs branch on.
        detail: sentences: what happened, why, what to do next.
        errors: the single mistakes, when the request itself is wrong.
        headers: of the response.
        members: further members of the document, such as ``permission``.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = HTTPStatus(status)
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.members = dict(members or {})

    def document(self) -> dict[str, Any]:
        """Return the body."""
        document: dict[str, Any] = {
            "type": f"{TYPE}{self.code}",
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
            "code": self.code,
            "request_id": current_origin().request_id,
        }
        if self.errors:
            document["errors"] = [error.as_json() for error in self.errors]
        return document | self.members

    def response(self) -> JsonResponse:
        """Return the HTTP response; it is never cached."""
        headers = {"Cache-Control": "no-store", **self.headers}
        return JsonResponse(
            self.document(),
            status=self.status,
            content_type=CONTENT_TYPE,
            headers=headers,
            json_dumps_params={"ensure_ascii": False},  # people read it in terminals
        )


def not_found() -> Problem:
    """Return the one answer for what does not exist and for what is somebody else's."""
    return Problem(
        HTTPStatus.NOT_FOUND,
        "not_found",
        "There is nothing at this address for you. Check the organization, the ids and the spelling of the path.",
    )


def problem_of(error: Exception) -> Problem | None:  # noqa: C901, PLR0911, PLR0912 - one line for each kind reads best
    """Return the problem that an exception means to the client; None when the fault is ours."""
    match error:
        case Problem():
            return error
        case DomainError():
            return _refused_by_rule(error)
        case MissingPermission():
            return missing_permission(error)
        case FreshSignInNeeded():
            text = "This takes a fresh sign-in. Confirm in the console that it is you, then send it again."
            return Problem(HTTPStatus.FORBIDDEN, "fresh_sign_in_needed", text)
        case UnknownPermission():
            text = f"There is no permission “{error}”. GET /api/v1/permissions lists them all."
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "unknown_permission", text)
        case drf.APIException():
            return _from_framework(error)
        case Http404():
            return not_found()
        case PermissionDenied():
            return Problem(HTTPStatus.FORBIDDEN, "forbidden", str(error) or "This is not allowed for you.")
        case RequestDataTooBig():
            text = "The body is larger than this API accepts. Send less at once."
            return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", text)
        case SuspiciousOperation():
            return Problem(HTTPStatus.BAD_REQUEST, "malformed", "The request is malformed. Check its headers.")
        case DataError():
            text = "A value cannot be stored. Check lengths, numbers and characters."
            return Problem(HTTPStatus.BAD_REQUEST, "invalid_value", text)
        case VaultError():
            text = (
                "Secrets cannot be read or stored now: the key that protects them cannot be had. Nothing was changed."
            )
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "vault_unavailable", text, headers={"Retry-After": "30"})
        case OperationalError() if getattr(error.__cause__, "sqlstate", None) in _DEADLOCK_STATES:
            text = "Another request changed the same thing at that moment. Nothing was changed here: send it again."
            return Problem(HTTPStatus.CONFLICT, "simultaneous_change", text, headers={"Retry-After": "1"})
        case _:
            return None


def missing_permission(error: MissingPermission) -> Problem:
    """Return the refusal with the permission that would have been needed."""
    return Problem(
        HTTPStatus.FORBIDDEN,
        "permission_missing",
        f"This needs the permission {error.permission}. Ask one of the people under “granted_by” for a role that has "
        "it, or use a credential whose scopes include it.",
        members={"permission": error.permission, "granted_by": []},
    )


def _refused_by_rule(error: DomainError) -> Problem:
    errors = [FieldError(error.message, error.code, pointer=f"#/{error.field}")] if error.field else []
    status = _STATUS.get(error.code, HTTPStatus.UNPROCESSABLE_ENTITY)
    return Problem(status, error.code, error.message, errors=errors)


_OF_THE_FRAMEWORK: dict[type[drf.APIException], tuple[str, str]] = {
    drf.NotAuthenticated: (
        "not_authenticated",
        "Send an API key as “Authorization: Bearer gatesk_…”, or sign in to the console first.",
    ),
    drf.MethodNotAllowed: (
        "method_not_allowed",
        "This address does not take that method; the Allow header lists those that it takes.",
    ),
    drf.NotAcceptable: (
        "not_acceptable",
        "This address cannot answer in a format that the Accept header asks for. Ask for application/json.",
    ),
    drf.UnsupportedMediaType: (
        "unsupported_media_type",
        "Send the body as JSON, with “Content-Type: application/json”.",
    ),
}


def _from_framework(error: drf.APIException) -> Problem:
    if isinstance(error, drf.ValidationError):
        return Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "invalid",
            "Some values are not accepted; each is named under “errors” with its reason. Mend them and send again.",
            errors=tuple(_field_errors(error.detail, "#")),
        )
    codes = error.get_codes()
    own = ("malformed" if isinstance(error, drf.ParseError) else str(codes), str(error.detail))
    code, text = _OF_THE_FRAMEWORK.get(type(error), own)
    return Problem(error.status_code, code, text, headers=_headers(error))


def _headers(error: drf.APIException) -> dict[str, str]:
    challenge = getattr(error, "auth_header", None)
    return {"WWW-Authenticate": challenge} if challenge else {}


def _field_errors(detail: Any, pointer: str) -> Iterator[FieldError]:
    """Yield DRF's nested errors flat, each with its place."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            own = pointer if name == "non_field_errors" else f"{pointer}/{_escaped(str(name))}"
            yield from _field_errors(inner, own)
    elif isinstance(detail, list | tuple):
        plain = all(not isinstance(item, Mapping | list | tuple) for item in detail)
        for index, item in enumerate(detail):
            yield from _field_errors(item, pointer if plain else f"{pointer}/{index}")
    else:
        yield FieldError(str(detail), str(getattr(detail, "code", None) or "invalid"), pointer=pointer)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def is_api(request: HttpRequest) -> bool:
    """Return whether the request is the API's, which never answers with a page."""
    return request.path_info.startswith("/api/")
