"""What these endpoints have in common: Langfuse's errors, its times, and which keys it takes where."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from rest_framework import exceptions

from accounts.api.authentication import KeyAuthentication, KeyCredential
from accounts.key_record import KeyRecord
from api.operation import Operation
from api.problems import Problem, problem_of
from api.views import ApiView
from isolation.exceptions import DomainError, MissingPermission
from isolation.identifiers import parse_uuid
from tenants.models import Project

WRONG_CREDENTIALS = "Invalid credentials. Confirm that you've configured the correct host."
ORGANIZATION_KEY_NEEDED = "Invalid API key. Organization-scoped API key required for this operation."
PROJECT_KEY_NEEDED = "Invalid API key. Are you using an organization key?"


_SLUG = re.compile(r"[a-z0-9-]{1,63}")


class LangfuseView(ApiView):
    """An endpoint in Langfuse's shape, over the same services, scopes and limits as /api/v1/.

    Handlers return (status, body). Members of a body and query parameters that are not known are ignored, as Langfuse
    does.

    Attributes:
        error_member: what Langfuse calls the text of an error at this address.
        no_project: Langfuse's words for a project that is not there.
        project_key: whether it takes a project's key; otherwise one that counts in the organization.
    """

    authentication_classes = [KeyAuthentication]
    schema = None  # described by Langfuse's own document; ours holds what is ours
    error_member: ClassVar[str] = "message"
    no_project: ClassVar[str] = "Project not found or you don't have access to it"
    project_key: bool = False

    def demand(self, declared: Operation) -> None:
        """Refuse a key of the wrong kind, and one without the scope.

        Raises:
            Problem, MissingPermission: 403.
        """
        if (self.key().project_id is not None) != self.project_key:
            text = PROJECT_KEY_NEEDED if self.project_key else ORGANIZATION_KEY_NEEDED
            raise Problem(HTTPStatus.FORBIDDEN, "wrong_key", text)
        super().demand(declared)

    def respond(self, declared: Operation) -> HttpResponseBase:
        """Return the response of the handler; scope and actor are set."""
        self.demand(declared)
        self.data = self._read()
        handler = getattr(self, str(self.request.method).lower().replace("head", "get"))
        status, body = handler(**self.kwargs)
        return JsonResponse(body, status=status)

    def key(self) -> KeyRecord:
        """Return the key that asks."""
        if not isinstance(self.credential, KeyCredential):
            raise TypeError("these endpoints take keys only")
        return self.credential.record

    def project(self, reference: str, permission: str) -> Project:
        """Return the project that an address names, in which the key has the permission.

        Raises:
            Problem: 404, there is none.
        """
        pk = as_uuid(reference)
        lookup = {"slug": reference if _SLUG.fullmatch(reference) else ""} if pk is None else {"pk": pk}
        rows = Project.objects.visible_to(self.actor, permission).filter(deletion_requested_at=None, **lookup)
        found: Project | None = rows.first()
        if found is None:
            raise refused(HTTPStatus.NOT_FOUND, self.no_project)
        return found

    def _read(self) -> Mapping[str, Any]:
        if self.request.method in {"GET", "HEAD"} or not self.request.body:
            return {}
        data = self.request.data
        if not isinstance(data, dict):
            raise refused(HTTPStatus.BAD_REQUEST, "Invalid request body")
        return data

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        """Return an error in Langfuse's shape.

        Raises:
            Exception: it is none of the client's doing; Django logs it and answers 500.
        """
        problem = problem_of(exc)
        if problem is None:
            raise exc
        status = int(problem.status)
        if isinstance(exc, DomainError) and status == HTTPStatus.UNPROCESSABLE_ENTITY:
            status = HTTPStatus.BAD_REQUEST  # Langfuse knows no other for what a body says
        details = {"details": problem.members["details"]} if "details" in problem.members else {}
        headers = {"Cache-Control": "no-store", **problem.headers}
        return JsonResponse({self.error_member: _error_text(exc, problem), **details}, status=status, headers=headers)


def refused(status: int, text: str, details: list[dict[str, Any]] | None = None) -> Problem:
    """Return an error with Langfuse's words."""
    return Problem(status, "langfuse", text, members={"details": details} if details else None)


def instant(moment: datetime | None) -> str | None:
    """Return a time as JavaScript writes it: UTC, with milliseconds."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_uuid(text: object) -> UUID | None:
    """Return the UUID that a text is, or None."""
    return parse_uuid(text) if isinstance(text, str) else None


def _error_text(exc: Exception, problem: Problem) -> str:
    match exc:
        case exceptions.NotAuthenticated():
            return "No authorization header"
        case exceptions.AuthenticationFailed():
            return WRONG_CREDENTIALS
        case exceptions.MethodNotAllowed():
            return "Method not allowed"
        case MissingPermission():
            return f"This API key lacks the scope {exc.permission}. Use one that has it."
    return problem.detail
