"""Questions that operators answer: a new organization, its owner, why it is closed, the installation's settings."""

from typing import Any
from uuid import UUID

from django import forms
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminIntegerFieldWidget

from console.confirm import dress
from tenants.models import InstallationSettings, Organization, Project

MAX_CHOICES = 500
"""Organizations or projects that a select offers; the chosen one is always among them."""


class NewOrganizationForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """Identifier, name, and who becomes the owner."""

    owner = forms.EmailField(
        label="Owner's e-mail address",
        widget=UnfoldAdminEmailInputWidget,
        help_text="Somebody with a login here. They become the first member.",
    )

    class Meta:
        model = Organization
        fields = ("slug", "name")


class SuspensionForm(forms.Form):
    """Asks why; the organization's owners read it."""

    reason = forms.CharField(max_length=400, help_text="The organization's members read it when they are turned away.")


class OwnerForm(forms.Form):
    """Asks who becomes owner, and why."""

    owner = forms.EmailField(label="E-mail address", help_text="Somebody with a login here.")
    reason = forms.CharField(max_length=400, help_text="It is kept in the organization's audit log.")


class ConfirmDomainForm(forms.Form):
    """Asks how an operator knows that a domain is an organization's."""

    reason = forms.CharField(
        max_length=400, help_text="How you know that it is theirs. Its owners and auditors read it."
    )


class NewDomainForm(ConfirmDomainForm):
    """Asks which domain an operator vouches for, too."""

    name = forms.CharField(label="Domain", max_length=300, help_text="Such as example.com, without its subdomains.")
    field_order = ("name", "reason")


class WithdrawDomainForm(forms.Form):
    """Asks why a domain counts no longer."""

    reason = forms.CharField(max_length=400, help_text="Its owners get it by mail.")


class InstallationForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """The one row of settings; organization and project are chosen from what exists."""

    default_organization_id = forms.TypedChoiceField(
        label="Default organization",
        required=False,
        coerce=UUID,
        empty_value=None,
        help_text="People who sign up without an invitation join it.",
    )
    default_project_id = forms.TypedChoiceField(
        label="Default project",
        required=False,
        coerce=UUID,
        empty_value=None,
        help_text="They get the default role in this project of it. Save the organization first to see its projects.",
    )

    class Meta:
        model = InstallationSettings
        fields = (
            "signup_enabled",
            "organization_creation",
            "default_organization_id",
            "default_project_id",
            "default_role",
            "organization_naming_pattern",
            "organization_naming_hint",
            "deletion_grace_days",
            "invitations_per_day",
        )
        widgets = {
            "deletion_grace_days": UnfoldAdminIntegerFieldWidget,
            "invitations_per_day": UnfoldAdminIntegerFieldWidget,
        }

    def __init__(self, data: Any = None, *, instance: InstallationSettings) -> None:
        super().__init__(data, instance=instance)
        chosen = self.data.get("default_organization_id") if self.is_bound else instance.default_organization_id
        organizations = [(str(pk), f"{name} ({slug})") for pk, name, slug in _organizations(_uuid(chosen))]
        self._choose("default_organization_id", "– none –", organizations)
        self._choose("default_project_id", "– none –", _projects(_uuid(chosen)))
        for field in self.fields.values():
            dress(field)

    def _choose(self, name: str, empty: str, choices: list[tuple[str, str]]) -> None:
        self.fields[name].choices = [("", empty), *choices]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Refuse a project without its organization."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("default_project_id") and not cleaned.get("default_organization_id"):
            self.add_error("default_organization_id", "Choose the project's organization as well.")
        return cleaned


def _organizations(chosen: UUID | None) -> list[tuple[UUID, str, str]]:
    rows = Organization.objects.order_by("name").values_list("pk", "name", "slug")
    offered = list(rows[:MAX_CHOICES])
    if chosen and chosen not in {pk for pk, _, _ in offered}:
        offered += rows.filter(pk=chosen)
    return offered


def _projects(organization_id: UUID | None) -> list[tuple[str, str]]:
    if organization_id is None:
        return []
    rows = Project.objects.filter(organization_id=organization_id).order_by("name").values_list("pk", "name")
    return [(str(pk), name) for pk, name in rows[:MAX_CHOICES]]


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
