"""Signing in, joining and connecting with an account at a social provider: out, and back.

Nothing here holds a transaction while it waits for the provider. An account signs in the login that it is connected
with, known by its subject; an equal e-mail address connects nothing.
"""

from typing import Any, cast
from uuid import UUID

from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import perform_login
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.audit_events import record_refused_social
from accounts.models import SocialIdentity, User
from accounts.services.social_identities import (
    connect_social_identity,
    disconnect_social_identity,
    held_to,
    join_by_invitation,
    known_user,
    sign_up_with,
)
from accounts.services.users import person as acting_person
from accounts.sign_in_limit import seconds_to_wait
from accounts.social_providers import GITHUB, SOCIAL, SocialProvider
from accounts.sso import attempt as attempts
from accounts.sso.attempt import Attempt
from accounts.sso.exceptions import SignInRefused
from accounts.sso.held import doors_for_login
from console.links import root_url
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from outbound.exceptions import OutboundError
from tenants.models import Invitation

from . import github, openid
from .person import SocialPerson

CONNECT = "connect"
JOIN = "join"
_LONGEST_NEXT = 2_000
_NO_ATTEMPT = (
    "This sign-in was begun in another browser, was used already, or took longer than 15 minutes. Begin again."
)
_NOT_ACCEPTED = "{label} did not sign you in, or its answer was not accepted. Try again."
_UNREACHABLE = "{label} cannot be reached at the moment. Try again later, or sign in with your password."
_CHOOSE_ONE_FIRST = (
    "Choose a password first: sign out, and take “Forgot your password?” on the sign-in page. An account is connected "
    "by whoever knows it."
)


@never_cache
@transaction.non_atomic_requests
@require_safe
def start(request: HttpRequest, key: str) -> HttpResponse:
    """Send somebody to the provider, to sign in or sign up."""
    provider = _provider(key)
    if request.user.is_authenticated:  # another site may have sent the browser: it changes no session
        return redirect(root_url())
    return _leave(request, provider, next_url=request.GET.get("next", ""))


def start_joining(request: HttpRequest, key: str, invitation: Invitation) -> HttpResponse:
    """Send somebody who holds an invitation's link to the provider; call it outside a transaction."""
    provider = _provider(key)
    return _leave(request, provider, purpose=JOIN, about=f"{invitation.organization_id} {invitation.pk}")


@never_cache
@transaction.non_atomic_requests
@login_required
@require_POST
@reauthentication_required  # type: ignore[untyped-decorator]  # allauth has no type hints
def connect(request: HttpRequest, key: str) -> HttpResponse:
    """Send somebody who is signed in to the provider, to connect their account there."""
    provider = _provider(key)
    user = cast("User", request.user)
    if doors := doors_for_login(user):
        messages.error(request, held_to(doors))
        return redirect("profile")
    if not user.has_usable_password():
        messages.error(request, _CHOOSE_ONE_FIRST)
        return redirect("profile")
    return _leave(request, provider, purpose=CONNECT, about=str(user.pk), by_form=True)


@never_cache
@login_required
@require_POST
@reauthentication_required  # type: ignore[untyped-decorator]
def disconnect(request: HttpRequest, identity_id: UUID) -> HttpResponse:
    """Disconnect one of a person's own accounts.

    Raises:
        Http404: they have no such account.
    """
    user = cast("User", request.user)
    try:
        identity = disconnect_social_identity(user=user, identity_id=identity_id, actor=acting_person(user))
    except SocialIdentity.DoesNotExist:
        raise Http404 from None
    except DomainError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"Your account at {identity.label} signs you in no more.")
    return redirect("profile")


@never_cache
@transaction.non_atomic_requests
@require_safe
def callback(request: HttpRequest, key: str) -> HttpResponse:
    """Take back whoever comes from the provider."""
    provider = _provider(key)
    if wait := seconds_to_wait():
        return _too_many(request, wait)
    person: SocialPerson | None = None
    try:
        attempt = _attempt(request, provider)
        person = _who_came(request, provider, attempt)
        if attempt.purpose == CONNECT:
            return _connected(request, person, attempt)
        if attempt.purpose == JOIN:
            return _joined(request, person, attempt)
        return _signed_in(request, person, attempt)
    except SignInRefused as refused:
        who = (person.email or person.account or person.subject) if person else ""
        with transaction.atomic():
            record_refused_social(provider.label, who=who[:320], reason=refused.reason[:1000])
        return _refused(request, refused.advice)


def _provider(key: str) -> SocialProvider:
    """Return a provider that the operator has configured.

    Raises:
        Http404: it is none.
    """
    provider: SocialProvider | None = settings.SOCIAL_PROVIDERS.get(key)
    if provider is None:
        raise Http404
    return provider


