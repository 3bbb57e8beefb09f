"""The invitation form."""

import re
from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from tenants.models import Project, Role

from .roles import RoleOptions

MOST = 50
_SEPARATORS = re.compile(r"[\s,;]+")


class InviteForm(forms.Form):
    """One or several addresses, a role, and optionally another role in one project.

    Args:
        options: the roles of the organization.
        default_role: chosen at first.
        projects: the projects in which the actor may decide about roles.
    """

    emails = forms.CharField(
        label="E-mail addresses",
        widget=forms.Textarea(attrs={"rows": 4, "placeholder": "ada@example.com", "autocomplete": "off"}),
        help_text=f"One on each line, {MOST} at most. Only somebody who owns the address can accept.",
    )

    def __init__(
        self, data: Any = None, *, options: RoleOptions, default_role: Role | None, projects: Sequence[Project]
    ) -> None:
        super().__init__(data)
        self.options = options
        self.projects = {str(project.pk): project for project in projects}
        self.fields["role"] = options.field(
            label="Role", help_text="What they may do in the organization. You can change it later."
        )
        self.fields["role"].initial = str(default_role.pk) if default_role else None
        if projects:
            self._ask_for_project(projects)

    def _ask_for_project(self, projects: Sequence[Project]) -> None:
        self.fields["project"] = forms.ChoiceField(
            label="Project",
            required=False,
            choices=[("", "– none –"), *((str(project.pk), project.name) for project in projects)],
            help_text="Optional: a project in which they get another role.",
        )
        self.fields["project_role"] = forms.ChoiceField(
            label="Role in that project", required=False, choices=self.options.choices("– none –")
        )

    def clean_emails(self) -> list[str]:
        """Return the addresses, each once, in the order written.

        Raises:
            ValidationError: too many, or one that is no address.
        """
        found = list(dict.fromkeys(part.lower() for part in _SEPARATORS.split(self.cleaned_data["emails"]) if part))
        if len(found) > MOST:
            raise ValidationError(f"These are {len(found)} addresses. Invite {MOST} at most at a time.")
        wrong = [email for email in found if not _is_email(email)]
        if wrong:
            raise ValidationError(f"Not an e-mail address: {', '.join(wrong[:3])}. Nobody was invited.")
        if not found:
            raise ValidationError("Write at least one e-mail address.")
        return found

    def chosen(self) -> dict[str, Any]:
        """Return role, project and project_role as rows."""
        return {
            "role": self.options.find(self.cleaned_data["role"]),
            "project": self.projects.get(self.cleaned_data.get("project") or ""),
            "project_role": self.options.find(self.cleaned_data.get("project_role") or ""),
        }


def _is_email(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True
