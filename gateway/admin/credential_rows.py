"""What the pages of provider credentials share: who sees which, and what is said of one."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.urls import reverse

from console.access import actor_of, require
from gateway.credential_options import options_of
from gateway.models import ProviderCredential
from gateway.named_rows import projects_of
from gateway.upstreams import UnknownUpstream
from tenants.admin.common import authority_of, organization_of
from tenants.permissions import P


def may_add(request: HttpRequest) -> bool:
    """Return whether the actor may add a credential somewhere."""
    return authority_of(request).allows_somewhere(P.PROVIDER_CREDENTIALS_MANAGE)


def may_see_some(request: HttpRequest) -> bool:
    """Return whether the actor sees credentials somewhere."""
    return authority_of(request).allows_somewhere(P.PROVIDER_CREDENTIALS_READ) or may_add(request)


def demand_sight(request: HttpRequest) -> None:
    """Refuse who sees no credential anywhere.

    Raises:
        MissingPermission: they do not.
    """
    if not may_see_some(request):
        require(request, P.PROVIDER_CREDENTIALS_READ)


def demand_adding(request: HttpRequest) -> None:
    """Refuse who may add a credential nowhere; ask the others for a fresh sign-in before they fill in a form.

    Raises:
        MissingPermission: they may not.
        FreshSignInNeeded: they signed in long ago.
    """
    if not may_add(request):
        require(request, P.PROVIDER_CREDENTIALS_MANAGE)
    for project in projects_of(actor_of(request), P.PROVIDER_CREDENTIALS_MANAGE).rows[:1]:
        require(request, P.PROVIDER_CREDENTIALS_MANAGE, project)


def seen(request: HttpRequest) -> QuerySet[Any]:
    """Return the credentials that the actor sees, or manages."""
    rows = ProviderCredential.objects.for_organization(organization_of(request))
    actor = actor_of(request)
    found: QuerySet[Any] = rows.visible_to(actor) | rows.visible_to(actor, P.PROVIDER_CREDENTIALS_MANAGE)
    return found.select_related("project")


def found(request: HttpRequest, pk: UUID) -> ProviderCredential:
    """Return a credential that the actor sees.

    Raises:
        MissingPermission: they see none at all.
        Http404: they see no such.
    """
    demand_sight(request)
    credential: ProviderCredential | None = seen(request).filter(pk=pk).first()
    if credential is None:
        raise Http404("There is no such provider credential here.")
    return credential


def managed(request: HttpRequest, pk: UUID) -> ProviderCredential:
    """Return a credential that the actor may change.

    Raises:
        MissingPermission: they may not.
        Http404: they see no such.
    """
    credential = found(request, pk)
    require(request, P.PROVIDER_CREDENTIALS_MANAGE, credential)
    return credential


def url_of(credential: ProviderCredential, page: str = "") -> str:
    """Return the address of a credential's page."""
    return reverse(f"console:provider_credential{page}", args=[credential.pk])


def crumbs(credential: ProviderCredential | None = None) -> list[dict[str, str]]:
    """Return the way to a page below the list, or below a credential."""
    way = [{"title": "Provider credentials", "url": reverse("console:provider_credentials")}]
    return [*way, {"title": credential.name, "url": url_of(credential)}] if credential else way


def row_of(credential: ProviderCredential) -> dict[str, Any]:
    """Return what a list says of a credential."""
    try:
        upstream = credential.upstream().name
    except UnknownUpstream:
        upstream = ""
    state, tone = ("In use", "good") if credential.is_enabled else ("Off", "warn")
    if not upstream:
        state, tone = "Address not allowed", "bad"
    return {
        "credential": credential,
        "url": url_of(credential),
        "upstream": upstream,
        "state": state,
        "tone": tone,
        "models": ", ".join(credential.allowed_models) or "every model",
    }


def settings_of(credential: ProviderCredential) -> list[tuple[str, Any]]:
    """Return (label, value) of what a credential was told, without secrets."""
    told: list[tuple[str, Any]] = []
    for option in options_of(credential.provider, credential.kind):
        value = credential.options.get(option.name)
        if value not in {"", None}:
            told.append((option.label, dict(option.choices).get(str(value), value)))
    return told
