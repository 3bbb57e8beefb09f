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
from .managed import is_by_hand, is_managed, managed_hint
from .people import PeopleInline
from .role_mapping import allows_owner, is_confirmed, show_preview, wanted_roles

_MANAGED = "it decides the name and who is in this group. What the group gives is decided here."
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

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Return the form set; Owner is given to people, and by owners to a group of the identity provider."""
        formset = super().get_formset(request, obj, **kwargs)
        role = formset.form.base_fields.get("role")
        if role is not None:
            options = role_options(request, owner=False)
            if obj is not None and is_managed(obj):
                everything = role_options(request)
                options = everything if _may_give_owner(everything) else options
            role_field(role, options)
        return formset

    def add(self, request: HttpRequest, parent: Any, values: dict[str, Any]) -> Any:
        """Give the group a role, or replace the one it has there."""
        return set_group_role(
            group=parent,
            role=values["role"],
            project=values.get("project"),
            allow_owner=allows_owner(request),
            actor=actor_of(request),
        )

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

    def allows(self, request: HttpRequest, verb: str, obj: Any = None) -> bool:
        """Return whether the actor may do `verb`; who is in a group of the identity provider is decided there."""
        return super().allows(request, verb, obj) and (verb == "view" or obj is None or is_by_hand(obj))

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
    actions_detail: tuple[str, ...] = ("delete_this",)
    change_form_outer_before_template = "tenants/includes/managed.html"

    class Media:
        css = STYLE

    def narrow(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the groups with their sizes."""
        rows: QuerySet[Any] = with_sizes(super().narrow(request, queryset))
        return rows

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the name where the identity provider gives it."""
        return ("name",) if obj is not None and is_managed(obj) else ()

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the form; before a role is added, show what that changes and for whom."""
        group = self.find(request, object_id) if object_id else None
        if group is not None and request.method == "POST" and not is_confirmed(request):
            wanted = wanted_roles(request) if self.allows(request, "change", group) else []
            if wanted:
                return show_preview(request, group, wanted, self.object_url(group))
        extra = {"managed": managed_hint(request, group, _MANAGED), **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, extra)

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
        when=is_by_hand,
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


def _may_give_owner(options: Any) -> bool:
    return any(role.is_owner and str(role.pk) not in options.above for role in options.roles)
