"""Members: who belongs here, with which role, and what they may do in each project."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.formats import date_format

from console.access import actor_of, can
from console.actions import bulk_action, list_action, object_action
from console.keyset import KeysetList
from console.options import TenantModelAdmin
from console.sites import tenant_site
from tenants.forms.members import ReasonForm
from tenants.models import Membership
from tenants.permissions import P
from tenants.selectors import with_group_count, with_second_factor
from tenants.services.members import change_role, remove_member, set_member_active

from .common import STYLE, WithHistory, badge, role_field, role_options, two_lines
from .managed import is_by_hand, is_managed, managed_hint
from .member_projects import access_context
from .second_step import SecondStepFilter

_MANAGED = "it decides whether they belong here. Their role, and their roles in projects, are decided here."


@admin.register(Membership, site=tenant_site)
class MembershipAdmin(WithHistory, KeysetList, TenantModelAdmin):
    """The organization's members."""

    permissions: ClassVar = {"view": P.MEMBERS_READ, "change": P.MEMBERS_MANAGE}
    menu = ("Access", 10)
    icon = "group"
    description = "Who belongs here, with which role, in which projects."
    empty_title = "No members"
    empty_text = "Invite the people you work with by e-mail."

    list_display = ("person", "role_name", "state", "came_by", "groups_number", "since")
    list_filter = ("role", "is_active")
    search_fields = ("user__email__startswith",)
    search_help_text = "Search by the beginning of an e-mail address"
    # The search behind select fields pages by it; the list has its own, the same.
    ordering = ("-created_at", "-pk")
    fields = ("person", "role", "is_active", "came_by", "since")
    actions = ("deactivate",)
    actions_list = ("invite",)
    actions_detail: ClassVar[tuple[str, ...]] = ("remove",)
    change_form_outer_before_template = "tenants/includes/managed.html"
    change_form_outer_after_template = "tenants/member_projects_section.html"

    class Media:
        css = STYLE

    def narrow(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the members with what a row shows."""
        rows = with_group_count(super().narrow(request, queryset).select_related("user", "role"))
        found: QuerySet[Any] = with_second_factor(rows, told=can(request, P.MEMBERS_MANAGE))
        return found

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns; whose password alone is enough is told to those who manage members."""
        shown = self.list_display
        return (*shown[:3], "second_step", *shown[3:]) if can(request, P.MEMBERS_MANAGE) else shown

    def get_list_filter(self, request: HttpRequest) -> Any:
        """Return the filters, the same."""
        shown = super().get_list_filter(request)
        return [*shown, SecondStepFilter] if can(request, P.MEMBERS_MANAGE) else shown

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what the page of a member shows."""
        return (*self.fields, "second_step") if can(request, P.MEMBERS_MANAGE) else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is only told; whether they may come in too, where the identity provider decides it."""
        told = ("person", "came_by", "since", "second_step")
        return (*told, "is_active") if obj is not None and is_managed(obj) else told

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Search in lower case, as addresses are stored: a prefix that the index finds."""
        found: tuple[Any, bool] = super().get_search_results(request, queryset, search_term.lower())
        return found

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the roles that the actor may give."""
        formfield = super().formfield_for_foreignkey(db_field, request, **kwargs)
        return role_field(formfield, role_options(request)) if db_field.name == "role" else formfield

    def perform_update(self, request: HttpRequest, obj: Any, values: dict[str, Any]) -> None:
        """Change the role, and whether the member is active."""
        actor = actor_of(request)
        if "role" in values:
            change_role(membership=obj, role=values["role"], actor=actor)
        if "is_active" in values:
            set_member_active(membership=obj, active=values["is_active"], actor=actor)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        """Show the form with the member's projects below it."""
        obj = kwargs.get("obj")
        if obj is not None:
            context.update(access_context(request, obj), managed=managed_hint(request, obj, _MANAGED))
        response: HttpResponse = super().render_change_form(request, context, **kwargs)
        return response

    @list_action(permission=P.MEMBERS_INVITE, description="Invite members", icon="person_add")
    def invite(self, request: HttpRequest) -> HttpResponse:
        """Lead to the invitation form."""
        return HttpResponseRedirect(reverse("console:invite"))

    @bulk_action(permission=P.MEMBERS_MANAGE, description="Deactivate")
    def deactivate(self, request: HttpRequest, rows: list[Membership]) -> None:
        """Deactivate the selected members, all or none."""
        for row in rows:
            set_member_active(membership=row, active=False, actor=actor_of(request))
        messages.success(request, f"{len(rows)} {'member was' if len(rows) == 1 else 'members were'} deactivated.")

    @object_action(
        permission=P.MEMBERS_MANAGE,
        description="Remove from the organization",
        confirm="They lose access at once: their roles in projects, places in groups and exceptions end. Their login "
        "stays, and the audit log keeps what they did. To close the door for a while only, deactivate them.",
        icon="person_remove",
        danger=True,
        form=ReasonForm,
        when=is_by_hand,
    )
    def remove(self, request: HttpRequest, obj: Membership, data: dict[str, Any]) -> None:
        """End the membership."""
        label = str(obj)
        remove_member(membership=obj, actor=actor_of(request), reason=data["reason"])
        messages.success(request, f"{label} is no longer a member.")

    @admin.display(description="Member")
    def person(self, obj: Membership) -> str:
        """Return name and address."""
        return two_lines(obj.user.name, obj.user.email) if obj.user.name else two_lines(obj.user.email)

    @admin.display(description="Role")
    def role_name(self, obj: Membership) -> str:
        """Return the role."""
        return badge(obj.role.name)

    @admin.display(description="State")
    def state(self, obj: Membership) -> str:
        """Return whether they may come in."""
        if not obj.user.is_active:
            return badge("Login disabled", "bad")
        return badge("Active", "good") if obj.is_active else badge("Inactive", "warn")

    @admin.display(description="Second step")
    def second_step(self, obj: Any) -> str:
        """Return whether signing in takes more than the password."""
        return badge("On", "good") if obj.has_second_factor else badge("Off")

    @admin.display(description="Source")
    def came_by(self, obj: Membership) -> str:
        """Return the source of the membership."""
        return str(obj.get_source_display())

    @admin.display(description="Groups")
    def groups_number(self, obj: Any) -> int:
        """Return the number of groups."""
        return int(obj.group_count)

    @admin.display(description="Member since")
    def since(self, obj: Membership) -> Any:
        """Return the day they joined."""
        return date_format(obj.created_at)
