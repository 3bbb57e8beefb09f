"""The sign-in policy: what is asked of people who enter, and who is excepted."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts.forms.sign_in_policy import SignInPolicyForm
from accounts.models import SignInException, SignInPolicy, SsoConnection
from accounts.second_factor import has_second_factor
from accounts.services.sign_in_policy import (
    add_sign_in_exception,
    remove_sign_in_exception,
    update_sign_in_policy,
)
from accounts.services.sso_requirement import has_proven_connection
from console.access import actor_of, can
from console.confirm import add_refusal
from console.options import TenantModelAdmin
from console.sites import tenant_site
from isolation.exceptions import DomainError
from tenants.admin.common import STYLE, WithHistory, organization_of, page, two_lines
from tenants.models import Domain, Membership
from tenants.permissions import P

from .common import moment


@tenant_site.page(
    "sign-in-policy/",
    name="sign_in_policy",
    title="Sign-in policy",
    permission=P.SIGN_IN_POLICY_READ,
    menu=("Access", 55),
    icon="policy",
    description="Require single sign-on or two steps, limit sessions and networks.",
    covers=("accounts/signinexception/",),
)
def sign_in_policy(request: HttpRequest) -> HttpResponse:
    """Show and save the policy."""
    organization = organization_of(request)
    editable = can(request, P.SIGN_IN_POLICY_MANAGE)
    policy = SignInPolicy.of(organization.pk)
    owners = list(Membership.objects.active_owners().select_related("user").order_by("user__email"))
    data = request.POST if request.method == "POST" and editable else None
    form = SignInPolicyForm(data, policy=policy, owners=owners, editable=editable)
    if form.is_bound and form.is_valid():
        try:
            update_sign_in_policy(organization=organization, actor=actor_of(request), **form.values())
        except DomainError as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, "The sign-in policy was saved. It counts from now on.")
            return HttpResponseRedirect(reverse("console:sign_in_policy"))
    guard = policy.break_glass
    context = {
        "title": "Sign-in policy",
        "editable": editable,
        "policy": policy,
        "is_proven": has_proven_connection(),
        "has_connection": SsoConnection.objects.exists(),
        "has_domain": Domain.objects.filter(verified_at__isnull=False).exists(),
        "guard_lost_second_step": guard is not None and policy.requires_sso and not has_second_factor(guard.user),
        "exceptions": SignInException.objects.count(),
    }
    return page(tenant_site, request, "accounts/sign_in_policy.html", context, form=form)


@admin.register(SignInException, site=tenant_site)
class SignInExceptionAdmin(WithHistory, TenantModelAdmin):
    """Members who go on without single sign-on; reached from the policy."""

    permissions: ClassVar = {
        "view": P.SIGN_IN_POLICY_READ,
        "add": P.SIGN_IN_POLICY_MANAGE,
        "delete": P.SIGN_IN_POLICY_MANAGE,
    }
    empty_title = "No exceptions"
    empty_text = "Where single sign-on is required, it is required of everybody."
    delete_text = "They have to come through the identity provider like the others, from their next request on."

    list_display = ("member", "reason", "since")
    autocomplete_fields = ("membership",)
    fields = ("membership", "reason")

    class Media:
        css = STYLE

    def narrow(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the exceptions with their members."""
        rows: QuerySet[Any] = super().narrow(request, queryset).select_related("membership__user")
        return rows.order_by("membership__user__email")

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> SignInException:
        """Except a member."""
        return add_sign_in_exception(actor=actor_of(request), **values)

    def perform_delete(self, request: HttpRequest, obj: Any) -> None:
        """Hold them to single sign-on again."""
        remove_sign_in_exception(exception=obj, actor=actor_of(request))

    @admin.display(description="Member")
    def member(self, obj: SignInException) -> str:
        """Return name and address."""
        user = obj.membership.user
        return two_lines(user.display_name, user.email)

    @admin.display(description="Since")
    def since(self, obj: SignInException) -> str:
        """Return since when, and by whom."""
        return two_lines(moment(obj.created_at), f"by {obj.created_by}")
