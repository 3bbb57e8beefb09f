"""The first page: my organizations, what waits for me, what to do next; creating an organization; the profile."""

from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.models import SocialIdentity
from accounts.second_factor import has_second_factor, operator_lacks_second_factor, step_up_url
from accounts.services.users import operator_actor, person, update_user
from accounts.sso.held import doors_for_login
from console.links import login_url, root_url
from isolation.actor import Actor
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from portal.forms import OrganizationForm, ProfileForm
from tenants.lookups import MembershipSummary, OpenInvitation, memberships_of, open_invitations
from tenants.models import Membership
from tenants.services.members import leave_organization
from tenants.services.organizations import create_organization as create
from tenants.services.organizations import may_create_organization


@never_cache
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show a person's organizations and open invitations; lead everybody else to sign in."""
    if not request.user.is_authenticated:
        return redirect(login_url())
    memberships = memberships_of(request.user.pk)
    context = {
        "memberships": [membership for membership in memberships if membership.is_active],
        "inactive": [membership for membership in memberships if not membership.is_active],
        "invitations": pending_for(request),
        "may_create": may_create_organization(creator(request)),
    }
    return render(request, "portal/home.html", context)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def create_organization(request: HttpRequest) -> HttpResponse:
    """Create an organization; its creator becomes its owner."""
    if _user(request).is_operator and operator_lacks_second_factor(request):
        return redirect(step_up_url(request, request.get_full_path()))
    actor = creator(request)
    if not may_create_organization(actor):
        return render(request, "portal/organization_new_closed.html", status=403)
    form = OrganizationForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            organization = create(**form.cleaned_data, owner=request.user, actor=actor)
        except DomainError as error:
            form.refuse(error)
        else:
            messages.success(request, f"{organization.name} is ready. Create a project and invite colleagues.")
            return redirect(root_url(f"o/{organization.slug}/"))
    return render(request, "portal/organization_new.html", {"form": form})


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """Show and change a person's name, lead to addresses and password, and let them leave organizations."""
    leaving = request.POST.get("leave")
    if leaving:
        return _leave(request, leaving)
    form = ProfileForm(request.POST if request.method == "POST" else None, initial={"name": _user(request).name})
    if request.method == "POST" and form.is_valid():
        update_user(user=_user(request), actor=person(_user(request)), name=form.cleaned_data["name"].strip())
        messages.success(request, "Your name is saved.")
        return redirect("profile")
    context = {
        "form": form,
        "addresses": EmailAddress.objects.filter(user_id=request.user.pk).order_by("-primary", "email"),
        "second_factor": has_second_factor(_user(request)),
        "memberships": memberships_of(_user(request).pk),
        "social_identities": SocialIdentity.objects.filter(user=_user(request)),
        "held_by": next((door.organization for door in doors_for_login(_user(request))), ""),
    }
    return render(request, "portal/profile.html", context)


def pending_for(request: HttpRequest) -> list[OpenInvitation]:
    """Return the invitations that wait for the signed-in person; none as long as their address is not verified."""
    return open_invitations(_user(request).email) if has_verified_address(request.user) else []


def has_verified_address(user: Any) -> bool:
    """Return whether somebody has proven that the address they sign in with is theirs."""
    return bool(EmailAddress.objects.filter(user_id=user.pk, email__iexact=user.email, verified=True).exists())


def creator(request: HttpRequest) -> Actor:
    """Return who would create an organization: operators may where others may not."""
    user = _user(request)
    return operator_actor(user) if user.is_operator else person(user)


def _leave(request: HttpRequest, organization_id: str) -> HttpResponse:
    place = _own_place(request, organization_id)
    try:
        with tenant_scope(place.organization_id):
            membership = Membership.objects.get(user_id=request.user.pk)
            leave_organization(membership=membership, actor=person(_user(request)))
    except DomainError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"You have left {place.name}.")
    return redirect("profile")


def _own_place(request: HttpRequest, organization_id: str) -> MembershipSummary:
    """Return the person's own membership.

    Raises:
        Http404: they have none there.
    """
    try:
        wanted = UUID(organization_id)
    except ValueError:
        raise Http404 from None
    for place in memberships_of(_user(request).pk):
        if place.organization_id == wanted:
            return place
    raise Http404


def _user(request: HttpRequest) -> Any:
    return request.user
