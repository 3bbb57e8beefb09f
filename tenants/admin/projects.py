"""Projects: their settings, who has a role in them, exceptions, deletion and transfer."""

import json
from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from console.access import actor_of, can
from console.actions import object_action
from console.options import TenantModelAdmin
from console.sites import tenant_site
from isolation.exceptions import DomainError
from tenants.forms.members import ReasonForm
from tenants.forms.projects import exception_form, transfer_form
from tenants.models import Environment, Group, Membership, Project, ProjectMembership
from tenants.permissions import P
from tenants.selectors import exceptions_in, transfer_targets
from tenants.services.exceptions import grant_to_group, grant_to_member
from tenants.services.members import remove_project_role, set_project_role
from tenants.services.projects import (
    create_project,
    request_project_deletion,
    restore_project,
    transfer_project,
    update_project,
)

from .common import STYLE, WithHistory, authority_of, badge, organization_of, role_field, role_options, two_lines
from .people import PeopleInline

SECTIONS: list[Callable[[HttpRequest, Project], SafeString]] = []
"""What other apps show below a project's form, rendered; empty for whoever may not see it."""

_CURRENT = "_tenants_project"
_TONES = {Environment.PRODUCTION: "bad", Environment.STAGING: "warn", Environment.DEVELOPMENT: "good"}


def _exception_questions(model_admin: Any, request: HttpRequest, obj: Any) -> type[forms.Form]:
    groups = Group.objects.order_by("name") if can(request, P.GROUPS_READ) else Group.objects.none()
    return exception_form(obj, actor_of(request), groups)


def _transfer_questions(model_admin: Any, request: HttpRequest, obj: Any) -> type[forms.Form]:
    memberships = getattr(request, "memberships", ())
    targets = transfer_targets(memberships, request.user, organization_of(request).pk)
    return transfer_form((str(target.organization_id), target.name) for target in targets)


class ProjectRoles(PeopleInline):
    """Members with a role of their own in the project."""

    model = ProjectMembership
    fields = ("membership", "role")
    verbose_name = "role in this project"
    verbose_name_plural = "Roles in this project"
    template_before = "tenants/includes/project_roles_hint.html"
    permissions: ClassVar = {"view": P.MEMBERS_READ, "add": P.PROJECTS_MANAGE, "delete": P.PROJECTS_MANAGE}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the roles with their people."""
        return super().get_queryset(request).select_related("project", "role")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the roles that the actor may give in this project."""
        formfield = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name != "role":
            return formfield
        return role_field(formfield, role_options(request, _project_of(request)))

    def add(self, request: HttpRequest, parent: Any, values: dict[str, Any]) -> Any:
        """Set a member's role in the project, or replace the one they have."""
        return set_project_role(
            membership=values["membership"], project=parent, role=values["role"], actor=actor_of(request)
        )

    def remove(self, request: HttpRequest, row: Any) -> None:
        """Let the member's organization role count again."""
        remove_project_role(project_membership=row, actor=actor_of(request))


