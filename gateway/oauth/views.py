"""The token endpoint and the revocation endpoint; outside the API's framework, because OAuth speaks forms."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt

from api import limits
from api.directory import directory
from api.problems import Problem
from gateway.claims import TokenRefused
from gateway.models import IssuedToken
from gateway.selectors import claims_of
from gateway.services.signing_keys import settle_signing_keys
from gateway.services.token_revocations import revoke_token
from gateway.services.tokens import Asked, Issued, issue_token
from gateway.signing import NoSigningKey
from gateway.well_known import EXCHANGE
from isolation.actor import Actor
from isolation.context import acting_as, current_origin
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import settling, tenant_scope

from .errors import NO_STORE, OAuthError, no_organization, oauth_error_of
from .requests import (
    ACCESS_TOKEN,
    Caller,
    caller_of,
    client_of,
    one,
    organization_reference,
    parameters_of,
    session_of,
    streaming_of,
)

logger = logging.getLogger("gatehouse.api")

View = Callable[[HttpRequest], HttpResponse]


def _oauth(view: View) -> View:
    """Return the view outside ATOMIC_REQUESTS and Django's CSRF check; what it raises becomes an OAuth error."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        try:
            with settling():
                response = view(request)
        except Exception as error:
            refused = oauth_error_of(error)
            if refused is None:
                raise
            if refused.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                logger.error("%s %s: %s", request.method, request.path, error)  # noqa: TRY400 - known, and said
            response = refused.response()
        patch_vary_headers(response, ["Authorization", "Cookie"])
        return response

    return csrf_exempt(transaction.non_atomic_requests(guarded))


@_oauth
def token(request: HttpRequest) -> HttpResponse:
    """Issue an access token (RFC 6749 section 4.4, RFC 8693)."""
    parameters = parameters_of(request)
    caller = _counted(lambda: caller_of(request, parameters))
    asked = Asked(
        project=one(parameters, "project"),
        scope=frozenset(one(parameters, "scope").split()),
        audiences=frozenset((*parameters.get("audience", ()), *parameters.get("resource", ()))),
        model_provider=one(parameters, "model_provider"),
        model_name=one(parameters, "model_name"),
        streaming=streaming_of(parameters),
    )
    reference = organization_reference(parameters, caller.key)
    organization_id = _organization(caller, reference)
    quotas = limits.quotas_of(caller.credential, organization_id)
    headers = limits.refuse_above(limits.count(quotas))
    try:
        issued = _issued(caller, organization_id, reference, asked)
    except NoSigningKey:
        settle_signing_keys(at_start=True)
        issued = _issued(caller, organization_id, reference, asked)
    return _answer(issued, headers, exchanged=one(parameters, "grant_type") == EXCHANGE)


@_oauth
def revoke(request: HttpRequest) -> HttpResponse:
    """End a token (RFC 7009); one that is not valid any more is answered as one that was ended."""
    parameters = parameters_of(request)
    caller = _counted(lambda: _revoker(request, parameters))
    text = one(parameters, "token")
    if not text:
        raise OAuthError("invalid_request", "The parameter token is missing.")
    with transaction.atomic():
        try:
            claims = claims_of(text)
        except TokenRefused:
            return HttpResponse(status=HTTPStatus.OK, headers=NO_STORE)
    organization_id = UUID(claims.organization_id)
    if directory().find(str(organization_id), caller.credential) != organization_id:
        raise _not_theirs()
    headers = limits.refuse_above(limits.count(limits.quotas_of(caller.credential, organization_id)))
    with _acting(caller, organization_id, str(organization_id)) as (_, actor):
        stored = IssuedToken.objects.filter(jti=claims.id).first()
        if stored is not None:
            try:
                revoke_token(token=stored, actor=actor, reason="By its holder")
            except MissingPermission:
                raise _not_theirs() from None
            except DomainError as error:
                if error.code not in {"already_revoked", "expired"}:
                    raise
    return HttpResponse(status=HTTPStatus.OK, headers={**NO_STORE, **headers})


def _counted(recognize: Callable[[], Caller]) -> Caller:
    """Return the caller; a request without a credential that holds is counted by its address.

    Raises:
        OAuthError, Problem: nobody is recognized; 429 after too many such requests.
    """
    try:
        return recognize()
    except (OAuthError, Problem):
        limits.refuse_above(limits.count([limits.quota_of_address(current_origin().ip)]))
        raise


def _revoker(request: HttpRequest, parameters: dict[str, list[str]]) -> Caller:
    if "Authorization" not in request.headers and "client_id" not in parameters:
        session = session_of(request)
        if session is not None:
            return Caller(session)
    return client_of(request, parameters)


def _organization(caller: Caller, reference: str) -> UUID:
    """Return the organization that a caller means.

    Raises:
        OAuthError: it is not theirs, or there is none.
    """
    found = directory().find(reference, caller.credential)
    if found is None:
        raise no_organization()
    return found


def _issued(caller: Caller, organization_id: UUID, reference: str, asked: Asked) -> Issued:
    with _acting(caller, organization_id, reference) as (organization, actor):
        return issue_token(organization=organization, actor=actor, key=caller.key, asked=asked)


@contextmanager
def _acting(caller: Caller, organization_id: UUID, reference: str) -> Iterator[tuple[Any, Actor]]:
    """Open the organization as the caller.

    Raises:
        AuthenticationFailed, Problem: they are not let in now.
    """
    with tenant_scope(organization_id):
        actor = caller.credential.actor_in(organization_id)
        organization = directory().enter(organization_id, reference)
        with acting_as(actor):
            yield organization, actor


def _answer(issued: Issued, headers: Mapping[str, str], *, exchanged: bool) -> HttpResponse:
    body = {
        "access_token": issued.text,
        "token_type": "Bearer",
        "expires_in": issued.seconds,
        "scope": " ".join(issued.scope),
    }
    if exchanged:
        body["issued_token_type"] = ACCESS_TOKEN
    return JsonResponse(body, headers={**NO_STORE, **headers})


def _not_theirs() -> OAuthError:
    return OAuthError(
        "unauthorized_client",
        "This token was issued to somebody else. Revoke it with the key, or as the person, that it was issued to, or "
        "with llm_proxy:manage in its organization.",
    )
