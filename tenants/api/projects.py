"""Projects: list, create, change, delete in two steps, move to another organization."""

from http import HTTPStatus
from typing import Any

from rest_framework import serializers

from api.operation import Filter, listing, operation
from api.serializers import Answer, Body, Change
from api.views import OrganizationView
from isolation.exceptions import DomainError
from tenants.lookups import active_membership
from tenants.models import Environment, Project
from tenants.permissions import P
from tenants.services.projects import (
    create_project,
    request_project_deletion,
    restore_project,
    transfer_project,
    update_project,
)

from .common import REASON, person_of, reason_of
from .places import ProjectView
from .serializers import PROJECT_EXAMPLE

TAG = "Projects"


class ProjectAnswer(Answer):
    """A project."""

    id = serializers.UUIDField()
    slug = serializers.CharField(help_text="Part of every address; it never changes.")
    name = serializers.CharField()
    description = serializers.CharField()
    environment = serializers.ChoiceField(choices=Environment.values)
    metadata = serializers.DictField(help_text="An object of your own, kept as it is.")
    created_at = serializers.DateTimeField()
    deletion_requested_at = serializers.DateTimeField(allow_null=True)
    purge_at = serializers.DateTimeField(allow_null=True, help_text="When it is deleted for good, if scheduled.")


class NewProject(Body):
    """What a new project needs."""

    slug = serializers.CharField(max_length=63)
    name = serializers.CharField(max_length=120)
    environment = serializers.ChoiceField(choices=Environment.values, default=Environment.DEVELOPMENT.value)
    description = serializers.CharField(max_length=400, allow_blank=True, default="")
    metadata = serializers.DictField(default=dict, help_text="An object of your own, kept as it is.")


class ProjectChange(Change):
    """What of a project can change."""

    name = serializers.CharField(max_length=120)
    environment = serializers.ChoiceField(choices=Environment.values)
    description = serializers.CharField(max_length=400, allow_blank=True)
    metadata = serializers.DictField(help_text="Replaces what was there.")


class Transfer(Body):
    """Where a project goes."""

    organization = serializers.CharField(max_length=63, help_text="The slug or id of one of your organizations.")
    reason = serializers.CharField(max_length=400, allow_blank=True, default="")


EXAMPLE = {
    **PROJECT_EXAMPLE,
    "description": "Answers customers.",
    "environment": "production",
    "metadata": {"team": "support"},
    "created_at": "2026-01-05T09:00:00Z",
    "deletion_requested_at": None,
    "purge_at": None,
}


class Projects(OrganizationView):
    """The projects of an organization."""

    tag = TAG

    @listing(
        "listProjects",
        "List the projects that you see",
        permission=P.PROJECTS_READ,
        anywhere=True,
        response=ProjectAnswer,
        filters={
            "slug": Filter(serializers.CharField(max_length=63, help_text="Exactly this slug."), "slug"),
            "environment": Filter(
                serializers.ChoiceField(choices=Environment.values, help_text="Of this environment."), "environment"
            ),
            "being_deleted": Filter(serializers.BooleanField(help_text="Whether the deletion is scheduled.")),
        },
        ordering={"created_at": "created_at", "name": "name", "slug": "slug"},
        default_ordering="slug",
        example=EXAMPLE,
    )
    def get(self) -> Any:
        """A project that a role of your own hides from you is not listed."""
        rows = Project.objects.visible_to(self.actor)
        if "being_deleted" in self.query:
            rows = rows.filter(purge_at__isnull=not self.query["being_deleted"])
        return rows

    @operation(
        "createProject",
        "Create a project",
        permission=P.PROJECTS_CREATE,
        request=NewProject,
        response=ProjectAnswer,
        status=HTTPStatus.CREATED,
        example=EXAMPLE,
        request_example={"slug": "chatbot", "name": "Chatbot", "environment": "production"},
    )
    def post(self) -> Project:
        """The slug follows the organization's naming pattern, if it has one."""
        return create_project(organization=self.organization, actor=self.actor, **self.data)


class OneProject(ProjectView):
    """One project."""

    tag = TAG

    @operation("getProject", "Return a project", permission=P.PROJECTS_READ, response=ProjectAnswer, example=EXAMPLE)
    def get(self) -> Project:
        """Take the ETag of the answer along as If-Match when you change something."""
        return self.project

    @operation(
        "updateProject",
        "Change a project",
        permission=P.PROJECTS_MANAGE,
        request=ProjectChange,
        response=ProjectAnswer,
        example=EXAMPLE,
        request_example={"environment": "staging"},
    )
    def patch(self) -> Project:
        """What is left out stays as it is."""
        stored = self._locked()
        values = ProjectChange.completed(stored, self.data)
        return update_project(project=stored, actor=self.actor, **values)

    @operation(
        "deleteProject",
        "Schedule a project's deletion",
        permission=P.PROJECTS_DELETE,
        response=ProjectAnswer,
        status=HTTPStatus.ACCEPTED,
        filters=REASON,
        example=EXAMPLE | {"deletion_requested_at": "2026-03-01T08:00:00Z", "purge_at": "2026-03-08T08:00:00Z"},
    )
    def delete(self) -> Project:
        """Nothing is lost until `purge_at`; restoring calls the deletion off."""
        return request_project_deletion(project=self._locked(), actor=self.actor, reason=reason_of(self))

    def _locked(self) -> Project:
        found: Project = self.locked(Project.objects.visible_to(self.actor), pk=self.project.pk)
        return found


class ProjectRestore(ProjectView):
    """Calling a deletion off."""

    tag = TAG

    @operation(
        "restoreProject",
        "Call a project's deletion off",
        permission=P.PROJECTS_DELETE,
        response=ProjectAnswer,
        example=EXAMPLE,
    )
    def post(self) -> Project:
        """Possible until the grace period is over."""
        return restore_project(project=self.project, actor=self.actor)


class ProjectTransfer(ProjectView):
    """Moving a project."""

    tag = TAG

    @operation(
        "transferProject",
        "Move a project to another organization of yours",
        permission=P.PROJECTS_TRANSFER,
        request=Transfer,
        response=ProjectAnswer,
        example=EXAMPLE,
        request_example={"organization": "globex", "reason": "Sold"},
    )
    def post(self) -> Project:
        """API keys follow the project; roles in it end. You need `projects:create` and `projects:transfer` there."""
        user = person_of(
            self, what="The same person gives a project away and accepts it, which a key is not.", elsewhere=True
        )
        target = active_membership(user.pk, self.data["organization"])
        if target is None:
            raise DomainError("There is no such organization for you.", field="organization", code="unknown_target")
        return transfer_project(
            project=self.project,
            target_id=target.organization_id,
            user=user,
            actor=self.actor,
            reason=self.data["reason"],
        )
