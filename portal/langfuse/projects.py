"""Projects, in Langfuse's shape."""

import json
import re
from http import HTTPStatus
from typing import Any

from django.db import transaction
from django.utils.text import slugify

from accounts.models import ApiKey
from accounts.services.api_keys import revoke_api_keys
from api.operation import AUTHENTICATED, operation
from isolation.exceptions import DomainError
from tenants.models import Environment, Organization, Project
from tenants.permissions import P
from tenants.services.projects import create_project, request_project_deletion, update_project
from tenants.services.rules import locked_organization

from .base import LangfuseView, instant, refused

_NAME_LENGTHS = range(3, 61)
_HTML = re.compile(r"<[^>]*>")
_SHORTEST_RETENTION = 3
_LONGEST_SLUG = 63
_DELETING = "Project deletion has been initiated and is being processed asynchronously"

Answer = tuple[int, dict[str, Any]]


class OwnProject(LangfuseView):
    """The project of a key, and new projects."""

    def demand(self, declared: Any) -> None:
        """Ask for a project's key to read, for the organization's to create."""
        self.project_key = declared.permission == AUTHENTICATED
        super().demand(declared)

    @operation("langfuseGetProject", "Return the project of the key", permission=AUTHENTICATED)
    def get(self) -> Answer:
        """A key may always ask where it belongs: `auth_check()` of Langfuse's clients does."""
        rows = Project.objects.filter(pk=self.key().project_id, deletion_requested_at=None)
        return HTTPStatus.OK, {"data": [_shown(project, self.organization) for project in rows]}

    @operation("langfuseCreateProject", "Create a project", permission=P.PROJECTS_CREATE)
    def post(self) -> Answer:
        """The identifier is made from the name; the environment is production."""
        values = _values(self.data)
        name = values["name"]
        self.organization = locked_organization(self.organization.pk)
        if Project.objects.filter(name=name.strip(), deletion_requested_at=None).exists():
            raise refused(HTTPStatus.CONFLICT, "A project with this name already exists in your organization")
        slug = _free_slug(name)
        try:
            project = create_project(
                organization=self.organization,
                slug=slug,
                environment=Environment.PRODUCTION,
                actor=self.actor,
                **values,
            )
        except DomainError as error:
            if error.field != "slug":
                raise
            text = f"Gatehouse makes the project's identifier from its name: {slug}. {error.message}"
            raise DomainError(text, field="name", code=error.code) from error
        return HTTPStatus.CREATED, _shown(project, self.organization)


class OneProject(LangfuseView):
    """One project."""

    @operation("langfuseUpdateProject", "Change a project", permission=P.PROJECTS_MANAGE, anywhere=True)
    def put(self, project: str) -> Answer:
        """Change name and metadata."""
        stored = self.project(project, P.PROJECTS_MANAGE)
        changed = update_project(
            project=stored,
            environment=stored.environment,
            description=stored.description,
            actor=self.actor,
            **_values(self.data),
        )
        return HTTPStatus.OK, _shown(changed, self.organization)

    @operation("langfuseDeleteProject", "Delete a project", permission=P.PROJECTS_DELETE, anywhere=True)
    def delete(self, project: str) -> Answer:
        """Schedule the deletion; its keys end at once, as with Langfuse."""
        stored = self.project(project, P.PROJECTS_DELETE)
        with transaction.atomic():
            keys = ApiKey.objects.filter(project=stored, revoked_at=None).select_related("project")
            revoke_api_keys(keys=keys, actor=self.actor, reason="The project was deleted")
            request_project_deletion(project=stored, actor=self.actor)
        return HTTPStatus.ACCEPTED, {"success": True, "message": _DELETING}


class OrganizationProjects(LangfuseView):
    """The projects of an organization."""

    error_member = "error"

    @operation("langfuseListProjects", "List the projects", permission=P.PROJECTS_READ, anywhere=True)
    def get(self) -> Answer:
        """All that the key sees."""
        rows = Project.objects.visible_to(self.actor).filter(deletion_requested_at=None).order_by("created_at", "pk")
        return HTTPStatus.OK, {
            "projects": [
                {
                    "id": str(project.pk),
                    "name": project.name,
                    "metadata": project.metadata,
                    "createdAt": instant(project.created_at),
                    "updatedAt": instant(project.created_at),
                }
                for project in rows
            ]
        }


def _shown(project: Project, organization: Organization) -> dict[str, Any]:
    return {
        "id": str(project.pk),
        "name": project.name,
        "metadata": project.metadata,
        # Langfuse's document asks for it in every answer, though its server sends it to `GET /projects` only.
        "organization": {"id": str(organization.pk), "name": organization.name},
    }


def _values(data: Any) -> dict[str, Any]:
    """Return name and, where it was sent, metadata.

    Raises:
        Problem: 400 or 403, with Langfuse's words.
    """
    name = data.get("name")
    if not isinstance(name, str) or len(name) not in _NAME_LENGTHS or _HTML.search(name):
        raise refused(HTTPStatus.BAD_REQUEST, "Invalid project name. Should be between 3 and 60 characters.")
    _refuse_retention(data.get("retention"))
    return {"name": name} | ({"metadata": _metadata(data["metadata"])} if "metadata" in data else {})


def _metadata(given: Any) -> dict[str, Any]:
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError) as error:
            text = "Invalid metadata. Should be a valid JSON object."
            raise refused(HTTPStatus.BAD_REQUEST, text) from error
    if not isinstance(given, dict):
        raise refused(HTTPStatus.BAD_REQUEST, "Invalid metadata. Should be a valid JSON object.")
    return given


def _refuse_retention(given: Any) -> None:
    """Refuse to keep data for so many days only: the LLM platform holds the data, not Gatehouse."""
    try:
        days = float(given or 0)
    except (TypeError, ValueError):
        days = -1
    if days != 0 and (days < _SHORTEST_RETENTION or not days.is_integer()):
        raise refused(HTTPStatus.BAD_REQUEST, "Invalid retention value. Must be 0 or at least 3 days.")
    if days:
        text = "The data-retention entitlement is required to set a non-zero retention period."
        raise refused(HTTPStatus.FORBIDDEN, text)


def _free_slug(name: str) -> str:
    """Return an identifier that no project has; the organization is locked."""
    base = slugify(name)[:_LONGEST_SLUG].strip("-_").replace("_", "-") or "project"
    taken = set(Project.objects.filter(slug__startswith=base[:50]).values_list("slug", flat=True))
    number, slug = 1, base
    while slug in taken:
        number += 1
        slug = f"{base[: _LONGEST_SLUG - len(str(number)) - 1].rstrip('-')}-{number}"
    return slug
