"""Accepting an invitation, as a new or an existing user. Looking at one changes nothing."""

from typing import Any, cast
from uuid import UUID, uuid4

from allauth.account.models import EmailAddress
from allauth.account.utils import perform_login
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.forms import InvitedSignUpForm
from accounts.models import User
from accounts.services.users import create_user, person
from accounts.social.views import start_joining
from console.links import root_url
from isolation.actor import Actor, ActorKind
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from portal.views.landing import pending_for
from tenants.models import Invitation, Membership
from tenants.services.invitations import accept_invitation, find_invitation


@sensitive_post_parameters("password1", "password2")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest, token: str) -> HttpResponse:
    """Show an invitation to whoever holds its link, and let the invited person accept it.

    Holding the link proves the address, because it went nowhere else: somebody new signs up here without a further
    mail, also where sign-up is closed.

    Raises:
        Http404: no invitation has this token.
    """
    invitation = _by_token(token)
    problem = _problem(invitation)
    context = {"invitation": invitation, "organization": invitation.organization, "token": token}
    if problem:
        return _closed(request, context, problem)
    if request.user.is_authenticated:
        return _for_signed_in(request, context)
    if _has_login(invitation.email.lower()):
        return render(request, "portal/invitation_sign_in.html", context)
    form = InvitedSignUpForm(request.POST if request.method == "POST" else None, email=invitation.email)
    if request.method == "POST" and form.is_valid():
        return _sign_up(request, invitation, form)
    return render(request, "portal/invitation_sign_up.html", context | {"form": form})


@never_cache
@transaction.non_atomic_requests
@require_safe
def join_with(request: HttpRequest, token: str, key: str) -> HttpResponse:
    """Send the holder of an invitation's link, somebody new, to a social provider.

    Raises:
        Http404: no invitation has this token, or there is no such provider.
    """
    invitation = _by_token(token)
    if request.user.is_authenticated or _problem(invitation) or _has_login(invitation.email.lower()):
        return redirect("invitation", token=token)
    return start_joining(request, key, invitation)


@login_required
@require_POST
def accept_here(request: HttpRequest, invitation_id: UUID) -> HttpResponse:
    """Accept an invitation from the landing page, where those for the person's verified address are listed.

    Raises:
        Http404: it is none of these.
    """
    for waiting in pending_for(request):
        if waiting.invitation_id == invitation_id:
            return _accept(request, waiting.organization_id, invitation_id)
    raise Http404


def _has_login(email: str) -> bool:
    """Return whether the address is that of a login, or a proven further one of some login."""
    proven = EmailAddress.objects.filter(email=email, verified=True)
    return User.objects.filter(email=email).exists() or proven.exists()


def _by_token(token: str) -> Invitation:
    found = find_invitation(token)
    if found is None:
        raise Http404
    organization_id, invitation_id = found
    with tenant_scope(organization_id):
        invitation: Invitation = Invitation.objects.select_related("organization", "role", "invited_by").get(
            pk=invitation_id
        )
        return invitation


def _problem(invitation: Invitation) -> str:
    """Return why nobody can accept the invitation: its state or "closed"; "" when it is open."""
    organization = invitation.organization
    if not invitation.is_open:
        return invitation.state
    return "closed" if organization.is_suspended or organization.is_being_deleted else ""


def _closed(request: HttpRequest, context: dict[str, Any], problem: str) -> HttpResponse:
    invitation = context["invitation"]
    is_member = False
    if request.user.is_authenticated:
        with tenant_scope(invitation.organization_id):
            is_member = Membership.objects.filter(user_id=request.user.pk, is_active=True).exists()
    return render(
        request, "portal/invitation_closed.html", context | {"problem": problem, "is_member": is_member}, status=410
    )


def _for_signed_in(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    invitation, user = context["invitation"], cast("User", request.user)
    if user.email.lower() != invitation.email.lower():
        return render(request, "portal/invitation_other.html", context)
    if request.method == "POST":
        return _accept(request, invitation.organization_id, invitation.pk)
    return render(request, "portal/invitation.html", context)


def _accept(request: HttpRequest, organization_id: UUID, invitation_id: UUID) -> HttpResponse:
    user: Any = request.user
    try:
        membership = accept_invitation(
            organization_id=organization_id, invitation_id=invitation_id, user=user, actor=person(user)
        )
    except DomainError as error:
        messages.error(request, error.message)
        return redirect(root_url())
    return _welcome(request, membership)


def _sign_up(request: HttpRequest, invitation: Invitation, form: InvitedSignUpForm) -> HttpResponse:
    data = form.cleaned_data
    newcomer = Actor(ActorKind.USER, uuid4(), invitation.email)
    try:
        user = create_user(
            email=invitation.email,
            password=data["password1"],
            name=data["name"].strip(),
            verified=True,
            actor=newcomer,
            id=newcomer.id,
        )
        membership = accept_invitation(
            organization_id=invitation.organization_id, invitation_id=invitation.pk, user=user, actor=person(user)
        )
    except DomainError as error:
        messages.error(request, error.message)
        return redirect(request.path)
    url = _organization_url(membership)
    messages.success(request, f"Welcome to {membership.organization.name}.")
    response: HttpResponse = perform_login(request, user, redirect_url=url)
    return response


def _welcome(request: HttpRequest, membership: Membership) -> HttpResponse:
    messages.success(request, f"Welcome to {membership.organization.name}.")
    return redirect(_organization_url(membership))


def _organization_url(membership: Membership) -> str:
    return root_url(f"o/{membership.organization.slug}/")
