"""The one view of the SCIM server: who asks, how often, in whose scope, and what is written down of it.

1. The token is recognized and the request is counted, in autocommit; without a token everything is 401.
2. The organization's scope is opened: one transaction, with the connection as the actor.
3. The endpoint runs; what it changed commits together with its audit events and the list of recent requests.
4. Whatever was raised leaves the scope, rolls back, becomes an error in SCIM's shape, and is written down afterwards.
"""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from accounts.alerts import alert_last_owner
from accounts.models import ScimConnection
from accounts.scim_addresses import SCIM_PATH
from accounts.scim_token_record import ScimTokenRecord
from accounts.services.connection_actor import connection_actor
from accounts.services.scim_authentication import TokenRefused, authenticate_token, note_use
from api.parsers import read_json
from console.links import root_url
from isolation.context import acting_as, current_origin
from isolation.scope import settling, tenant_scope

from . import oauth
from .context import ScimContext
from .endpoints import Answer, Call, answer_of, handler_of
from .errors import MEDIA_TYPE, ScimError, bad_request, error_of
from .limits import count_address, count_organization
from .me import own_user
from .requests import note_request

logger = logging.getLogger("gatehouse.scim")

MOST_BYTES = 1_048_576
_ACCEPTED = frozenset({MEDIA_TYPE, "application/json", "text/json", ""})


@csrf_exempt
@transaction.non_atomic_requests
def serve(request: HttpRequest, path: str = "") -> HttpResponse:
    """Answer a request below the base URL."""
    call = Call.of(request, path)
    if call.names == ("oauth2", "token"):
        return oauth.token(request)
    try:
        with settling():
            if call.names == ("me",):
                return _response(request, own_user(request, call, _base_url(request), _bearer(request)))
            token = _authenticated(request)
            return _Served(request, call, token).response()
    except ScimError as error:
        return error.response(_media_type(request))


class _Served:
    """One request of a recognized token."""

    def __init__(self, request: HttpRequest, call: Call, token: ScimTokenRecord) -> None:
        self._request = request
        self._call = call
        self._token = token
        self._began = time.monotonic()
        self._body: Any = None

    def response(self) -> HttpResponse:
        """Return the answer; an error is written down in a transaction of its own."""
        try:
            count_organization(self._token.organization_id)
            handler_of(self._call)  # a wrong method is told before the body is looked at
            self._body = _body(self._request)
            return _response(self._request, self._answer())
        except Exception as error:
            told = error_of(error)
            if told is None:
                logger.exception("%s %s", self._request.method, self._request.path)
                told = ScimError(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong here. It is in our log.")
            self._note_failure(told)
            return told.response(_media_type(self._request))

    def _answer(self) -> Answer:
        if self._call.names == ("bulk",):
            # Each operation has a transaction of its own.
            answer = answer_of(self._call, self._body, self._in_scope)
            with self._scope():
                self._note(answer.status)
            return answer
        with self._scope() as context:
            answer = answer_of(self._call, self._body, lambda run: run(context))
            self._note(answer.status)
        return answer

    def _in_scope(self, run: Any) -> Any:
        with self._scope() as context:
            return run(context)

    @contextmanager
    def _scope(self) -> Iterator[ScimContext]:
        with tenant_scope(self._token.organization_id):
            found = ScimConnection.objects.select_related("organization__default_role", "role")
            connection = found.filter(pk=self._token.connection_id).first()
            if connection is None:  # deleted since the token was looked up
                raise _unauthorized()
            with acting_as(connection_actor(connection)) as actor:
                if_match = self._request.headers.get("If-Match", "")
                yield ScimContext(connection, actor, _base_url(self._request), if_match)

    def _note(self, status: int, error: ScimError | None = None) -> None:
        note_request(
            self._request,
            organization_id=self._token.organization_id,
            connection_id=self._token.connection_id,
            status=status,
            body=self._body,
            seconds=time.monotonic() - self._began,
            error=error,
        )
        note_use(self._token, current_origin().ip)

    def _note_failure(self, error: ScimError) -> None:
        """Write a failure down; the client hears of the failure itself, whatever becomes of the note."""
        try:
            with tenant_scope(self._token.organization_id):
                if not ScimConnection.objects.filter(pk=self._token.connection_id).exists():
                    return
                self._note(error.status, error)
                if error.code == "last_owner":
                    alert_last_owner(self._token.organization_id, self._token.connection, error.detail)
        except Exception:
            logger.exception("a failure of %s %s was not written down", self._request.method, self._request.path)


def _authenticated(request: HttpRequest) -> ScimTokenRecord:
    """Return the token that a request carries.

    Raises:
        ScimError: 401, or 403 for a token that may not be used from here or now, or 429 for too many that failed.
    """
    try:
        return authenticate_token(bearer=_bearer(request), ip=current_origin().ip)
    except TokenRefused as refused:
        count_address()
        raise _unauthorized() from refused


def _bearer(request: HttpRequest) -> str:
    """Return the bearer token of a request (RFC 6750 section 2.1), "" without one."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def _unauthorized() -> ScimError:
    return ScimError(
        HTTPStatus.UNAUTHORIZED,
        "This token is not accepted: it may be mistyped, revoked, expired, or not allowed from this address. Look it "
        "up on the page Provisioning of your organization.",
        headers={"WWW-Authenticate": 'Bearer realm="Gatehouse SCIM"'},
    )


def _body(request: HttpRequest) -> Any:
    """Return the parsed body, None when there is none to read.

    Raises:
        ScimError, ParseError: 400, 413 or 415.
    """
    if request.method in {"GET", "HEAD", "DELETE"}:
        return None
    try:
        sent = request.body
    except RequestDataTooBig:
        sent = b" " * (MOST_BYTES + 1)
    if len(sent) > MOST_BYTES:
        raise ScimError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body has {MOST_BYTES} bytes at most (maxPayloadSize).")
    if (request.content_type or "").lower() not in _ACCEPTED:
        detail = f"Send the body as {MEDIA_TYPE} or application/json."
        raise ScimError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
    if not sent.strip():
        raise bad_request("The body is empty.", "invalidSyntax")
    return read_json(sent)


def _response(request: HttpRequest, answer: Answer) -> HttpResponse:
    headers = {"Cache-Control": "no-store", **answer.headers}
    if answer.body is None:
        response = HttpResponse(status=answer.status, headers=headers)
        del response.headers["Content-Type"]
        return response
    return HttpResponse(
        json.dumps(answer.body, ensure_ascii=False),
        status=answer.status,
        content_type=_media_type(request),
        headers=headers,
    )


def _media_type(request: HttpRequest) -> str:
    """Return application/json for a client that takes nothing else (OneLogin), SCIM's own type for every other."""
    accept = request.headers.get("Accept", "").lower()
    plain = "application/json" in accept and MEDIA_TYPE not in accept and "*/*" not in accept
    return "application/json" if plain else MEDIA_TYPE


def _base_url(request: HttpRequest) -> str:
    return request.build_absolute_uri(root_url(SCIM_PATH))
