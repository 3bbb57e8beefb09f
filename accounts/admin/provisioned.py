"""Provisioned people: who came through a connection, and the button that ends its management of one of them."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts.models import ProvisionedUser
from accounts.services.releasing import release_provisioned_user
from console.access import actor_of
from console.actions import object_action
from console.keyset import KeysetList
from console.options import TenantModelAdmin
from console.sites import tenant_site
from tenants.admin.common import STYLE, badge, two_lines
from tenants.permissions import P

from .common import code, moment


@admin.register(ProvisionedUser, site=tenant_site)
class ProvisionedUserAdmin(KeysetList, TenantModelAdmin):
    """People as identity providers describe them; the menu leads to them through their connection."""

    permissions: ClassVar = {"view": P.SCIM_READ}
    empty_title = "Nobody yet"
    empty_text = "People stand here as soon as an identity provider sends them."

    list_display = ("title", "state", "of_connection", "provisioned")
    list_filter = ("connection", "active")
    search_fields = ("email__startswith",)
    search_help_text = "Search by the beginning of an e-mail address"
    fields = readonly_fields = ("title", "state", "of_connection", "external_id_text", "provisioned", "changed")
    actions_detail = ("release",)

    class Media:
        css = STYLE

    def narrow(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the people with their connections."""
        return super().narrow(request, queryset).select_related("connection")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Search in lower case, as addresses are stored."""
        found: tuple[Any, bool] = super().get_search_results(request, queryset, search_term.lower())
        return found

    @object_action(
        permission=P.SCIM_MANAGE,
        description="Manage by hand",
        confirm="The identity provider manages this person no more. Who has joined stays a member with roles and "
        "groups; an open invitation of somebody who waits is withdrawn. When the identity provider creates them again, "
        "it takes over again.",
        icon="back_hand",
    )
    def release(self, request: HttpRequest, obj: ProvisionedUser, data: dict[str, Any]) -> HttpResponse:
        """End the management by the identity provider."""
        label, connection = str(obj), obj.connection_id
        release_provisioned_user(user=obj, actor=actor_of(request))
        messages.success(request, f"{label} is managed by hand now.")
        return HttpResponseRedirect(reverse("console:provisioning_drift", args=[connection]))

    @admin.display(description="Person")
    def title(self, obj: ProvisionedUser) -> str:
        """Return userName and e-mail address."""
        return two_lines(obj.user_name, obj.email if obj.email != obj.user_name else "")

    @admin.display(description="State")
    def state(self, obj: ProvisionedUser) -> str:
        """Return whether they belong to the organization now."""
        if not obj.active:
            return badge("Inactive", "warn")
        return badge("Active", "good") if obj.membership_id else badge("Not joined yet", "warn")

    @admin.display(description="Connection")
    def of_connection(self, obj: ProvisionedUser) -> str:
        """Return who manages them."""
        return str(obj.connection)

    @admin.display(description="externalId")
    def external_id_text(self, obj: ProvisionedUser) -> str:
        """Return the identity provider's own id."""
        return code(obj.external_id) if obj.external_id else "None"

    @admin.display(description="Provisioned")
    def provisioned(self, obj: ProvisionedUser) -> str:
        """Return since when they are known."""
        return moment(obj.created_at)

    @admin.display(description="Last changed")
    def changed(self, obj: ProvisionedUser) -> str:
        """Return when the identity provider changed them last."""
        return moment(obj.updated_at)
