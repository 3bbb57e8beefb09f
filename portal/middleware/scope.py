"""Puts each request where it belongs: one organization's scope, the operator's scope, or none."""

from collections.abc import Callable
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import set_script_prefix

from isolation.actor import ANONYMOUS, Actor, ActorKind, FullAuthority
from isolation.context import acting_as
from isolation.scope import operator_scope, settling, tenant_scope
from portal.support import support_session
from portal.views import refused
from tenants.access import support_actor, user_actor
from tenants.lookups import MembershipSummary, memberships_of, organization_id_of
from tenants.models import Organization

TENANT_PREFIX = "/o/"
OPERATOR_PREFIX = "/admin/"
_OPERATOR_READ_REASON = "Operator console"


class ScopeMiddleware:
    """Sets `request.organization` and `request.actor`, and opens the scope that the address asks for.

    ``/o/<slug>/`` is entered by membership (or by an operator who gave a reason), never by being staff. Somebody else's
    organization and one that does not exist look the same.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Run the request in its scope."""
        request.organization = None  # type: ignore[attr-defined]
        request.memberships = ()  # type: ignore[attr-defined]
        actor = installation_actor(request)
        request.actor = actor  # type: ignore[attr-defined]
        with settling(), acting_as(actor):
            if request.path_info.startswith(TENANT_PREFIX):
                return self._in_organization(request)
            if (
                request.path_info.startswith(OPERATOR_PREFIX)
                and actor.kind is ActorKind.OPERATOR
            ):
                with operator_scope(
                    f"{_OPERATOR_READ_REASON}: {request.method} {request.path_info}"
                ):
                    return self.get_response(request)
            return self.get_response(request)

    def _in_organization(self, request: HttpRequest) -> HttpResponse:
        slug, slash, rest = request.path_info.removeprefix(TENANT_PREFIX).partition("/")
        if not request.user.is_authenticated:
            return redirect(f"/accounts/login/?next={request.path_info}")
        if not slash:
            return redirect(f"{request.path_info}/")
        request.memberships = tuple(memberships_of(request.user.pk))  # type: ignore[attr-defined]
        membership = next(
            (m for m in request.memberships if m.slug == slug and m.is_active), None
        )  # type: ignore[attr-defined]
        support = support_session(request, slug) if membership is None else None
        request.support = support  # type: ignore[attr-defined]
        organization_id = (
            membership.organization_id
            if membership
            else support and organization_id_of(slug)
        )
        if organization_id is None or (
            support and support.organization_id != organization_id
        ):
            return refused.not_found(request)
        with tenant_scope(organization_id):
            return self._enter(request, slug, rest, organization_id, membership)

    def _enter(
        self,
        request: HttpRequest,
        slug: str,
        rest: str,
        organization_id: UUID,
        membership: MembershipSummary | None,
    ) -> HttpResponse:
        organization = Organization.objects.select_related("default_role").get(
            pk=organization_id
        )
        if organization.is_suspended and membership:
            return refused.suspended(request, organization)
        load = user_actor if membership else support_actor
        actor = load(request.user, organization_id)
        request.organization, request.actor = organization, actor  # type: ignore[attr-defined]
        prefix, path_info = f"{TENANT_PREFIX}{slug}/", request.path_info
        request.path_info = f"/{rest}"
        request.urlconf = "portal.urls_tenant"  # type: ignore[attr-defined]
        set_script_prefix(prefix)
        try:
            with acting_as(actor):
                response = self.get_response(request)
                # A template rendered later would reverse its links without the prefix and query without the tenant.
                if hasattr(response, "render") and not response.is_rendered:
                    response = response.render()
                if response.status_code >= 500:  # noqa: PLR2004 - server errors leave nothing half-done
                    transaction.set_rollback(True)
                return response
        finally:
            set_script_prefix("/")
            request.path_info = path_info


def installation_actor(request: HttpRequest) -> Actor:
    """Return who asks, outside any organization: an operator, a person, or nobody."""
    user = request.user
    if not user.is_authenticated or not user.is_active:
        return ANONYMOUS
    if user.is_operator and request.path_info.startswith(OPERATOR_PREFIX):
        return Actor(ActorKind.OPERATOR, user.pk, user.email, authority=FullAuthority())
    return Actor(ActorKind.USER, user.pk, user.email)
