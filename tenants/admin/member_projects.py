"""What a member is in each project, why, and the form that changes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from console.access import actor_of, can
from console.confirm import add_refusal
from console.lists import CappedPaginator
from console.sites import tenant_site
from isolation.exceptions import DomainError
from tenants.access import explain, load_authority, user_actor
from tenants.forms.members import PREFIX, ProjectRoleChange, ProjectRolesForm, posted_projects
from tenants.models import Membership, Project
from tenants.permissions import CATALOGUE, Level, P, Permission
from tenants.selectors import ProjectAccess, project_access
from tenants.services.members import remove_project_role, set_project_role

from .common import organization_of, page, role_options

PER_PAGE = 25
_MOST_CHOICES = 300


def access_context(request: HttpRequest, membership: Membership) -> dict[str, Any]:
    """Return what ``tenants/member_projects_section.html`` shows: a page of the projects that the actor sees."""
    search = request.GET.get("project_search", "").replace("\x00", "").strip()[:80]
    projects = Project.objects.visible_to(actor_of(request)).order_by("name", "pk")
    if search:
        projects = projects.filter(Q(name__istartswith=search) | Q(slug__istartswith=search))
    shown = CappedPaginator(projects, PER_PAGE).get_page(request.GET.get("projects"))
    rows = _access(request, membership, list(shown.object_list))
    return {
        **_context(membership, rows, None),
        "may_set": any(can(request, P.PROJECTS_MANAGE, row.project) for row in rows),
        "project_page": shown,
        "project_search": search,
    }


@tenant_site.page(
    "members/<uuid:member_id>/projects/", name="member_projects", title="Roles in projects", permission=P.MEMBERS_READ
)
def member_projects(request: HttpRequest, member_id: UUID) -> HttpResponse:
    """Show and set a member's roles in projects; all of what one form changes, or nothing."""
    membership = _member(member_id)
    shown = access_context(request, membership)
    if request.method == "POST":
        rows = _access(request, membership, _posted(request))
        form = _form(request, rows, request.POST)
        if form.is_valid() and _apply(request, membership, form):
            messages.success(request, f"The project roles of {membership} were saved.")
            return HttpResponseRedirect(reverse("console:tenants_membership_change", args=[membership.pk]))
    else:
        rows = [row for row, _ in shown["access_rows"]]
        form = _form(request, rows)
    context = {
        **shown,
        **_context(membership, rows, form),
        "title": "Roles in projects",
        "subtitle": str(membership),
        "breadcrumbs": _breadcrumbs(membership),
        "above_hint": any(options.hidden_any for _, _, options in form.rows.values()),
    }
    return page(tenant_site, request, "tenants/member_projects.html", context, form=form)


@tenant_site.page(
    "members/<uuid:member_id>/why/", name="member_why", title="Why may they …?", permission=P.MEMBERS_READ
)
def member_why(request: HttpRequest, member_id: UUID) -> HttpResponse:
    """Say for each permission whether a member has it, in the organization or one project, and why."""
    membership = _member(member_id)
    projects = list(Project.objects.visible_to(actor_of(request)).order_by("name", "pk")[:_MOST_CHOICES])
    place = _place(request, projects)
    permission = request.GET.get("permission", "")
    actor = user_actor(membership.user, organization_of(request).pk)
    groups = [
        (
            group.label,
            [(item, explain(actor, item.name, place)) for item in group.permissions if _asked(item, permission, place)],
        )
        for group in CATALOGUE
    ]
    context = {
        "title": "Why may they …?",
        "subtitle": str(membership),
        "breadcrumbs": _breadcrumbs(membership),
        "membership": membership,
        "projects": projects,
        "place": place,
        "permission": permission,
        "catalogue": CATALOGUE,
        "groups": [(label, answers) for label, answers in groups if answers],
    }
    return page(tenant_site, request, "tenants/member_why.html", context)


def _asked(item: Permission, permission: str, place: Project | None) -> bool:
    """Return whether the page is about `item`; what counts in the whole organization is no question in a project."""
    return (not permission or item.name.value == permission) and (place is None or item.level is Level.PROJECT)


def _place(request: HttpRequest, projects: list[Project]) -> Project | None:
    """Return the project asked about, which the actor must see; None: the organization."""
    chosen = request.GET.get("project", "")
    if not chosen:
        return None
    found = next((project for project in projects if str(project.pk) == chosen), None)
    if found is None:
        raise Http404("There is no such project here.")
    return found


def _member(member_id: UUID) -> Membership:
    membership: Membership | None = Membership.objects.select_related("user", "role").filter(pk=member_id).first()
    if membership is None:
        raise Http404("There is no such member here.")
    return membership


def _posted(request: HttpRequest) -> list[Project]:
    """Return the projects whose selects were posted.

    Raises:
        Http404: one of them is not the actor's to see.
    """
    wanted = posted_projects(request.POST)
    if len(wanted) > PER_PAGE:
        raise Http404("Too many projects at once.")
    try:
        found = list(Project.objects.visible_to(actor_of(request)).filter(pk__in=wanted).order_by("name", "pk"))
    except ValidationError as error:
        raise Http404("There is no such project here.") from error
    if len(found) != len(wanted):
        raise Http404("There is no such project here.")
    return found


def _access(request: HttpRequest, membership: Membership, projects: list[Project]) -> list[ProjectAccess]:
    authority = load_authority(membership.user_id, organization_of(request).pk)
    return project_access(membership, authority, projects)


def _form(request: HttpRequest, rows: list[ProjectAccess], data: Any = None) -> ProjectRolesForm:
    editable = [row for row in rows if can(request, P.PROJECTS_MANAGE, row.project)]
    return ProjectRolesForm(
        data, rows=[(row.project, row.stored, role_options(request, row.project)) for row in editable]
    )


def _apply(request: HttpRequest, membership: Membership, form: ProjectRolesForm) -> bool:
    """Save every change in one transaction; a refusal goes onto its select and undoes the others."""
    try:
        with transaction.atomic():
            for field, change in form.changes():
                with _blaming(field):
                    _apply_one(request, membership, change)
    except DomainError as refusal:
        add_refusal(form, refusal)
        return False
    return True


@contextmanager
def _blaming(field: str) -> Iterator[None]:
    try:
        yield
    except DomainError as refusal:
        raise DomainError(refusal.message, field=field, code=refusal.code) from refusal


def _apply_one(request: HttpRequest, membership: Membership, change: ProjectRoleChange) -> None:
    actor = actor_of(request)
    if change.role is not None:
        set_project_role(membership=membership, project=change.project, role=change.role, actor=actor)
    elif change.stored is not None:
        remove_project_role(project_membership=change.stored, actor=actor)


def _context(membership: Membership, rows: list[ProjectAccess], form: ProjectRolesForm | None) -> dict[str, Any]:
    fields = {name: form[name] for name in form.fields} if form else {}
    return {
        "membership": membership,
        "access_rows": [(row, fields.get(f"{PREFIX}{row.project.pk}")) for row in rows],
        "access_url": reverse("console:member_projects", args=[membership.pk]),
        "why_url": reverse("console:member_why", args=[membership.pk]),
    }


def _breadcrumbs(membership: Membership) -> list[dict[str, str]]:
    return [
        {"title": "Members", "url": reverse("console:tenants_membership_changelist")},
        {"title": str(membership), "url": reverse("console:tenants_membership_change", args=[membership.pk])},
    ]
