"""A small tenant console over real models, so that the base classes are tested apart from the product's own admins."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID, uuid4

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path

from accounts.models import User
from audit.recorder import ACCESS_DENIED, record
from console.actions import bulk_action, list_action, object_action
from console.inlines import ScopedTabularInline
from console.keyset import KeysetList
from console.options import TenantModelAdmin
from console.sites import TenantSite
from isolation.actor import SYSTEM, Actor, ActorKind
from isolation.context import acting_as
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from tenants.authority import GrantSource, MemberAuthority, RoleGrant
from tenants.models import Membership, Organization, Project, ProjectMembership, Role
from tenants.permissions import P

site = TenantSite(name="stage")


class ReasonForm(forms.Form):
    """Asks why."""

    reason = forms.CharField()


class ProjectRoles(ScopedTabularInline):
    """The roles that replace organization roles in a project."""

    model = ProjectMembership
    fields = ("membership", "role")
    permissions: ClassVar = {
        "view": P.PROJECTS_READ,
        "add": P.PROJECTS_MANAGE,
        "change": P.PROJECTS_MANAGE,
        "delete": P.PROJECTS_MANAGE,
    }

    def add(self, request: HttpRequest, parent: Any, values: dict[str, Any]) -> Any:
        """Create one."""
        return ProjectMembership.objects.create(project=parent, organization_id=parent.organization_id, **values)

    def change(self, request: HttpRequest, row: Any, values: dict[str, Any]) -> None:
        """Change one."""
        for name, value in values.items():
            setattr(row, name, value)
        row.save()

    def remove(self, request: HttpRequest, row: Any) -> None:
        """Delete one, but never the one that the rule protects."""
        if row.role.name == "Protected":
            raise DomainError("This role protects the project.")
        row.delete()


class ProjectAdmin(TenantModelAdmin):
    """Projects, with every kind of door."""

    permissions: ClassVar = {
        "view": P.PROJECTS_READ,
        "add": P.PROJECTS_CREATE,
        "change": P.PROJECTS_MANAGE,
        "delete": P.PROJECTS_DELETE,
    }
    menu = ("Projects", 10)
    icon = "folder"
    description = "What your teams build."
    fields = ("slug", "name", "environment")
    list_display = ("name", "environment")
    list_filter = ("environment",)
    search_fields = ("^name",)
    inlines = (ProjectRoles,)
    actions = ("rename_all",)
    actions_detail = ("archive",)
    actions_row = ("archive",)
    actions_list = ("report",)

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> Project:
        """Create a project."""
        if values["slug"] == "taken":
            raise DomainError("That identifier is taken. Choose another.", field="slug")
        project: Project = Project.objects.create(organization=request.organization, **values)  # type: ignore[attr-defined]
        return project

    def perform_update(self, request: HttpRequest, obj: Any, values: dict[str, Any]) -> None:
        """Change a project."""
        if values.get("name") == "refused":
            raise DomainError("No project may be called that.")
        for name, value in values.items():
            setattr(obj, name, value)
        obj.save()

    def perform_delete(self, request: HttpRequest, obj: Any) -> None:
        """Delete a project."""
        if obj.slug == "kept":
            raise DomainError("This project must stay.")
        obj.delete()

    def delete_phrase(self, request: HttpRequest, obj: Any) -> str:
        """Ask for the name."""
        return str(obj.name)

    @object_action(
        permission=P.PROJECTS_MANAGE,
        description="Archive",
        confirm="Nobody can use it then.",
        form=ReasonForm,
        when=lambda obj: obj.description != "archived",
    )
    def archive(self, request: HttpRequest, obj: Any, data: dict[str, Any]) -> None:
        """Mark a project."""
        if data["reason"] == "none":
            raise DomainError("Give a better reason.", field="reason")
        obj.description = "archived"
        obj.save()

    @list_action(permission=P.PROJECTS_READ, description="Report")
    def report(self, request: HttpRequest) -> HttpResponse:
        """Show something."""
        return HttpResponse("report")

    @bulk_action(permission=P.PROJECTS_MANAGE, description="Rename")
    def rename_all(self, request: HttpRequest, rows: list[Any]) -> None:
        """Rename projects."""
        for row in rows:
            row.name = f"{row.name}!"
            row.save()
            if row.slug == "kept":
                raise DomainError("This project must stay as it is.")


class RoleAdmin(TenantModelAdmin):
    """Roles; only members with roles:read see them."""

    permissions: ClassVar = {"view": P.ROLES_READ}
    search_fields = ("^name",)


class MembershipAdmin(KeysetList, TenantModelAdmin):
    """Members, paged by cursor."""

    permissions: ClassVar = {"view": P.MEMBERS_READ, "change": P.MEMBERS_MANAGE}
    menu = ("Access", 10)
    fields = ("role",)
    list_display = ("user", "role", "created_at")
    list_select_related = ("user", "role")
    list_filter = ("role", "is_active")
    list_per_page = 2
    search_fields = ("^user__email",)
    autocomplete_fields = ("role",)

    def perform_update(self, request: HttpRequest, obj: Any, values: dict[str, Any]) -> None:
        """Change the role."""
        obj.role = values["role"]
        obj.save()


site.register(Project, ProjectAdmin)
site.register(Role, RoleAdmin)
site.register(Membership, MembershipAdmin)


@site.page(
    "matrix/", name="matrix", title="Roles <matrix>", permission=P.ROLES_READ, menu=("Access", 20), icon="grid_on"
)
def matrix(request: HttpRequest) -> HttpResponse:
    """A page of its own."""
    return site.render(request, "console/page.html", {"title": "Roles matrix", "intro": "Who may do what."})


urlpatterns = [path("", site.urls)]


@dataclass
class Scene:
    """Who acts, and in which organization; the middleware below sets it up for each request."""

    organization: Organization | None = None
    actor: Actor | None = None
    user: User | None = None
    memory: dict[str, Any] = field(default_factory=dict)


scene = Scene()


class SceneMiddleware:
    """Plays the portal's scope middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Run the request as the scene has it."""
        organization, actor = scene.organization, scene.actor
        if scene.user is not None:
            request.user = scene.user
        if organization is None or actor is None:
            return self.get_response(request)
        request.organization, request.actor = organization, actor  # type: ignore[attr-defined]
        with tenant_scope(organization), acting_as(actor):
            if request.method == "POST":
                attribute(organization.pk)
            return self.get_response(request)


