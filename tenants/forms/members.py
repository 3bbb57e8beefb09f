"""Questions about members."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms

from tenants.models import Project, ProjectMembership, Role

from .roles import RoleOptions

PREFIX = "project-"
INHERIT = "– none of its own –"


class ReasonForm(forms.Form):
    """Asks why, for the audit log."""

    reason = forms.CharField(
        label="Reason", required=False, max_length=400, help_text="Optional. It is kept in the audit log."
    )


@dataclass(frozen=True, slots=True)
class ProjectRoleChange:
    """What somebody chose for one project.

    Attributes:
        project: the project.
        stored: the member's own role there so far, or None.
        role: the role chosen; None: the organization's role counts again.
    """

    project: Project
    stored: ProjectMembership | None
    role: Role | None


class ProjectRolesForm(forms.Form):
    """A select for each project in which the actor may decide about roles.

    Args:
        rows: (project, the member's own role there or None, the actor's choices there).
    """

    def __init__(
        self, data: Any = None, *, rows: Iterable[tuple[Project, ProjectMembership | None, RoleOptions]]
    ) -> None:
        super().__init__(data)
        self.rows = {f"{PREFIX}{project.pk}": (project, stored, options) for project, stored, options in rows}
        for name, (project, stored, options) in self.rows.items():
            field = options.field(label=f"Role in {project}", empty=INHERIT, required=False)
            field.initial = str(stored.role_id) if stored else ""
            field.widget.attrs["aria-label"] = field.label
            self.fields[name] = field

    def changes(self) -> Iterable[tuple[str, ProjectRoleChange]]:
        """Yield (field name, change) for each select that says something new."""
        for name in self.changed_data:
            project, stored, options = self.rows[name]
            yield name, ProjectRoleChange(project, stored, options.find(self.cleaned_data[name]))


def posted_projects(names: Iterable[str]) -> list[str]:
    """Return the primary keys that the names of posted selects speak of, unchecked."""
    return [name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)]
