"""Groups: sets of members that carry roles."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from console.access import actor_of
from console.actions import object_action
from console.inlines import ScopedTabularInline
from console.options import TenantModelAdmin
from console.sites import tenant_site
from tenants.models import Group, GroupMember, GroupRole, Project, Source
from tenants.permissions import P
from tenants.selectors import with_sizes
from tenants.services.groups import (
    add_group_member,
    create_group,
    delete_group,
    remove_group_member,
    remove_group_role,
    set_group_role,
    update_group,
)

from .common import STYLE, WithHistory, organization_of, role_field, role_options, two_lines
from .people import PeopleInline

_PARTS: dict[str, str] = {"view": P.GROUPS_READ, "add": P.GROUPS_MANAGE, "delete": P.GROUPS_MANAGE}


class Roles(ScopedTabularInline):
    """What the group gives its members."""

    model = GroupRole
    fields = ("role", "project")
    autocomplete_fields = ("project",)
    hide_title = True
    verbose_name = "role"
    verbose_name_plural = "Roles that the group gives"
    template_before = "tenants/includes/group_roles_hint.html"
    permissions: ClassVar = _PARTS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the roles, those in projects that the actor sees."""
        seen = Project.objects.visible_to(actor_of(request)).order_by()
        rows = super().get_queryset(request).select_related("group", "role", "project")
        return rows.filter(Q(project=None) | Q(project__in=seen)).order_by("project__name", "pk")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the roles that the actor may give; Owner is given to people only."""
        formfield = super().formfield_for_foreignkey(db_field, request, **kwargs)
        return role_field(formfield, role_options(request, owner=False)) if db_field.name == "role" else formfield

    def add(self, request: HttpRequest, parent: Any, values: dict[str, Any]) -> Any:
        """Give the group a role, or replace the one it has there."""
        return set_group_role(group=parent, role=values["role"], project=values.get("project"), actor=actor_of(request))

    def remove(self, request: HttpRequest, row: Any) -> None:
        """Take the role away."""
        remove_group_role(group_role=row, actor=actor_of(request))


class Members(PeopleInline):
    """Who is in the group."""

    model = GroupMember
    fields = ("membership",)
    verbose_name = "member"
    verbose_name_plural = "Members of the group"
    permissions: ClassVar = _PARTS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the places with their people."""
        return super().get_queryset(request).select_related("group")

    def add(self, request: HttpRequest, parent: Any, values: dict[str, Any]) -> Any:
        """Put a member into the group."""
        return add_group_member(group=parent, membership=values["membership"], actor=actor_of(request))

    def remove(self, request: HttpRequest, row: Any) -> None:
        """Take a member out."""
        remove_group_member(place=row, actor=actor_of(request))


@admin.register(Group, site=tenant_site)
class GroupAdmin(WithHistory, TenantModelAdmin):
    """The organization's groups."""

    permissions: ClassVar = {"view": P.GROUPS_READ, "add": P.GROUPS_MANAGE, "change": P.GROUPS_MANAGE}
    menu = ("Access", 30)
    icon = "groups"
    description = "Give a role to several members at once."
    empty_title = "No groups yet"
    empty_text = "A group gives its members a role, in the whole organization or in one project."

    list_display = ("title", "size", "made_by")
    search_fields = ("^name",)
    search_help_text = "Search by the beginning of a name"
    fields = ("name", "description")
    inlines = (Roles, Members)
    actions_detail = ("delete_this",)

    class Media:
        css = STYLE

    def narrow(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the groups with their sizes."""
        rows: QuerySet[Any] = with_sizes(super().narrow(request, queryset))
        return rows

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Return members and roles once the group exists."""
        return self.inlines if obj is not None else ()

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """Lead to the group's page, where its roles and members are chosen."""
        messages.success(request, f"The group {obj} was created. Choose its roles and members.")
        return HttpResponseRedirect(self.object_url(obj))

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> Group:
        """Create a group."""
        return create_group(organization=organization_of(request), actor=actor_of(request), **values)

    def perform_update(self, request: HttpRequest, obj: Any, values: dict[str, Any]) -> None:
        """Rename or describe a group."""
        update_group(
            group=obj,
            name=values.get("name", obj.name),
            description=values.get("description", obj.description),
            actor=actor_of(request),
        )

    @object_action(
        permission=P.GROUPS_MANAGE,
        description="Delete group",
        confirm="Its members lose at once what the group gave them. Nobody leaves the organization.",
        url_path="delete-group",
        icon="delete",
        danger=True,
    )
    def delete_this(self, request: HttpRequest, obj: Group, data: dict[str, Any]) -> HttpResponse:
        """Delete the group."""
        label = str(obj)
        delete_group(group=obj, actor=actor_of(request))
        messages.success(request, f"The group {label} was deleted.")
        return HttpResponseRedirect(self.list_url(request))

    @admin.display(description="Group", ordering="name")
    def title(self, obj: Group) -> str:
        """Return name and description."""
        return two_lines(obj.name, obj.description)

    @admin.display(description="Members")
    def size(self, obj: Any) -> int:
        """Return the number of members."""
        return int(obj.size)

    @admin.display(description="Source")
    def made_by(self, obj: Group) -> str:
        """Return how the group came to be."""
        return "SCIM" if obj.source == Source.SCIM else "By hand"