def _leave(
    request: HttpRequest,
    provider: SocialProvider,
    *,
    next_url: str = "",
    purpose: str = "",
    about: str = "",
    by_form: bool = False,
) -> HttpResponse:
    if wait := seconds_to_wait():
        return _too_many(request, wait)
    name = _name(provider)
    attempt = attempts.begin(request, name, next_url=next_url[:_LONGEST_NEXT], purpose=purpose, about=about)
    try:
        url = _flow(provider).leaving_url(provider, attempt)
    except OutboundError:
        return _refused(request, _UNREACHABLE.format(label=provider.label), status=503)
    if by_form:  # browsers hold a form's redirects to the form-action of its page (CSP)
        return render(request, "accounts/social/leaving.html", {"label": provider.label, "leaving_url": url})
    return redirect(url)


def _attempt(request: HttpRequest, provider: SocialProvider) -> Attempt:
    attempt = attempts.finish(request, _name(provider), request.GET.get("state", ""))
    if attempt is None:
        raise SignInRefused("This browser began no such sign-in, or too long ago (state).", _NO_ATTEMPT)
    return attempt


def _who_came(request: HttpRequest, provider: SocialProvider, attempt: Attempt) -> SocialPerson:
    answer = {name: request.GET.getlist(name) for name in request.GET}
    try:
        person: SocialPerson = _flow(provider).person_who_came(provider, attempt, answer)
    except OutboundError as error:
        raise SignInRefused(error.detail, _UNREACHABLE.format(label=provider.label)) from error
    except SignInRefused as refused:
        raise SignInRefused(refused.reason, _NOT_ACCEPTED.format(label=provider.label)) from refused
    return person


def _signed_in(request: HttpRequest, person: SocialPerson, attempt: Attempt) -> HttpResponse:
    user = known_user(person)
    return _let_in(request, person, user or sign_up_with(person), _inside(request, attempt.next_url), new=user is None)


def _joined(request: HttpRequest, person: SocialPerson, attempt: Attempt) -> HttpResponse:
    """Make a member of whoever holds an invitation; an account that is known signs its own login in."""
    user = known_user(person)
    if user is not None:
        return _let_in(request, person, user, root_url())
    organization_id, invitation_id = (UUID(text) for text in attempt.about.split())
    with tenant_scope(organization_id):
        membership = join_by_invitation(person=person, organization_id=organization_id, invitation_id=invitation_id)
        name, slug = membership.organization.name, membership.organization.slug
    messages.success(request, f"Welcome to {name}.")
    return _let_in(request, person, membership.user, root_url(f"o/{slug}/"), new=True)


def _connected(request: HttpRequest, person: SocialPerson, attempt: Attempt) -> HttpResponse:
    user = request.user
    if not isinstance(user, User) or str(user.pk) != attempt.about:
        raise SignInRefused("Somebody else is signed in than who began to connect the account.", _NO_ATTEMPT)
    try:
        connect_social_identity(user=user, person=person, actor=acting_person(user))
    except DomainError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"You can sign in with {person.provider.label} now.")
    return redirect("profile")


@transaction.atomic
def _let_in(
    request: HttpRequest, person: SocialPerson, user: User, next_url: str, *, new: bool = False
) -> HttpResponse:
    """Open a session of the whole login; allauth asks for what else it takes: a second factor, a confirmed address."""
    if request.user.is_authenticated and request.user.pk != user.pk:
        logout(request)
    record_authentication(request, user, method=SOCIAL, provider=person.provider.key, is_new=new or None)
    response: HttpResponse = perform_login(request, user, redirect_url=next_url or None, signup=new)
    return response


def _inside(request: HttpRequest, next_url: str) -> str:
    """Return where to go within this installation, "" for where the login leads otherwise."""
    is_safe = next_url.startswith("/") and url_has_allowed_host_and_scheme(
        next_url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return next_url if is_safe else ""


def _flow(provider: SocialProvider) -> Any:
    return github if provider.key == GITHUB else openid


def _name(provider: SocialProvider) -> str:
    """Return what an attempt is bound to: never the id of a connection of an organization."""
    return f"social {provider.key} {provider.issuer}"


def _too_many(request: HttpRequest, wait: int) -> HttpResponse:
    text = f"Too many sign-ins from your address. Wait {wait} seconds, then go on."
    response = _refused(request, text, status=429)
    response["Retry-After"] = str(wait)
    return response


def _refused(request: HttpRequest, advice: str, *, status: int = 403) -> HttpResponse:
    return render(request, "accounts/social/refused.html", {"advice": advice}, status=status)
