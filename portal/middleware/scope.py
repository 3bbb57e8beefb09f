"""Puts each request where it belongs: one organization's scope, the operator's scope, or none."""

from collections.abc import Callable, Sequence
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth import logout
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import SimpleTemplateResponse
from django.urls import set_script_prefix

from accounts.entry import Entry, entry_of, note_break_glass
from accounts.freshness import proved_at
from accounts.models import User
from accounts.second_factor import operator_lacks_second_factor, step_up_url
from accounts.services.users import operator_actor, person
from accounts.sessions.ended import ended_here, is_ended
from accounts.sessions.facts import signed_in_at
from accounts.sso.confinement import Confinement, confinement_of
from console.links import root_url
from isolation.actor import ANONYMOUS, Actor, ActorKind
from isolation.context import acting_as
from isolation.scope import operator_scope, settling, tenant_scope
from portal.requests import ScopedRequest
from portal.support import support_session
from portal.views import refused
from portal.views.entry import not_yet
from tenants.access import support_actor, user_actor
from tenants.lookups import MembershipSummary, memberships_of, organization_id_of
from tenants.models import Organization

TENANT_PREFIX = "/o/"
OPERATOR_PREFIX = "/admin/"
OPENING_THEIR_OWN = ("/.well-known/", "/api/", "/scim/")
# Proving a factor that is there is no harm; adding one is, see `_is_of`.
OPEN_WHEN_CONFINED = (
    "/accounts/2fa/reauthenticate/",
    "/accounts/2fa/webauthn/reauthenticate/",
    "/accounts/confirm/",
    "/accounts/logout/",
    "/accounts/reauthenticate/",
    "/accounts/second-step/",
    "/healthz/",
    "/sso/",
)
SECOND_FACTORS = "/accounts/2fa/"
_READS_NO_ROWS = frozenset({"/admin/jsi18n/"})  # texts of the forms: not worth an event each
LOGIN_PATH = "/accounts/login/"
_SERVER_ERROR = 500


