"""The pages behind a set-up link: choose the provider, enter what it gave, test, finish.

The token in the link's address is exchanged for a mark in the browser's session at once: no page has it in its address.
"""

from collections.abc import Callable
from functools import partial, wraps
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.forms.sso_setup import OidcSetupForm, SamlSetupForm, SetupChoiceForm
from accounts.models import SsoLogin, SsoProtocol, SsoProvider, SsoSetupLink
from accounts.saml_providers import saml_guide_for
from accounts.services import sso_setup as services
from accounts.services.sso_setup import (
    find_setup_link,
    finish_setup,
    holder_of,
    open_setup_link,
    refresh_connection,
    set_up_connection,
    testable,
    waiting_domains,
    why_closed,
)
from accounts.sign_in_limit import seconds_to_wait
from accounts.sso_providers import guide_for
from console.confirm import add_refusal
from isolation.context import acting_as
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope

from .attempt import tested_here
from .oidc.registration import redirect_uri
from .pages import too_many
from .saml.addresses import acs_url, entity_id, slo_url
from .views import begin_test

_MARKS = "sso_setup_links"
_MOST_MARKS = 5
View = Callable[..., HttpResponse]


@never_cache
@transaction.non_atomic_requests
@require_safe
def enter(request: HttpRequest, token: str) -> HttpResponse:
    """Exchange the token for a mark in the session, and go on at an address without it.

    Raises:
        Http404: no link has this token.
    """
    if wait := seconds_to_wait():
        return too_many(request, wait)
    found = find_setup_link(token)
    if found is None:
        raise Http404
    organization_id, link_id = found
    with tenant_scope(organization_id):
        link = _link(link_id)
        state = why_closed(link)
        if not state:
            open_setup_link(link=link)
        response = _closed(request, state) if state else redirect("sso_setup", link_id)
    if not state:
        marks = {**request.session.get(_MARKS, {}), str(link_id): str(organization_id)}
        request.session[_MARKS] = dict(list(marks.items())[-_MOST_MARKS:])
    response["Referrer-Policy"] = "no-referrer"
    return response


def _held(view: View) -> View:
    """Hand the open link to a view whose browser has come by it, in its organization's scope and as its holder."""

    @never_cache
    @transaction.non_atomic_requests
    @wraps(view)
    def guarded(request: HttpRequest, link_id: UUID, **kwargs: Any) -> HttpResponse:
        if wait := seconds_to_wait():
            return too_many(request, wait)
        organization_id = request.session.get(_MARKS, {}).get(str(link_id))
        if organization_id is None:
            raise Http404
        with tenant_scope(UUID(organization_id)):
            link = _link(link_id)
            if state := why_closed(link):
                return _closed(request, state)
            with acting_as(holder_of(link)):
                return view(request, link, **kwargs)

    return guarded


@_held
@require_safe
def choose(request: HttpRequest, link: SsoSetupLink) -> HttpResponse:
    """Ask for provider and protocol, once."""
    if link.connection is not None:
        return redirect("sso_setup_connection", link.pk)
    form = SetupChoiceForm(request.GET or None)
    if form.is_bound and form.is_valid():
        chosen = form.cleaned_data
        response = redirect("sso_setup_connection", link.pk)
        response["Location"] += f"?provider={chosen['provider']}&protocol={chosen['protocol']}"
        return response
    return render(request, "accounts/sso/setup_choose.html", _context(link, form=form))