@admin.register(Project, site=tenant_site)
class ProjectAdmin(WithHistory, TenantModelAdmin):
    """The projects that the actor sees."""

    permissions: ClassVar = {"view": P.PROJECTS_READ, "add": P.PROJECTS_CREATE, "change": P.PROJECTS_MANAGE}
    menu = ("Projects", 10)
    icon = "folder"
    description = "What your teams build: each has keys, credentials and roles of its own."
    empty_title = "No projects to show"
    empty_text = "In a project, people can have other roles. Start one, or ask somebody who may create projects."

    list_display = ("title", "environment_badge", "state", "created")
    list_filter = ("environment",)
    search_fields = ("^name", "^slug")
    search_help_text = "Search by the beginning of a name or identifier"
    fields = ("name", "slug", "environment", "description")
    inlines = (ProjectRoles,)
    actions_detail = ("grant_exception", "transfer", "schedule_deletion", "restore")
    change_form_outer_before_template = "tenants/project_notice.html"
    change_form_outer_after_template = "tenants/project_exceptions.html"

    class Media:
        css = STYLE

    def allows(self, request: HttpRequest, verb: str, obj: Any = None) -> bool:
        """Return whether the actor may do `verb`; the list is open to whoever sees at least one project."""
        if obj is None and verb == "view":
            return authority_of(request).allows_somewhere(P.PROJECTS_READ)
        return super().allows(request, verb, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the identifier once the project exists: it is part of every address."""
        return ("slug",) if obj is not None else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        """Suggest the identifier from the name."""
        return {"slug": ("name",)} if obj is None else {}

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Return the roles once the project exists."""
        return self.inlines if obj is not None else ()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """Return the form class; a new project's identifier says which pattern it must follow."""
        request.__dict__[_CURRENT] = obj
        form_class = super().get_form(request, obj, change, **kwargs)
        organization = organization_of(request)
        if "slug" in form_class.base_fields and organization.project_naming_pattern:
            hint = organization.project_naming_hint
            # Help texts are rendered as markup; these are somebody's words.
            example = format_html("such as {}", hint) if hint else f"of the form {organization.project_naming_pattern}"
            form_class.base_fields["slug"].help_text = format_html(
                "Here, identifiers follow a pattern: choose one {}. It never changes.", example
            )
        return form_class

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> Project:
        """Create a project."""
        return create_project(organization=organization_of(request), actor=actor_of(request), **values)

    def perform_update(self, request: HttpRequest, obj: Any, values: dict[str, Any]) -> None:
        """Change name, description or environment."""
        update_project(
            project=obj,
            name=values.get("name", obj.name),
            environment=values.get("environment", obj.environment),
            description=values.get("description", obj.description),
            actor=actor_of(request),
        )

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        """Show the form with other apps' sections, the exceptions and the metadata below it."""
        obj = kwargs.get("obj")
        if obj is not None:
            manages = can(request, P.PROJECTS_MANAGE, obj)
            context.update(
                project=obj,
                metadata=json.dumps(obj.metadata, indent=2, ensure_ascii=False) if obj.metadata else "",
                may_restore=can(request, P.PROJECTS_DELETE, obj),
                may_manage=manages,
                shows_exceptions=manages or can(request, P.MEMBERS_READ),
                sections=[section(request, obj) for section in SECTIONS],
                exceptions=exceptions_in(obj) if manages or can(request, P.MEMBERS_READ) else [],
            )
        response: HttpResponse = super().render_change_form(request, context, **kwargs)
        return response

    @object_action(
        permission=P.PROJECTS_MANAGE,
        description="Grant an exception",
        confirm="An exception lets one member or group do one more thing in this project, whatever their role says.",
        icon="key",
        form=_exception_questions,
    )
    def grant_exception(self, request: HttpRequest, obj: Project, data: dict[str, Any]) -> None:
        """Grant one permission to one member or group."""
        actor = actor_of(request)
        if data["member"]:
            member = Membership.objects.filter(user__email=data["member"].lower()).first()
            if member is None:
                raise DomainError("Nobody with this address is a member here. Invite them first.", field="member")
            grant_to_member(project=obj, membership=member, permission=data["permission"], actor=actor)
        else:
            group = Group.objects.get(pk=data["group"])
            grant_to_group(project=obj, group=group, permission=data["permission"], actor=actor)
        messages.success(request, "The exception was granted.")

    @object_action(
        permission=P.PROJECTS_DELETE,
        description="Delete project",
        confirm="Deleting is scheduled first: until the grace period ends nothing is lost, and it can be called off. "
        "Then the project goes for good with its keys and credentials; its audit events stay.",
        icon="delete",
        danger=True,
        form=ReasonForm,
        typed=lambda project: str(project.slug),
        when=lambda project: not project.is_being_deleted,
    )
    def schedule_deletion(self, request: HttpRequest, obj: Project, data: dict[str, Any]) -> None:
        """Schedule the deletion."""
        stored = request_project_deletion(project=obj, actor=actor_of(request), reason=data["reason"])
        messages.success(request, f"{stored} will be deleted on {stored.purge_at:%-d %B %Y at %H:%M} UTC.")

    @object_action(
        permission=P.PROJECTS_DELETE,
        description="Call the deletion off",
        confirm="The project stays as it is.",
        icon="restore",
        when=lambda project: project.is_being_deleted,
    )
    def restore(self, request: HttpRequest, obj: Project, data: dict[str, Any]) -> None:
        """Call the deletion off."""
        restore_project(project=obj, actor=actor_of(request))
        messages.success(request, f"{obj} stays.")

    @object_action(
        permission=P.PROJECTS_TRANSFER,
        description="Transfer",
        confirm="The project moves to another organization. Its API keys keep working. Roles in the project, group "
        "roles and exceptions end, because they name people of this organization. Its provider credentials are "
        "deleted: add them again over there. Past audit events stay in this log.",
        icon="move_item",
        form=_transfer_questions,
        typed=lambda project: str(project.slug),
        when=lambda project: not project.is_being_deleted,
    )
    def transfer(self, request: HttpRequest, obj: Project, data: dict[str, Any]) -> HttpResponse:
        """Move the project."""
        label = str(obj)
        transfer_project(
            project=obj,
            target_id=UUID(data["target"]),
            user=request.user,
            actor=actor_of(request),
            reason=data["reason"],
        )
        messages.success(request, f"{label} was moved. You find it in the other organization.")
        return HttpResponseRedirect(reverse("console:tenants_project_changelist"))

    @admin.display(description="Project", ordering="name")
    def title(self, obj: Project) -> str:
        """Return name and identifier."""
        return two_lines(obj.name, obj.slug)

    @admin.display(description="Environment", ordering="environment")
    def environment_badge(self, obj: Project) -> str:
        """Return the environment."""
        return badge(obj.get_environment_display(), _TONES.get(Environment(obj.environment), ""))

    @admin.display(description="State")
    def state(self, obj: Project) -> str:
        """Return whether the project is being deleted."""
        return badge(f"Deletion on {date_format(obj.purge_at)}", "bad") if obj.purge_at else badge("In use")

    @admin.display(description="Created", ordering="created_at")
    def created(self, obj: Project) -> Any:
        """Return the day it was created."""
        return date_format(obj.created_at)


def _project_of(request: HttpRequest) -> Project | None:
    """Return the project whose form is being built."""
    project: Project | None = request.__dict__.get(_CURRENT)
    return project
