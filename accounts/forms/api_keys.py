"""Making, changing, rotating and revoking keys."""

from collections.abc import Sequence
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminTextareaWidget

from accounts.models import ApiKey, PlatformKey
from accounts.services.key_rules import LONGEST_REASON
from console.confirm import dress
from tenants.models import Environment

from .fields import ExpiryField, NetworksField

OVERLAPS = (
    ("0", "None: the old secret stops working now"),
    ("3600", "1 hour"),
    ("86400", "24 hours"),
    ("604800", "7 days"),
)
USUAL_OVERLAP = "86400"
HELP = {
    "name": "What people read in lists and logs.",
    "note": "For people: what uses it, where it is kept. Never write the secret here.",
}


class KeyForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """Collects what a key shall be; whether it may be that, a taken name included, the services say at the field."""

    def _get_validation_exclusions(self) -> set[str]:
        return {field.name for field in self._meta.model._meta.fields}


class ApiKeyForm(KeyForm):
    """A key of an organization; its admin replaces the fields by ones that know the actor."""

    project = forms.ChoiceField(required=False)
    service_account = forms.ChoiceField(required=False)
    environment = forms.ChoiceField(required=False)
    scopes = forms.MultipleChoiceField(required=False)
    expires_at = forms.CharField(required=False)
    allowed_networks = forms.CharField(required=False)

    class Meta:
        model = ApiKey
        fields = ("name", "note")
        help_texts = HELP
        widgets = {"note": UnfoldAdminTextareaWidget({"rows": 3})}


class PlatformKeyForm(KeyForm):
    """A platform key."""

    expires_at = forms.CharField(required=False)
    allowed_networks = forms.CharField(required=False)

    class Meta:
        model = PlatformKey
        fields = ("name", "note")
        help_texts = HELP
        widgets = {"note": UnfoldAdminTextareaWidget({"rows": 3})}


class RevocationForm(forms.Form):
    """Asks why a key ends."""

    reason = forms.CharField(
        label="Reason",
        required=False,
        max_length=LONGEST_REASON,
        help_text="Optional. It is shown beside the key and kept in the audit log.",
    )


class RotationForm(forms.Form):
    """Carries which secret is to be replaced, so that of two open pages one rotates."""

    expected = forms.CharField(max_length=40, required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        """Refuse an answer that does not say which secret it means."""
        cleaned = super().clean() or self.cleaned_data
        if not cleaned.get("expected"):
            raise forms.ValidationError("This page is incomplete. Open the key again and rotate it from there.")
        return cleaned


class OverlapForm(RotationForm):
    """Asks how long the secret before stays valid."""

    expected = forms.UUIDField(required=False, widget=forms.HiddenInput)
    overlap = forms.ChoiceField(
        label="How long the old secret stays valid",
        choices=OVERLAPS,
        initial=USUAL_OVERLAP,
        widget=UnfoldAdminRadioSelectWidget,
        help_text="Time to give the new one to everything that uses the key. After a leak: none.",
    )


def rotation_form(base: type[RotationForm], expected: Any) -> type[forms.Form]:
    """Return the form about one secret."""

    class Form(base):  # type: ignore[misc, valid-type]  # a class made for one request
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.fields["expected"].initial = str(expected)

    return Form


def choice(
    label: str, choices: Sequence[tuple[str, str]], help_text: str = "", *, initial: str = ""
) -> forms.ChoiceField:
    """Return a required select with the console's look."""
    field = forms.ChoiceField(label=label, choices=choices, help_text=help_text, initial=initial)
    dress(field)
    return field


def environment_field() -> forms.ChoiceField:
    """Return the select of environments."""
    return choice(
        "Environment",
        Environment.choices,
        "Part of the key's text, so that a production key is recognized wherever it turns up.",
        initial=Environment.PRODUCTION,
    )


def life_fields(*, max_days: int | None, key: Any = None) -> dict[str, forms.Field]:
    """Return the fields that say until when and from where a key is accepted."""
    return {
        "expires_at": ExpiryField(max_days=max_days, stored=key.expires_at if key else None, exists=key is not None),
        "allowed_networks": NetworksField(),
    }
