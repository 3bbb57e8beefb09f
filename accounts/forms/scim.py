"""Making and revoking the tokens of an identity provider."""

from typing import Any

from django import forms

from accounts.models import ScimConnection, ScimToken
from accounts.services.key_rules import LONGEST_REASON

from .api_keys import life_fields


class NewTokenForm(forms.Form):
    """Asks what a new token is called, until when and from where it is accepted."""

    name = forms.CharField(
        label="Name", max_length=120, help_text="What people read, such as where the token is kept: Okta production."
    )
    once = forms.CharField(widget=forms.HiddenInput)


def new_token_form(token: str) -> type[forms.Form]:
    """Return the form for one new token.

    Args:
        token: what `console.once.token` made: the form makes one token, however often it is sent.
    """
    hidden = forms.CharField(widget=forms.HiddenInput, initial=token)
    fields: dict[str, Any] = {**life_fields(max_days=None), "once": hidden}
    return type("NewTokenForm", (NewTokenForm,), fields)


def revocation_form(connection: ScimConnection) -> type[forms.Form]:
    """Return the form that asks which token of a connection ends, and why."""
    tokens = ScimToken.objects.active().filter(connection=connection)
    choices = [(str(token.pk), f"{token.name} (secret …{token.last_four})") for token in tokens]
    fields: dict[str, Any] = {
        "token": forms.ChoiceField(label="Token", choices=choices),
        "reason": forms.CharField(
            label="Reason",
            required=False,
            max_length=LONGEST_REASON,
            help_text="Optional. It is kept in the audit log.",
        ),
    }
    return type("TokenRevocationForm", (forms.Form,), fields)
