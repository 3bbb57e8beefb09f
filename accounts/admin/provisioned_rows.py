"""What provisioning adds to the pages of groups and members: who manages them, handing over, and taking back."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts.models import ProvisionedGroup, ProvisionedUser, ScimConnection
from accounts.scim.resources import Group as ScimGroup
from accounts.scim.resources import comparable_name
from accounts.services.provisioned_groups import adopt_group
from accounts.services.releasing import release_provisioned_group
from console.access import actor_of, can
from console.actions import object_action
from console.sites import tenant_site
from isolation.exceptions import DomainError
from tenants.admin.groups import GroupAdmin
from tenants.admin.managed import MANAGERS, is_by_hand, is_managed
from tenants.models import Group
from tenants.permissions import P


def manager_of(request: HttpRequest, row: Any) -> tuple[str, str]:
    """Return name and address of the connection that manages a member or group, for whoever may see connections."""
    if not can(request, P.SCIM_READ):
        return "", ""
    rows: Any = ProvisionedGroup.objects if isinstance(row, Group) else ProvisionedUser.objects
    named = {"group": row} if isinstance(row, Group) else {"membership": row}
    found = rows.filter(**named).select_related("connection").first()
    if found is None:
        return "", reverse("console:accounts_scimconnection_changelist")
    return str(found.connection), reverse("console:accounts_scimconnection_change", args=[found.connection_id])


def _connection_form(model_admin: Any, request: HttpRequest, group: Group) -> type[forms.Form]:
    names = [(str(row.pk), row.name) for row in ScimConnection.objects.order_by("name")]

    class Form(forms.Form):
        connection = forms.ChoiceField(
            label="Connection",
            choices=names,
            help_text="" if names else "There is no connection yet: make one on the page Provisioning.",
        )

    return Form


class ProvisionableGroupAdmin(GroupAdmin):
    """Groups, which an identity provider may manage."""

    actions_detail = (*GroupAdmin.actions_detail, "hand_over", "manage_by_hand")

    def holds(self, request: HttpRequest, permission: str, obj: Any = None) -> bool:
        """Return whether the actor may use a button; those of provisioning want the right to manage groups as well."""
        return super().holds(request, permission, obj) and (
            permission != P.SCIM_MANAGE or can(request, P.GROUPS_MANAGE, obj)
        )

    @object_action(
        permission=P.SCIM_MANAGE,
        description="Hand over to the identity provider",
        confirm="The identity provider decides its name and members from now on, and finds it by its name. Members "
        "whom the connection does not know leave the group now. The group's roles stay, and stay editable here.",
        icon="sync",
        form=_connection_form,
        when=is_by_hand,
    )
    def hand_over(self, request: HttpRequest, obj: Group, data: dict[str, Any]) -> None:
        """Let a connection manage the group."""
        connection = ScimConnection.objects.filter(pk=data["connection"]).first()
        if connection is None:
            raise DomainError("This connection no longer exists.", field="connection", code="gone")
        key = comparable_name(ScimGroup, "displayName", obj.name)
        adopt_group(group=obj, connection=connection, display_name_key=key, actor=actor_of(request))
        messages.success(request, f"{obj} is managed by {connection} now.")

    @object_action(
        permission=P.SCIM_MANAGE,
        description="Manage by hand again",
        confirm="The identity provider manages this group no more; members and roles stay as they are. When it sends a "
        "group of this name again, that is refused until this one is renamed or handed over.",
        icon="back_hand",
        when=is_managed,
    )
    def manage_by_hand(self, request: HttpRequest, obj: Group, data: dict[str, Any]) -> HttpResponse:
        """End the management by the identity provider."""
        provisioned = ProvisionedGroup.objects.filter(group=obj).first()
        if provisioned is None:
            raise DomainError("No connection manages this group any more.", code="gone")
        release_provisioned_group(group=provisioned, actor=actor_of(request))
        messages.success(request, f"{obj} is managed by hand now.")
        return HttpResponseRedirect(self.object_url(obj))


tenant_site.unregister(Group)
admin.register(Group, site=tenant_site)(ProvisionableGroupAdmin)
MANAGERS.append(manager_of)
