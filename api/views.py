"""The view that every endpoint derives from: what happens, in which order, around a handler.

1. The credential is recognized and the request is counted against its limits, in autocommit.
2. The organization's scope is opened: one transaction, with the actor of that credential.
3. The permission is asked, the query and body are read, the handler runs, the answer is rendered.
4. The transaction commits; whatever was raised leaves the scope, rolls back and becomes a problem document.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, ClassVar, cast
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.views import APIView

from isolation.actor import ANONYMOUS, Actor
from isolation.context import acting_as, current_origin
from isolation.exceptions import MissingPermission
from isolation.scope import APP, settling, tenant_scope

from . import answers, idempotency, limits
from .conditional import etag_of, is_unchanged, refuse_unless_matches
from .credentials import Credential
from .directory import directory
from .operation import NO_PERMISSION, PUBLIC, Operation
from .problems import Problem, not_found, problem_of
from .query import read_query
from .renderers import CompactJSONRenderer
from .serializers import Nothing

logger = logging.getLogger("gatehouse.api")

METHODS = ("get", "post", "put", "patch", "delete")


class ApiView(APIView):
    """An endpoint of the installation, outside any organization.

    Handlers are methods named after HTTP's, declared by `operation` or `listing`. They take the path's arguments and
    return what the declared serializer shows: an object, a queryset (for a listing), or None.

    Attributes:
        tag: the heading under which the OpenAPI document lists the endpoint.
        credential: with what the request was made; None only for a public operation.
        actor: who acts, with the authority in the organization that is open.
        organization_id, organization: the organization whose scope is open; None for a session at an address that
            names none.
        data: the checked body.
        query: the checked query parameters.
    """

    tag: ClassVar[str] = ""
    http_method_names = [*METHODS, "head"]

    credential: Credential | None = None
    actor: Actor = ANONYMOUS
    organization_id: UUID | None = None
    organization: Any = None
    data: Mapping[str, Any] = {}
    query: Mapping[str, Any] = {}

    def __init_subclass__(cls) -> None:
        """Refuse a handler that does not say what it is."""
        super().__init_subclass__()
        for method in METHODS:
            handler = getattr(cls, method, None)
            if handler is not None and not isinstance(getattr(handler, "operation", None), Operation):
                raise ImproperlyConfigured(f"{cls.__name__}.{method} declares no operation.")

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view function, outside ATOMIC_REQUESTS: the scope opens the transaction when it is time."""
        return transaction.non_atomic_requests(super().as_view(**initkwargs))

    @classmethod
    def operation_of(cls, method: str) -> Operation | None:
        """Return what a method's handler declares; None when there is no handler."""
        name = "get" if method.lower() == "head" else method.lower()
        return getattr(getattr(cls, name, None), "operation", None)

    # The order of things --------------------------------------------------------------------------

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer a request; what is raised becomes a problem document."""
        self.args, self.kwargs = args, kwargs
        self.request = self.initialize_request(request, *args, **kwargs)
        self.headers = self.default_response_headers
        self.limit_headers: Mapping[str, str] = {}
        try:
            response = self._answer(self.request)
        except Exception as error:  # noqa: BLE001 - each kind is mapped once; what is ours is raised again
            response = self.handle_exception(error)
        for name, value in {**self.headers, **self.limit_headers}.items():
            response.headers.setdefault(name, value)
        patch_vary_headers(response, ["Authorization", "Cookie"])
        response.headers.setdefault("Cache-Control", "no-store" if request.method not in {"GET", "HEAD"} else "private")
        return response

    def _answer(self, request: Request) -> HttpResponseBase:
        declared = self.operation_of(str(request.method))
        # Read whole and first: Django holds only that to its limit, and the CSRF check would leave nothing of a stream.
        request.body  # noqa: B018 - Django keeps what was read
        with settling():
            self._recognize(request, public=declared is not None and declared.permission == PUBLIC)
            if declared is None:
                raise exceptions.MethodNotAllowed(str(request.method))
            if not declared.media_types:
                self.format_kwarg = None
                request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request)
            with self.scope(), acting_as(self.actor):
                return self.respond(declared)

    def _recognize(self, request: Request, *, public: bool) -> None:
        """Find the credential and count the request; without one that holds, by its address.

        Raises:
            NotAuthenticated, AuthenticationFailed: no credential, or one that does not hold.
            Problem: 429, or 404 for an organization that is not the credential's.
        """
        if public:
            self._count([limits.quota_of_address(current_origin().ip)])
            return
        try:
            self.perform_authentication(request)
            self.credential = cast("Credential | None", request.auth)
            if self.credential is None:
                raise exceptions.NotAuthenticated
        except (exceptions.APIException, Problem):
            self._count([limits.quota_of_address(current_origin().ip)])
            raise
        try:
            self.organization_id = self.find_organization(self.credential)
        finally:  # asking for what is not there counts as well
            self._count(limits.quotas_of(self.credential, self.organization_id))

    def _count(self, quotas: list[limits.Quota]) -> None:
        standings = limits.count(quotas)
        self.limit_headers = limits.headers_of(standings)
        limits.refuse_above(standings)

    # What kinds of endpoint differ in ---------------------------------------------------------------

    def find_organization(self, credential: Credential) -> UUID | None:
        """Return the organization whose scope will be opened, or None."""
        return credential.organization_id

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Open the transaction that the handler runs in, and set `self.actor`."""
        if self.credential is None:
            with transaction.atomic(using=APP):
                yield
        elif self.organization_id is None:
            self.actor = self.credential.actor_outside()
            with transaction.atomic(using=APP):
                yield
        else:
            with tenant_scope(self.organization_id):
                self.actor = self.credential.actor_in(self.organization_id)
                reference = self.kwargs.get("organization", str(self.organization_id))
                self.organization = directory().enter(self.organization_id, reference)
                yield

    def place(self) -> Any:
        """Return what the declared permission is asked of; None: the current organization."""
        return None

    def demand(self, declared: Operation) -> None:
        """Refuse unless the actor holds what the operation declares.

        Raises:
            MissingPermission: they do not; the refusal is recorded.
        """
        if declared.permission in NO_PERMISSION:
            return
        if not declared.anywhere:
            self.actor.require(declared.permission, self.place())
        elif not self.actor.authority.allows_somewhere(declared.permission):
            self.actor.require(declared.permission)

    # Running a handler ------------------------------------------------------------------------------

    def respond(self, declared: Operation) -> HttpResponseBase:
        """Return the response of the handler; scope and actor are set."""
        self.demand(declared)
        repeatable = self.request.method == "POST" and self.credential is not None
        if repeatable and idempotency.HEADER in self.request.headers:
            return idempotency.once(self, lambda: self._handled(declared))
        return self._handled(declared)

    def _handled(self, declared: Operation) -> HttpResponseBase:
        self.query = read_query(declared, str(self.request.method), self.request.query_params)
        self.data = self._read_body(declared)
        method = "get" if self.request.method == "HEAD" else str(self.request.method).lower()
        result = getattr(self, method)(**self.handler_arguments())
        if isinstance(result, HttpResponseBase):
            return result
        return self._rendered(declared, result)

    def handler_arguments(self) -> dict[str, Any]:
        """Return the path's arguments that handlers take."""
        return dict(self.kwargs)

    def _read_body(self, declared: Operation) -> Mapping[str, Any]:
        method = str(self.request.method)
        if method in {"GET", "HEAD"}:
            return {}
        if declared.request is None and not self.request.body:
            return {}
        serializer = (declared.request or Nothing)(
            data=self.request.data, partial=method == "PATCH", context={"view": self}
        )
        serializer.is_valid(raise_exception=True)
        checked: Mapping[str, Any] = serializer.validated_data
        return checked

    def _rendered(self, declared: Operation, result: Any) -> HttpResponse:
        request = self.request
        body, headers = answers.body_of(self, declared, result)
        validates = request.method in {"GET", "HEAD"} and not getattr(declared.response, "unversioned", None)
        if "ETag" in headers and validates and is_unchanged(request, headers["ETag"]):
            return HttpResponse(status=304, headers={"ETag": headers["ETag"]})
        if declared.response is None:
            return HttpResponse(status=declared.status, headers=headers)
        content = CompactJSONRenderer().render(body)
        return HttpResponse(content, status=declared.status, headers=headers, content_type="application/json")

    # What handlers use ------------------------------------------------------------------------------

    def find(self, rows: "QuerySet[Any]", **lookups: Any) -> Any:
        """Return the one row that the lookups name.

        Raises:
            Problem: 404, there is none among `rows`.
        """
        row = rows.filter(**lookups).first()
        if row is None:
            raise not_found()
        return row

    def lock(self, rows: "QuerySet[Any]", **lookups: Any) -> Any:
        """Return the one row that the lookups name, locked until the transaction ends.

        Raises:
            Problem: 404, there is none among `rows`.
        """
        return self.find(rows.select_for_update(of=("self",)), **lookups)

    def locked(self, rows: "QuerySet[Any]", **lookups: Any) -> Any:
        """Return the one row that the address is about, locked, after holding the request to its `If-Match`.

        With the lock two writers who read the same version cannot both win.

        Raises:
            Problem: 404, there is none among `rows`; 412, it is not what the client saw.
        """
        found = self.lock(rows, **lookups)
        self.hold_to_condition(found)
        return found

    def hold_to_condition(self, found: Any) -> None:
        """Hold the request to its `If-Match`.

        Args:
            found: what a GET of this address would show, locked; None: nothing, which matches no tag.

        Raises:
            Problem: 412, it is not what the client saw.
        """
        shown = self.operation_of("get")
        if shown is not None and "If-Match" in self.request.headers:
            etag = None if found is None else etag_of(answers.representation(self, shown, found))
            refuse_unless_matches(self.request, etag)

    # Errors -----------------------------------------------------------------------------------------

    def get_authenticate_header(self, request: Any) -> str:
        """Return the challenge of a 401; never Basic, for which browsers would ask in a window of their own."""
        return 'Bearer realm="Gatehouse"'

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        """Return the problem document of an exception.

        Raises:
            Exception: it is none of the client's doing; Django logs it and answers 500.
        """
        if isinstance(exc, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
            exc.auth_header = self.get_authenticate_header(self.request)  # type: ignore[union-attr]
        problem = problem_of(exc)
        if problem is None:
            raise exc
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.error("%s %s: %s", self.request.method, self.request.path, exc)
        if isinstance(exc, MissingPermission):
            problem.members["granted_by"] = self._grantors(exc)
        return problem.response()

    def _grantors(self, refusal: MissingPermission) -> list[dict[str, str]]:
        """Return who can grant what was missing; the refused transaction is over, so that it takes a new scope."""
        if self.organization_id is None:
            return []
        with tenant_scope(self.organization_id):
            found = directory().grantors(refusal, self.actor, self.organization_id)
        return [{"name": one.name, "email": one.email} for one in found]


class OrganizationView(ApiView):
    """An endpoint below ``/organizations/{organization}/``."""

    def find_organization(self, credential: Credential) -> UUID | None:
        """Return the organization of the path.

        Raises:
            Problem: 404, somebody else's and one that does not exist alike.
        """
        found = directory().find(self.kwargs["organization"], credential)
        if found is None:
            raise not_found()
        return found

    def place(self) -> Any:
        """Return the organization."""
        return self.organization

    def handler_arguments(self) -> dict[str, Any]:
        """Return the path's arguments below the organization."""
        return {name: value for name, value in self.kwargs.items() if name != "organization"}

    def lock_organization(self) -> None:
        """Lock the organization's row, before a row whose service locks it as well: always in that order."""
        model = type(self.organization)
        self.organization = model._default_manager.select_for_update(of=("self",), no_key=True).get(
            pk=self.organization.pk
        )


@csrf_exempt
@transaction.non_atomic_requests
def nowhere(request: HttpRequest) -> HttpResponse:
    """Answer an address that is none (404)."""
    return not_found().response()
