"""The forms of provider credentials: one is made of what a provider and a kind want to be told."""

from collections.abc import Mapping
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminTextareaWidget

from console.confirm import dress
from gateway.credential_options import (
    LONGEST_OPTION,
    LONGEST_SECRET,
    Entry,
    Option,
    needs_base_url,
    options_of,
    secret_of,
)
from gateway.models import CredentialKind, Provider, ProviderCredential
from gateway.services.provider_credentials import LOWEST_PRIORITY
from isolation.exceptions import DomainError

from .projects import project_field

OVERLAPS = (
    ("0", "It is forgotten now"),
    ("3600", "1 hour"),
    ("86400", "24 hours"),
    ("604800", "7 days"),
)
USUAL_OVERLAP = "86400"
_PREFIX = "option_"
_MORE = ("allowed_models", "priority")
_LONGEST_MODELS = 25_000
_TYPED = {"autocomplete": "off", "spellcheck": "false"}


class WriteOnlyTextarea(UnfoldAdminTextareaWidget):  # type: ignore[misc] # unfold has no type hints
    """A text area that never shows what was stored or sent."""

    def format_value(self, value: Any) -> str:
        """Return nothing."""
        return ""


class CredentialForm(forms.Form):
    """A credential of one provider and kind.

    Args:
        data: what was sent, None before.
        provider, kind: what it is.
        needs_project: whether a new one can be of a project only.
        credential: the one that is changed, None for a new one.
    """

    name = forms.CharField(label="Name", max_length=120, help_text="What people read, such as “Production”.")
    base_url = forms.CharField(
        label="Address",
        required=False,
        max_length=LONGEST_OPTION,
        widget=forms.TextInput({"inputmode": "url", "placeholder": "https://", **_TYPED}),
    )
    allowed_models = forms.CharField(
        label="Only these models",
        required=False,
        max_length=_LONGEST_MODELS,
        widget=forms.Textarea({"rows": 3, "spellcheck": "false"}),
        help_text="One a line; patterns such as gpt-4* work. Empty: every model.",
    )
    priority = forms.IntegerField(
        label="Priority",
        min_value=0,
        max_value=LOWEST_PRIORITY,
        initial=100,
        help_text="The lowest number is tried first; the next one is what a request falls back to.",
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None,
        *,
        provider: str,
        kind: str,
        needs_project: bool = False,
        credential: ProviderCredential | None = None,
    ) -> None:
        super().__init__(data, initial=_initial(provider, kind, credential))
        self.is_new = credential is None
        self.options_asked = options_of(provider, kind)
        if self.is_new:
            everywhere = "" if needs_project else " Empty: every project of the organization, after its own."
            self.fields["project"] = project_field(
                "credential", required=needs_project, help_text=f"Its identifier.{everywhere}"
            )
        self.fields["secret"] = _secret_field(provider, kind, credential)
        for option in self.options_asked:
            self.fields[_PREFIX + option.name] = _field(option)
        address = self.fields["base_url"]
        address.required = needs_base_url(provider)
        address.help_text = _about_address(provider)
        for field in self.fields.values():
            dress(field)

    @property
    def first_fields(self) -> list[forms.BoundField]:
        """Return what everybody fills in."""
        asked = [_PREFIX + option.name for option in self.options_asked]
        address = ["base_url"] if self.fields["base_url"].required else []
        return [self[name] for name in (*(["project"] if self.is_new else []), "name", *address, *asked, "secret")]

    @property
    def more_fields(self) -> list[forms.BoundField]:
        """Return what has a sensible value already."""
        address = [] if self.fields["base_url"].required else ["base_url"]
        return [self[name] for name in (*_MORE, *address)]

    @property
    def more_has_errors(self) -> bool:
        """Return whether one of these is refused."""
        return any(field.errors for field in self.more_fields)

    def values(self) -> dict[str, Any]:
        """Return what the services take; the form must be valid."""
        told = {option.name: self.cleaned_data[_PREFIX + option.name] for option in self.options_asked}
        return {
            "name": self.cleaned_data["name"],
            "base_url": self.cleaned_data["base_url"],
            "options": {name: "" if value is None else value for name, value in told.items()},
            "allowed_models": self.cleaned_data["allowed_models"].splitlines(),
            "priority": self.cleaned_data["priority"],
        }

    def refuse(self, error: DomainError) -> None:
        """Show what the service refuses, at the field that it speaks of."""
        names = (_PREFIX + (error.field or ""), error.field)
        self.add_error(next((name for name in names if name in self.fields), None), error.message)


