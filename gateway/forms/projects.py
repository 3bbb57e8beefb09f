"""The field of a project, which is found while it is typed."""

from typing import Any

from django import forms
from django.urls import reverse

from console.suggest import LONGEST_TYPED, SuggestInput
from tenants.permissions import P

PURPOSES = {
    "credential": P.PROVIDER_CREDENTIALS_MANAGE,
    "resolution": P.PROVIDER_CREDENTIALS_READ,
    "usage": P.USAGE_READ,
}
"""What each form needs in a project."""


def project_field(purpose: str, placeholder: str = "", **options: Any) -> forms.CharField:
    """Return a field for a project's identifier.

    Args:
        purpose: one of `PURPOSES`.
        placeholder: what an empty field means.
        options: as every field's.
    """
    attrs = {"placeholder": placeholder} if placeholder else None
    widget = SuggestInput(reverse("console:llm_project_suggestions", args=[purpose]), attrs)
    return forms.CharField(label="Project", max_length=LONGEST_TYPED, widget=widget, **options)
