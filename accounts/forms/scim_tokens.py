"""What is asked of a new SCIM token."""

from typing import Any

from django import forms

from accounts.models import ScimToken

from .api_keys import KeyForm, life_fields

_HELP = {
    "expires_at": "Make the next token before this one ends: a connection can have several at once.",
    "allowed_networks": "From where the token is accepted: an IP address or network (CIDR) a line. Empty: from "
    "everywhere.",
}


class ScimTokenForm(KeyForm):
    """A token of a connection."""

    expires_at = forms.CharField(required=False)
    allowed_networks = forms.CharField(required=False)

    class Meta:
        model = ScimToken
        fields = ("name",)
        help_texts = {"name": "What people read in lists and logs."}


def token_life_fields() -> dict[str, Any]:
    """Return the fields that say until when and from where a token is accepted."""
    made = life_fields(max_days=None)
    for name, text in _HELP.items():
        made[name].help_text = text
    return made
