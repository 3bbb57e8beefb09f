"""Service accounts: programs with a role of their own, their roles in projects and their keys."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.formats import date_format

from accounts.models import ServiceAccount, ServiceAccountProjectRole
from accounts.selectors import keys_of_account, with_key_count
from accounts.services.service_accounts import (
    create_service_account,
    delete_service_account,
    remove_service_account_project_role,
    set_service_account_project_role,
    update_service_account,
)
from console.access import actor_of, can
from console.inlines import ScopedTabularInline
from console.options import TenantModelAdmin
from console.sites import tenant_site
from tenants.admin.common import WithHistory, badge, organization_of, role_field, role_options, two_lines
from tenants.models import Project
from tenants.permissions import P

from . import key_kinds
from .common import KEY_STYLE
from .key_table import key_table


class ProjectRoles(ScopedTabularInline):
    """What the service account is in single projects."""

    model = ServiceAccountProjectRole
    fields = ("project", "role")
    autocomplete_fields = ("project",)
    per_page = 50
    hide_title = True
    verbose_name = "role in a project"
    verbose_name_plural = "Roles in projects"
    template_before = "accounts/includes/project_roles_hint.html"
    permissions: ClassVar = {
        "view": P.SERVICE_ACCOUNTS_READ,
        "add": P.SERVICE_ACCOUNTS_MANAGE,
        "delete": P.SERVICE_ACCOUNTS_MANAGE,
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the roles in projects that the actor sees."""
        seen = Project.objects.visible_to(actor_of(request)).order_by()
        rows = super().get_queryset(request).select_related("account", "project", "role")
        return rows.filter(project__in=seen).order_by("project__name", "pk")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the roles that the actor may give."""
        formfield = super().formfield_for_foreignkey(db_field, request, **kwargs)
        return role_field(formfield, role_options(request)) if db_field.name == "role" else formfield

    def add(self, request: HttpRequest, parent: Any, values: dict[str, Any]) -> Any:
        """Give the account a role in a project, or replace the one it has there."""
        return set_service_account_project_role(
            account=parent, project=values["project"], role=values["role"], actor=actor_of(request)
        )

    def remove(self, request: HttpRequest, row: Any) -> None:
        """Let the account's organization role count there again."""
        remove_service_account_project_role(project_role=row, actor=actor_of(request))


@admin.register(ServiceAccount, site=tenant_site)
class ServiceAccountAdmin(WithHistory, TenantModelAdmin):
    """The organization's service accounts."""

    permissions: ClassVar = {
        "view": P.SERVICE_ACCOUNTS_READ,
        "add": P.SERVICE_ACCOUNTS_MANAGE,
        "change": P.SERVICE_ACCOUNTS_MANAGE,
        "delete": P.SERVICE_ACCOUNTS_MANAGE,
    }
    menu = ("Access", 50)
    icon = "smart_toy"
    description = "Programs with a role of their own: services, evaluators and agents."
    empty_title = "No service accounts yet"
    empty_text = "A service account is a program with a role: its keys never allow more than that role does."
    delete_text = "Its keys stop working at once. The audit log keeps what they did. To stop it for a while only, "
    delete_text += "take away “active”."

    list_display = ("title", "kind", "role_name", "state", "key_number", "created")
    list_filter = ("kind", "role", "is_active")
    search_fields = ("^name",)
    search_help_text = "Search by the beginning of a name"
    ordering = ("name", "pk")
    inlines = (ProjectRoles,)
    change_form_outer_after_template = "accounts/account_keys.html"

    class Media:
        css = KEY_STYLE

    def narrow(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the service accounts with what a row shows."""
        return with_key_count(super().narrow(request, queryset))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the form's fields; a new account is active."""
        asked = ("name", "kind", "role", "description")
        return asked if obj is None else (*asked, "is_active", "made")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is only told."""
        return () if obj is None else ("made",)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Return the roles in projects once the account exists."""
        return self.inlines if obj is not None else ()

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the roles that the actor may give."""
        formfield = super().formfield_for_foreignkey(db_field, request, **kwargs)
        return role_field(formfield, role_options(request)) if db_field.name == "role" else formfield

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Say what the kind is for."""
        if db_field.name == "kind":
            kwargs["help_text"] = "For people, to tell programs apart: it changes no rights. The role does that."
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """Lead to the account's page, where its keys are made."""
        messages.success(request, f"The service account {obj} was created. Make a key for it.")
        return HttpResponseRedirect(self.object_url(obj))

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> ServiceAccount:
        """Create a service account."""
        return create_service_account(organization=organization_of(request), actor=actor_of(request), **values)

    def perform_update(self, request: HttpRequest, obj: Any, values: dict[str, Any]) -> None:
        """Change what it is called, its role, and whether its keys are accepted."""
        now = {name: getattr(obj, name) for name in ("name", "kind", "role", "description", "is_active")}
        update_service_account(account=obj, actor=actor_of(request), **{**now, **values})

    def perform_delete(self, request: HttpRequest, obj: Any) -> None:
        """Delete the account and its keys."""
        delete_service_account(account=obj, actor=actor_of(request))

    def delete_phrase(self, request: HttpRequest, obj: Any) -> str:
        """Return the name, to be typed, when something would stop working."""
        return str(obj.name) if obj.key_count else ""

    def delete_consequences(self, request: HttpRequest, obj: Any) -> list[str]:
        """Return how many keys end."""
        number = obj.key_count
        if not number:
            return ["No key of it is in force."]
        return ["1 key ends with it." if number == 1 else f"{number} keys end with it."]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        """Show the form with the account's keys below it."""
        obj = kwargs.get("obj")
        if obj is not None:
            sees = can(request, P.API_KEYS_READ)
            context.update(
                account=obj,
                shows_keys=sees,
                keys=key_table(keys_of_account(obj, actor_of(request))) if sees else None,
                new_key_url=f"{reverse('console:accounts_apikey_add')}?kind=service_account&service_account={obj.pk}"
                if "service_account" in key_kinds.may_make(request)
                else "",
            )
        response: HttpResponse = super().render_change_form(request, context, **kwargs)
        return response

    @admin.display(description="Service account", ordering="name")
    def title(self, obj: ServiceAccount) -> str:
        """Return name and description."""
        return two_lines(obj.name, obj.description)

    @admin.display(description="Role")
    def role_name(self, obj: ServiceAccount) -> str:
        """Return the role."""
        return badge(obj.role.name)

    @admin.display(description="State")
    def state(self, obj: ServiceAccount) -> str:
        """Return whether its keys are accepted."""
        return badge("Active", "good") if obj.is_active else badge("Inactive", "warn")

    @admin.display(description="Keys in force")
    def key_number(self, obj: Any) -> int:
        """Return how many keys it has."""
        return int(obj.key_count)

    @admin.display(description="Created")
    def created(self, obj: ServiceAccount) -> str:
        """Return the day it was made."""
        return date_format(obj.created_at)

    @admin.display(description="Created")
    def made(self, obj: ServiceAccount) -> str:
        """Return when it was made, and by whom."""
        return f"{date_format(obj.created_at)} by {obj.created_by}"
