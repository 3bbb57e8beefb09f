"""What is asked of somebody who signs in through their organization, and of who connects an identity provider."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminPasswordWidget

from accounts.models import SsoConnection

from .api_keys import KeyForm


class FindProviderForm(forms.Form):
    """Finds the identity provider by an e-mail address."""

    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "autofocus": True}),
        help_text="Your address at work. It leads to your organization's identity provider.",
    )


class SsoConnectionForm(KeyForm):
    """A single sign-on connection; the stored secret never comes back into it."""

    secret = forms.CharField(
        required=False,
        max_length=2_000,
        label="Client secret",
        widget=UnfoldAdminPasswordWidget(render_value=False, attrs={"autocomplete": "off"}),
    )

    class Meta:
        model = SsoConnection
        fields = ("name", "provider", "issuer", "client_id")
        help_texts = {
            "name": "What people read, also where they choose how to sign in.",
            "issuer": "Exactly as the provider calls itself. It is asked now, and refused when it cannot be reached.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = self.instance.client_secret is not None and not self.instance._state.adding
        self.fields["secret"].help_text = (
            "Kept encrypted. Leave it empty to keep the stored one."
            if stored
            else "Kept encrypted, and never shown again. Empty for a client without a secret."
        )
