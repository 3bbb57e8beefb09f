"""Who has signed in through a connection, and the button that forgets how the identity provider knows them."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts.models import SsoIdentity
from accounts.services.sso_connections import unlink_identity
from console.access import actor_of
from console.actions import object_action
from console.keyset import KeysetList
from console.options import TenantModelAdmin
from console.sites import tenant_site
from tenants.admin.common import STYLE, badge, two_lines
from tenants.permissions import P

from .common import code, moment


@admin.register(SsoIdentity, site=tenant_site)
class SsoIdentityAdmin(KeysetList, TenantModelAdmin):
    """Members as identity providers know them; the menu leads to them through their connection."""

    permissions: ClassVar = {"view": P.SSO_READ}
    empty_title = "Nobody yet"
    empty_text = "People stand here as soon as they have signed in through the connection."

    list_display = ("member", "of_connection", "state", "last")
    list_filter = ("connection",)
    fields = readonly_fields = ("member", "of_connection", "state", "subject_text", "issuer_text", "first", "last")
    actions_detail = ("forget",)

    class Media:
        css = STYLE

    def narrow(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the identities with their members."""
        return super().narrow(request, queryset).select_related("connection", "membership__user")

    @object_action(
        permission=P.SSO_MANAGE,
        description="Forget",
        confirm="Their next sign-in is recognized by the externalId or the e-mail address again. Use this when the "
        "identity provider's account of a person was replaced by another one.",
        icon="link_off",
    )
    def forget(self, request: HttpRequest, obj: SsoIdentity, data: dict[str, Any]) -> HttpResponse:
        """Forget how the identity provider knows a member."""
        label = str(obj.membership)
        unlink_identity(identity=obj, actor=actor_of(request))
        messages.success(request, f"The identity of {label} was forgotten.")
        return HttpResponseRedirect(reverse("console:accounts_ssoidentity_changelist"))

    @admin.display(description="Member")
    def member(self, obj: SsoIdentity) -> str:
        """Return name and address."""
        user = obj.membership.user
        return two_lines(user.display_name, user.email)

    @admin.display(description="Connection")
    def of_connection(self, obj: SsoIdentity) -> str:
        """Return through which connection they come."""
        return str(obj.connection)

    @admin.display(description="State")
    def state(self, obj: SsoIdentity) -> str:
        """Return whether it opens anything: it belongs to the issuer that the connection had."""
        return badge("Current", "good") if obj.issuer == obj.connection.issuer else badge("Former issuer", "warn")

    @admin.display(description="Subject")
    def subject_text(self, obj: SsoIdentity) -> str:
        """Return who they are to the issuer."""
        return code(obj.subject)

    @admin.display(description="Issuer")
    def issuer_text(self, obj: SsoIdentity) -> str:
        """Return the issuer."""
        return code(obj.issuer)

    @admin.display(description="First sign-in")
    def first(self, obj: SsoIdentity) -> str:
        """Return when they came first."""
        return moment(obj.created_at)

    @admin.display(description="Last sign-in")
    def last(self, obj: SsoIdentity) -> str:
        """Return when they came last."""
        return moment(obj.last_used_at)