def actor_with(user: User, organization_id: UUID, *permissions: P, project: UUID | None = None) -> Actor:
    """Return a member with these permissions, in the organization or in one project only."""
    grant = (RoleGrant(GrantSource.MEMBERSHIP, "Test", frozenset(permissions)),)
    authority = (
        MemberAuthority(organization_id, project_roles={project: grant})
        if project
        else MemberAuthority(organization_id, organization_roles=grant)
    )
    return Actor(ActorKind.USER, user.pk, user.email, organization_id, authority)


def attribute(organization_id: UUID) -> None:
    """Write the event without which no change is committed; services do it by signals."""
    record(ACCESS_DENIED, actor=SYSTEM, organization_id=organization_id)


def make_organization(name: str) -> dict[str, Any]:
    """Return an organization with a user, a role, a membership and a project, whose labels carry its name."""
    pk = uuid4()
    with tenant_scope(pk):
        attribute(pk)
        user = User.objects.create_user(f"owner@{name}.test", "a-long-password")
        organization = Organization.objects.create(pk=pk, slug=name, name=name.title())
        role = Role.objects.create(organization=organization, key=f"{name}-role", name=f"{name} role")
        membership = Membership.objects.create(organization=organization, user=user, role=role)
        project = Project.objects.create(organization=organization, slug=f"{name}-project", name=f"{name} project")
    return {"organization": organization, "user": user, "role": role, "membership": membership, "project": project}


def redirected(response: Any) -> str:
    """Return where a response leads."""
    assert isinstance(response, HttpResponseRedirect), response.status_code
    return response.url