class RotationForm(forms.Form):
    """Asks for the new secret, and how long the former one is kept.

    Args:
        data: what was sent, None before.
        credential: the credential.
    """

    overlap = forms.ChoiceField(
        label="How long the former secret is kept",
        choices=OVERLAPS,
        initial=USUAL_OVERLAP,
        widget=UnfoldAdminRadioSelectWidget,
        help_text="Until then one button puts it back, if the new one does not work. After a leak: forget it.",
    )

    def __init__(self, data: Mapping[str, Any] | None, *, credential: ProviderCredential) -> None:
        super().__init__(data)
        self.fields["secret"] = _secret_field(credential.provider, credential.kind, None)
        self.order_fields(["secret", "overlap"])
        for field in self.fields.values():
            dress(field)

    def refuse(self, error: DomainError) -> None:
        """Show what the service refuses."""
        self.add_error(error.field if error.field in self.fields else None, error.message)


class ResolutionForm(forms.Form):
    """Asks for a project and a model.

    Args:
        data: the query, None before.
    """

    provider = forms.ChoiceField(label="Provider", required=False, choices=[("", "Any"), *Provider.choices])
    model = forms.CharField(
        label="Model", required=False, max_length=120, widget=forms.TextInput({"placeholder": "gpt-4o", **_TYPED})
    )

    def __init__(self, data: Mapping[str, Any] | None) -> None:
        super().__init__(data)
        self.fields["project"] = project_field("resolution")
        self.order_fields(["project", "provider", "model"])
        for field in self.fields.values():
            dress(field)


def _initial(provider: str, kind: str, credential: ProviderCredential | None) -> dict[str, Any]:
    if credential is None:
        return {_PREFIX + option.name: option.default for option in options_of(provider, kind)}
    return {
        "name": credential.name,
        "base_url": credential.base_url,
        "allowed_models": "\n".join(credential.allowed_models),
        "priority": credential.priority,
        **{_PREFIX + name: value for name, value in credential.options.items()},
    }


def _field(option: Option) -> forms.Field:
    """Return the field of an option; what is only asked for sometimes the service asks for."""
    required = option.required and option.only_with is None
    shared: dict[str, Any] = {"label": option.label, "required": required, "help_text": option.help}
    if option.entry is Entry.NUMBER:
        return forms.IntegerField(**shared)
    if option.entry is Entry.CHOICE:
        return forms.ChoiceField(choices=option.choices, **shared)
    attributes = {"inputmode": "url", "placeholder": "https://"} if option.entry is Entry.URL else {}
    return forms.CharField(max_length=LONGEST_OPTION, widget=forms.TextInput({**attributes, **_TYPED}), **shared)


def _secret_field(provider: str, kind: str, credential: ProviderCredential | None) -> forms.Field:
    label, about = secret_of(provider, kind)
    if credential is None:
        about = f"{about} Kept encrypted, and never shown again."
    else:
        about = "Leave it empty to keep the one that is stored. With another address it has to be given again."
    widget: forms.Widget = forms.PasswordInput({**_TYPED, "autocomplete": "new-password"}, render_value=False)
    if (provider, kind) == (Provider.VERTEX, CredentialKind.API_KEY):
        widget = WriteOnlyTextarea({**_TYPED, "rows": 5})
    return forms.CharField(
        label=label, required=credential is None, max_length=LONGEST_SECRET, help_text=about, widget=widget
    )


def _about_address(provider: str) -> str:
    match provider:
        case Provider.AZURE_OPENAI:
            return "Of your resource, such as https://name.openai.azure.com."
        case Provider.OPENAI_COMPATIBLE:
            return "Without /v1. The operator of this installation says which addresses are allowed."
        case _:
            return "Empty: the provider's own. Others are allowed by the operator of this installation."
