"""Roles: the matrix of what each allows, and the custom ones."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from console.access import actor_of, can
from console.actions import object_action
from console.options import TenantModelAdmin
from console.sites import tenant_site
from tenants.forms.roles import RoleForm
from tenants.models import Role
from tenants.permissions import CATALOGUE, P
from tenants.selectors import roles_with_holders
from tenants.services.roles import create_role, delete_role, update_role

from .common import STYLE, WithHistory, organization_of, page


@tenant_site.page(
    "roles/",
    name="roles",
    title="Roles",
    permission=P.ROLES_READ,
    menu=("Access", 40),
    icon="admin_panel_settings",
    description="What each role allows, and roles of your own.",
)
def matrix(request: HttpRequest) -> HttpResponse:
    """Show every role's permissions side by side."""
    roles = roles_with_holders()
    allowed = {role.pk: role.permissions for role, _ in roles}
    groups = [
        (group.label, [(item, [item.name in allowed[role.pk] for role, _ in roles]) for item in group.permissions])
        for group in CATALOGUE
    ]
    context = {
        "title": "Roles",
        "roles": roles,
        "groups": groups,
        "columns": len(roles),
        "may_manage": can(request, P.ROLES_MANAGE),
        "sees_members": can(request, P.MEMBERS_READ),
        "only_builtin": all(role.is_builtin for role, _ in roles),
    }
    return page(tenant_site, request, "tenants/roles.html", context)


@admin.register(Role, site=tenant_site)
class RoleAdmin(WithHistory, TenantModelAdmin):
    """One role; the list is the matrix."""

    permissions: ClassVar = {"view": P.ROLES_READ, "add": P.ROLES_MANAGE, "change": P.ROLES_MANAGE}
    icon = "admin_panel_settings"
    form = RoleForm
    fields = ("name", "description", "granted")
    search_fields = ("^name",)
    actions_detail = ("delete_custom",)

    class Media:
        css = STYLE

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Lead to the matrix."""
        self.demand(request, "view")
        return HttpResponseRedirect(reverse("console:roles"))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the role may be changed: built-in ones never."""
        return not (obj is not None and obj.is_builtin) and super().has_change_permission(request, obj)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the form's fields; whoever may only look sees the permissions in words."""
        if obj is not None and not self.has_change_permission(request, obj):
            return ("name", "description", "kind", "allows_what")
        return self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fields in words."""
        return ("kind", "allows_what") if "kind" in self.get_fields(request, obj) else ()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """Return the form class, whose check boxes know what the actor holds."""
        form_class = super().get_form(request, obj, change, **kwargs)
        if "granted" in form_class.base_fields:
            # Declared fields are shared by all form classes; this one speaks about one actor.
            field = deepcopy(form_class.base_fields["granted"])
            field.widget.held = frozenset(name for name in P if can(request, name))
            form_class.base_fields["granted"] = field
        return form_class

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> Role:
        """Create a custom role."""
        return create_role(
            organization=organization_of(request),
            name=values["name"],
            description=values["description"],
            permissions=values["granted"],
            actor=actor_of(request),
        )

    def perform_update(self, request: HttpRequest, obj: Any, values: dict[str, Any]) -> None:
        """Change a custom role."""
        update_role(
            role=obj,
            name=values.get("name", obj.name),
            description=values.get("description", obj.description),
            permissions=_kept(request, obj, values["granted"]) if "granted" in values else obj.permissions,
            actor=actor_of(request),
        )

    @object_action(
        permission=P.ROLES_MANAGE,
        description="Delete role",
        confirm="Only a role that nobody has can be deleted: no member, group or open invitation.",
        icon="delete",
        danger=True,
        when=lambda role: not role.is_builtin,
    )
    def delete_custom(self, request: HttpRequest, obj: Role, data: dict[str, Any]) -> HttpResponse:
        """Delete a custom role."""
        label = str(obj)
        delete_role(role=obj, actor=actor_of(request))
        messages.success(request, f"The role {label} was deleted.")
        return HttpResponseRedirect(reverse("console:roles"))

    @admin.display(description="Kind")
    def kind(self, obj: Role) -> str:
        """Return whether the role comes with Gatehouse."""
        return "Built in, cannot be changed" if obj.is_builtin else "Custom"

    @admin.display(description="Allows")
    def allows_what(self, obj: Role) -> str:
        """Return the permissions in words, a line for each resource."""
        return format_html_join("", "<p><strong>{}</strong>: {}</p>", _lines(obj)) or format_html("Nothing by itself.")


def _lines(role: Role) -> Iterator[tuple[str, str]]:
    for group in CATALOGUE:
        labels = [item.label for item in group.permissions if item.name in role.permissions]
        if labels:
            yield group.label, ", ".join(labels)


def _kept(request: HttpRequest, role: Role, chosen: list[str]) -> list[str]:
    """Return the chosen permissions and those that the role has and the actor lacks.

    A browser leaves disabled boxes out; without this, saving would take those permissions away. With them, the service
    refuses, and says so, because the role is above the actor's own permissions.
    """
    hidden = [name for name in role.permissions if not can(request, name)]
    return [*chosen, *hidden]
