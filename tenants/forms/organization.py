"""The organization's settings."""

from typing import Any

from django import forms

from console.confirm import dress
from tenants.models import Organization
from tenants.models.organization import MAX_KEY_DAYS

from .roles import RoleOptions


class OrganizationForm(forms.Form):
    """Name, default role and the naming of projects.

    Args:
        organization: whose settings.
        options: the roles of the organization.
        editable: whether the actor may change anything.
    """

    name = forms.CharField(max_length=120)
    slug = forms.CharField(
        label="Identifier", required=False, disabled=True, help_text="Part of every address; it never changes."
    )
    project_naming_pattern = forms.CharField(
        label="Project naming pattern",
        max_length=200,
        required=False,
        help_text="A regular expression that new project identifiers must match, such as ^[a-z]+-(prod|dev)$. "
        "Empty: any identifier.",
    )
    project_naming_hint = forms.CharField(
        label="Project naming hint",
        max_length=200,
        required=False,
        help_text="What people read beside the field, such as: acme-chatbot-prod.",
    )

    api_key_max_days = forms.IntegerField(
        label="Longest life of an API key, in days",
        min_value=1,
        max_value=MAX_KEY_DAYS,
        required=False,
        help_text="Every new key must expire within it. Empty: keys may live for ever.",
    )

    def __init__(self, data: Any = None, *, organization: Organization, options: RoleOptions, editable: bool) -> None:
        initial = {
            "name": organization.name,
            "slug": organization.slug,
            "default_role": str(organization.default_role_id or ""),
            "project_naming_pattern": organization.project_naming_pattern,
            "project_naming_hint": organization.project_naming_hint,
            "api_key_max_days": organization.api_key_max_days,
        }
        super().__init__(data, initial=initial)
        self.options = options
        self.fields["default_role"] = options.field(
            label="Default role",
            empty="– none: always choose –",
            required=False,
            help_text="What an invitation or a first sign-in gives when nobody chose a role.",
        )
        self.order_fields(["name", "slug", "default_role"])
        for field in self.fields.values():
            dress(field)
            field.disabled = field.disabled or not editable

    def values(self) -> dict[str, Any]:
        """Return the arguments of `update_organization`."""
        cleaned = self.cleaned_data
        return {
            "name": cleaned["name"],
            "default_role": self.options.find(cleaned["default_role"]),
            "project_naming_pattern": cleaned["project_naming_pattern"],
            "project_naming_hint": cleaned["project_naming_hint"],
            "api_key_max_days": cleaned["api_key_max_days"],
        }
