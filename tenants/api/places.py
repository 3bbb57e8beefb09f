"""The view below one project's address."""

from typing import Any

from api.views import OrganizationView
from isolation.identifiers import is_uuid
from tenants.models import Project


class ProjectView(OrganizationView):
    """An endpoint below ``/organizations/{organization}/projects/{project}``: permissions are asked of the project.

    Attributes:
        project: the project of the path; one that the actor does not see is not found.
    """

    project: Project

    def place(self) -> Project:
        """Return the project, which the permission is asked of.

        Raises:
            Problem: 404, the actor sees no project with this id or slug.
        """
        reference = self.kwargs["project"]
        lookup = {"pk": reference} if is_uuid(reference) else {"slug": reference}
        self.project = self.find(Project.objects.visible_to(self.actor), **lookup)
        return self.project

    def handler_arguments(self) -> dict[str, Any]:
        """Return the path's arguments below the project."""
        return {name: value for name, value in super().handler_arguments().items() if name != "project"}
