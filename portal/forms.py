"""The forms of the landing pages."""

from typing import Any

from django import forms
from django.utils.html import escape

from isolation.exceptions import DomainError
from tenants.models import InstallationSettings

_SLUG = "[a-z0-9]([a-z0-9\\-]{0,61}[a-z0-9])?"


class DomainForm(forms.Form):
    """A form whose refusals come from the services."""

    def refuse(self, error: DomainError) -> None:
        """Show a service's refusal at its field, or above the form."""
        self.add_error(error.field if error.field in self.fields else None, error.message)


class OrganizationForm(DomainForm):
    """Creates an organization."""

    name = forms.CharField(
        max_length=120,
        widget=forms.TextInput(attrs={"autocomplete": "organization", "autofocus": True}),
        help_text="What people read. You can change it later.",
    )
    slug = forms.CharField(
        label="Identifier",
        max_length=63,
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        installation = InstallationSettings.load()
        help_text = "Part of every address; it never changes. Lower-case letters, digits and hyphens."
        if installation.organization_naming_hint:
            help_text += f" Here, identifiers look like: {installation.organization_naming_hint}"
        elif installation.organization_naming_pattern:
            help_text += f" Here, identifiers match {installation.organization_naming_pattern}"
        self.fields["slug"].help_text = escape(help_text)  # rendered as markup; the hint is somebody's words
        self.fields["slug"].widget.attrs |= {"pattern": _SLUG, "title": "Lower-case letters, digits and hyphens"}


class ProfileForm(DomainForm):
    """Changes a person's name."""

    name = forms.CharField(
        label="Your name",
        max_length=120,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
        help_text="What colleagues read in lists and logs.",
    )


class SupportForm(forms.Form):
    """Asks an operator why they enter an organization."""

    reason = forms.CharField(
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3, "autofocus": True}),
        help_text="Such as a ticket's number and what was asked. The organization reads it in its audit log.",
    )
