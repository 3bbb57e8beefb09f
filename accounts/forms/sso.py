"""What is asked of somebody who signs in through their organization, and of who connects an identity provider."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminPasswordWidget, UnfoldAdminTextareaWidget

from accounts.models import SsoConnection
from accounts.sso.saml.idp_metadata import LARGEST

from .api_keys import KeyForm


class FindProviderForm(forms.Form):
    """Finds the identity provider by an e-mail address."""

    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "autofocus": True}),
        help_text="Your address at work. It leads to your organization's identity provider.",
    )


class DomainsField(forms.CharField):
    """Names of domains, one a line; the value is a list of texts that the service reads."""

    def __init__(self) -> None:
        super().__init__(
            label="Domains",
            required=False,
            max_length=10_000,
            widget=UnfoldAdminTextareaWidget({"rows": 2, "spellcheck": "false"}),
            help_text="Whose addresses lead here from the sign-in page and count here, one a line. Empty: those of "
            "each verified domain. Say it where several connections share the work.",
        )

    def prepare_value(self, value: Any) -> Any:
        """Return the lines of a stored list, or what was typed."""
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        """Return the names as they were typed."""
        return str(super().clean(value)).replace(",", " ").split()

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether the lines differ."""
        return str(data or "").split() != list(initial or ())


class OwnersForm(forms.Form):
    """Asks which value of the groups claim makes owners."""

    owner_value = forms.CharField(
        label="Value of the claim",
        max_length=255,
        help_text="What the claim with the groups holds for owners: a name, or an id at Entra ID. Upper and lower case "
        "differ.",
    )


class SsoConnectionForm(KeyForm):
    """A single sign-on connection; the stored secret never comes back into it."""

    domains = DomainsField()
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


class SamlConnectionForm(KeyForm):
    """A single sign-on connection by SAML 2.0; metadata come from an address, as a file, or as text."""

    domains = DomainsField()
    metadata_xml = forms.CharField(
        required=False,
        label="Metadata (XML)",
        strip=False,
        max_length=LARGEST,
        widget=UnfoldAdminTextareaWidget({"rows": 4, "spellcheck": "false"}),
        help_text="Where there is no address: the text of the metadata. It replaces what was stored.",
    )
    metadata_file = forms.FileField(
        required=False,
        label="Metadata (file)",
        widget=UnfoldAdminFileFieldWidget,
        help_text="The same as a file.",
    )

    class Meta:
        model = SsoConnection
        fields = ("name", "provider", "metadata_url")
        labels = {
            "email_claim": "Attribute with the e-mail address",
            "name_claim": "Attribute with the name",
            "external_id_claim": "Attribute with the SCIM externalId",
            "groups_claim": "Attribute with the groups",
        }
        help_texts = {
            "name": "What people read, also where they choose how to sign in.",
            "email_claim": "As the provider names it; where there is none, an e-mail address as NameID serves.",
            "external_id_claim": "Holds what SCIM sends as externalId; sub is what says who somebody is.",
            "metadata_url": "Fetched now, then once a day: the provider's next certificate is known by itself.",
        }

    def clean_metadata_file(self) -> str:
        """Return the file's text, "" without one.

        Raises:
            ValidationError: it is too large, or none.
        """
        return text_of(self.cleaned_data.get("metadata_file"))


def text_of(file: Any) -> str:
    """Return an uploaded file's text, "" without one.

    Raises:
        ValidationError: it is too large, or no text.
    """
    if not file:
        return ""
    if file.size > LARGEST:
        raise forms.ValidationError(f"The file is larger than {LARGEST // 1024} KiB.")
    try:
        return str(file.read().decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise forms.ValidationError("The file is not written in UTF-8.") from None