class ScopeMiddleware:
    """Sets `request.organization` and `request.actor`, and opens the scope that the address asks for.

    ``/o/<slug>/`` is entered by membership (or by an operator who gave a reason), never by being staff. Somebody else's
    organization and one that does not exist look the same.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, plain_request: HttpRequest) -> HttpResponse:
        """Run the request in its scope."""
        request = cast("ScopedRequest", plain_request)
        request.organization = request.support = None
        request.memberships = ()
        if request.path_info.startswith(OPENING_THEIR_OWN):  # or none
            request.actor = ANONYMOUS
            return self.get_response(request)
        user = request.user
        confinement = confinement_of(request) if isinstance(user, User) else None
        if confinement is not None and isinstance(user, User) and not confinement.holds(user):
            logout(request)
            return redirect(LOGIN_PATH)
        if confinement is not None and not request.path_info.startswith((TENANT_PREFIX, *OPEN_WHEN_CONFINED)):
            return self._confined(request, confinement)
        request.actor = installation_actor(request)
        with settling(), acting_as(request.actor):
            if request.path_info.startswith(TENANT_PREFIX):
                return self._in_organization(request, confinement)
            if request.actor.kind is ActorKind.OPERATOR:
                return self._in_operator_console(request)
            return self.get_response(request)

    def _in_operator_console(self, request: ScopedRequest) -> HttpResponse:
        """Open the installation's scope for an operator, who has proved a second factor where that is asked for."""
        if operator_lacks_second_factor(request):
            return redirect(step_up_url(request, request.get_full_path()))
        if request.path_info in _READS_NO_ROWS:
            return self.get_response(request)
        with operator_scope(f"Operator console: {request.method} {request.path_info}"):
            return _rendered(self.get_response(request))

    def _confined(self, request: ScopedRequest, confinement: Confinement) -> HttpResponse:
        """Lead from the first page into the organization; refuse the rest until the password is proved."""
        user = cast("User", request.user)
        places = memberships_of(user.pk)
        home = next((place for place in places if place.organization_id == confinement.organization_id), None)
        if request.path_info == "/" and home is not None and home.is_active:
            return redirect(root_url(f"o/{home.slug}/"))
        if request.path_info.startswith(SECOND_FACTORS) and _is_of(user, places, confinement.organization_id):
            request.actor = person(user)
            with settling(), acting_as(request.actor):
                return self.get_response(request)
        return refused.confined(request, home)

    def _in_organization(self, request: ScopedRequest, confinement: Confinement | None) -> HttpResponse:
        slug, slash, rest = request.path_info.removeprefix(TENANT_PREFIX).partition("/")
        user = request.user
        if not isinstance(user, User):
            return redirect(f"{LOGIN_PATH}?{urlencode({'next': request.get_full_path()})}")
        if not slash:
            return redirect(f"{request.path_info}/")
        memberships = tuple(memberships_of(user.pk))
        if confinement is not None:
            outside = {place.slug for place in memberships if place.organization_id != confinement.organization_id}
            memberships = tuple(place for place in memberships if place.slug not in outside)
            if slug in outside:
                return refused.confined(request, next(iter(memberships), None))
        request.memberships = memberships
        membership = next((m for m in request.memberships if m.slug == slug and m.is_active), None)
        organization_id = membership.organization_id if membership else None
        if organization_id is None and confinement is None:
            organization_id = _visited_organization(request, slug)
        if organization_id is None:
            return refused.not_found(request)
        with tenant_scope(organization_id):
            return self._enter(request, user, rest, organization_id, membership)

    def _enter(
        self,
        request: ScopedRequest,
        user: User,
        rest: str,
        organization_id: UUID,
        membership: MembershipSummary | None,
    ) -> HttpResponse:
        organizations = Organization.objects.select_related("default_role")
        organization: Any = organizations.annotate(sessions_ended_at=ended_here(user.pk)).get(pk=organization_id)
        if is_ended(signed_in_at(request), organization.sessions_ended_at):
            return _sign_in_again(request, organization)
        if organization.is_suspended and membership:
            return refused.suspended(request, organization)
        entry = entry_of(request, user, organization_id) if membership else Entry()
        if entry.asked:
            return not_yet(request, organization, entry.asked)
        if entry.by_break_glass:
            note_break_glass(request, organization_id, user)
        proved = proved_at(request, user, organization_id)
        actor = (
            user_actor(user, organization_id, proved_at=proved) if membership else support_actor(user, organization_id)
        )
        request.organization, request.actor = organization, actor
        path_info = request.path_info
        request.path_info = f"/{rest}"
        request.urlconf = "portal.urls_tenant"
        set_script_prefix(organization.get_absolute_url())
        try:
            with acting_as(actor):
                response = _rendered(self.get_response(request))
                if response.status_code >= _SERVER_ERROR:  # leaves nothing half-done
                    transaction.set_rollback(True)
                return response
        finally:
            set_script_prefix("/")
            request.path_info = path_info


def _sign_in_again(request: ScopedRequest, organization: Organization) -> HttpResponse:
    """End a session that the organization has closed its door to; a new sign-in leads back to the same page."""
    logout(request)
    messages.warning(request, f"Your sessions in {organization.name} were ended. Sign in again to go on.")
    return redirect(f"{LOGIN_PATH}?{urlencode({'next': request.get_full_path()})}")


def _is_of(user: User, places: Sequence[MembershipSummary], organization_id: UUID) -> bool:
    """Return whether a login is one organization's alone: no password, no other place, no authority elsewhere.

    Its provider may then lead to a second factor as well. Any other login would be taken further than the
    organization by a factor that its provider had put there.
    """
    elsewhere = any(place.organization_id != organization_id for place in places)
    return not (elsewhere or user.is_operator or user.has_usable_password())


def _visited_organization(request: ScopedRequest, slug: str) -> UUID | None:
    """Return the organization that an operator visits under `slug`, when the visit is for that very organization."""
    request.support = support_session(request, slug)
    if request.support is None or organization_id_of(slug) != request.support.organization_id:
        return None
    return request.support.organization_id


def _rendered(response: HttpResponse) -> HttpResponse:
    """Render a lazy response now: later it would reverse links without the prefix and query outside the scope."""
    if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
        return response.render()
    return response


def installation_actor(request: HttpRequest) -> Actor:
    """Return who asks, outside any organization: an operator, a person, or nobody."""
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return ANONYMOUS
    if user.is_operator and request.path_info.startswith(OPERATOR_PREFIX):
        return operator_actor(user, proved_at=proved_at(request, user))
    return person(user)