@sensitive_post_parameters("client_secret")
@_held
@require_http_methods(["GET", "HEAD", "POST"])
def connection(request: HttpRequest, link: SsoSetupLink) -> HttpResponse:
    """Show what the provider needs, and take what it gave."""
    made = link.connection
    provider, protocol = (made.provider, made.protocol) if made else _chosen(request)
    if not provider:
        return redirect("sso_setup", link.pk)
    is_saml = protocol == SsoProtocol.SAML
    form_class = SamlSetupForm if is_saml else OidcSetupForm
    posted = (request.POST, request.FILES) if request.method == "POST" else ()
    form = form_class(*posted, connection=made, provider=provider)
    if form.is_bound and form.is_valid():
        try:
            set_up_connection(link=link, protocol=protocol, provider=provider, **form.values())
        except DomainError as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, "Saved. Now test it.")
            return redirect("sso_setup_connection", link.pk)
    needed: dict[str, Any] = {"redirect_uri": redirect_uri(link.reserved_id), "guide": guide_for(provider)}
    if is_saml:
        needed = {
            "entity_id": entity_id(link.reserved_id),
            "acs_url": acs_url(link.reserved_id),
            "slo_url": slo_url(link.reserved_id),
            "guide": saml_guide_for(provider),
        }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    label, domains = SsoProvider(provider).label, waiting_domains(link)
    context = _context(link, form=form, is_saml=is_saml, provider=label, domains=domains, **needed)
    return render(request, "accounts/sso/setup_connection.html", context, status=status)


@_held
@require_POST
def refresh(request: HttpRequest, link: SsoSetupLink) -> HttpResponse:
    """Ask the provider again."""
    return _done(request, link, refresh_connection, "What the provider says of itself is up to date.")


@_held
@require_POST
def look_for_domain(request: HttpRequest, link: SsoSetupLink, domain_id: UUID) -> HttpResponse:
    """Look for the record of a domain."""
    verb = partial(services.look_for_domain, domain_id=domain_id)
    return _done(request, link, verb, "The record was found: the domain is verified.")


@_held
@require_safe
def test(request: HttpRequest, link: SsoSetupLink) -> HttpResponse:
    """Begin a real sign-in that changes nothing."""
    try:
        tested = testable(link=link)
    except DomainError as refusal:
        messages.error(request, refusal.message)
        return redirect("sso_setup", link.pk)
    return begin_test(request, tested, setup_link=str(link.pk))


@_held
@require_safe
def outcome(request: HttpRequest, link: SsoSetupLink, login_id: UUID) -> HttpResponse:
    """Show how a test went that this browser made.

    Raises:
        Http404: it made no such test.
    """
    tests = SsoLogin.objects.filter(connection_id=link.connection_id, is_test=True)
    login = tests.filter(pk=login_id).first() if tested_here(request, login_id) else None
    if login is None:
        raise Http404
    return render(request, "accounts/sso/setup_outcome.html", _context(link, login=login))


@_held
@require_POST
def finish(request: HttpRequest, link: SsoSetupLink) -> HttpResponse:
    """End the link."""
    try:
        finish_setup(link=link)
    except DomainError as refusal:
        messages.error(request, refusal.message)
        return redirect("sso_setup", link.pk)
    return render(request, "accounts/sso/setup_finished.html", _context(link))


def _done(request: HttpRequest, link: SsoSetupLink, verb: Callable[..., object], said: str) -> HttpResponse:
    try:
        verb(link=link)
    except DomainError as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, said)
    return redirect("sso_setup", link.pk)


def _chosen(request: HttpRequest) -> tuple[str, str]:
    form = SetupChoiceForm(request.GET)
    return (form.cleaned_data["provider"], form.cleaned_data["protocol"]) if form.is_valid() else ("", "")


def _link(link_id: UUID) -> SsoSetupLink:
    link: SsoSetupLink | None = (
        SsoSetupLink.objects.select_related("organization", "connection").filter(pk=link_id).first()
    )
    if link is None:  # deleted with its connection
        raise Http404
    return link


def _closed(request: HttpRequest, state: str) -> HttpResponse:
    return render(request, "accounts/sso/setup_closed.html", {"state": state}, status=HTTPStatus.GONE)


def _context(link: SsoSetupLink, **more: Any) -> dict[str, Any]:
    return {"link": link, "organization": link.organization, "connection": link.connection, **more}
