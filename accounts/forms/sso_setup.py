"""What is asked of whoever sets up single sign-on by a link, and of who makes such a link."""

from typing import Any

from django import forms

from accounts.models import SsoConnection, SsoProtocol, SsoProvider
from accounts.models.sso import LONGEST_URL
from accounts.models.sso_setup import LONGEST_RECIPIENT
from accounts.saml_providers import saml_claims
from accounts.services.sso_setup import MOST_DAYS, USUAL_DAYS
from accounts.sso.saml.idp_metadata import LARGEST

from .sso import text_of

_QUIET = {"autocomplete": "off", "spellcheck": "false"}


class SetupLinkForm(forms.Form):
    """Asks for whom a link is, and for how long."""

    recipient = forms.CharField(
        label="For whom",
        max_length=LONGEST_RECIPIENT,
        help_text="An e-mail address or a name, for the list and the audit log. Nothing is sent: hand the link over "
        "yourself.",
    )
    days = forms.TypedChoiceField(
        label="Counts for",
        coerce=int,
        initial=USUAL_DAYS,
        choices=[(days, "1 day" if days == 1 else f"{days} days") for days in range(1, MOST_DAYS + 1)],
    )


class SetupChoiceForm(forms.Form):
    """Asks which identity provider it is, and how it is spoken to."""

    provider = forms.ChoiceField(
        label="Identity provider",
        choices=[("", "Choose one"), *SsoProvider.choices],
        help_text="Its instructions follow.",
    )
    protocol = forms.ChoiceField(
        label="Protocol",
        choices=SsoProtocol.choices,
        help_text="OpenID Connect is the newer and simpler one. It stays so for this connection.",
    )


class _SetupForm(forms.Form):
    """The names that the provider gives to what it sends; what a subclass adds comes first."""

    email_claim = forms.CharField(label="Claim with the e-mail address", max_length=120)
    name_claim = forms.CharField(label="Claim with the name", max_length=120)
    external_id_claim = forms.CharField(
        label="Claim with the SCIM externalId",
        max_length=120,
        help_text="Holds what SCIM sends as externalId; sub where people are not provisioned.",
    )
    first: tuple[str, ...] = ()

    def __init__(self, data: Any = None, files: Any = None, *, connection: SsoConnection | None, provider: str) -> None:
        """Begin with what is stored, or with what such a provider sends by itself.

        Args:
            data: what was posted.
            files: what was uploaded.
            connection: the link's connection, None before it is made.
            provider: which one was chosen.
        """
        shown = connection or SsoConnection()
        initial = {name: getattr(shown, name) for name in self.base_fields if hasattr(shown, name)}
        initial.pop("client_secret", None)
        super().__init__(data, files, initial=initial | self.usual(connection, provider))

    def usual(self, connection: SsoConnection | None, provider: str) -> dict[str, Any]:
        """Return what a new connection of this provider begins with."""
        return {}

    @property
    def basics(self) -> list[Any]:
        """Return the fields that have to be filled in."""
        return [self[name] for name in self.first]

    @property
    def names(self) -> list[Any]:
        """Return the fields that are right for most."""
        return [field for field in self if field.name not in self.first]

    def values(self) -> dict[str, Any]:
        """Return what the service takes."""
        return dict(self.cleaned_data)


class OidcSetupForm(_SetupForm):
    """What an OpenID provider gives; the stored secret never comes back into it."""

    issuer = forms.CharField(
        label="Issuer",
        max_length=LONGEST_URL,
        widget=forms.TextInput(attrs=_QUIET),
        help_text="Exactly as the provider calls itself. It is asked now, and refused when it cannot be reached.",
    )
    client_id = forms.CharField(label="Client ID", max_length=255, widget=forms.TextInput(attrs=_QUIET))
    client_secret = forms.CharField(
        label="Client secret",
        required=False,
        max_length=2_000,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off"}),
    )
    scopes = forms.CharField(
        label="Scopes", max_length=200, help_text="What is asked of the provider, separated by spaces."
    )
    first = ("issuer", "client_id", "client_secret")

    def __init__(self, *args: Any, connection: SsoConnection | None, provider: str) -> None:
        super().__init__(*args, connection=connection, provider=provider)
        self._is_new = connection is None
        self.fields["client_secret"].help_text = (
            "Kept encrypted, and never shown again. Empty for a client without a secret."
            if connection is None or connection.client_secret is None
            else "Kept encrypted. Leave it empty to keep the stored one."
        )

    def values(self) -> dict[str, Any]:
        """Return what the service takes; an empty secret stays the stored one."""
        values = super().values()
        if not self._is_new and not values["client_secret"]:
            values.pop("client_secret")
        return values


class SamlSetupForm(_SetupForm):
    """What a SAML provider gives: its metadata, by address, as a file, or as text."""

    metadata_url = forms.CharField(
        label="Metadata URL",
        required=False,
        max_length=LONGEST_URL,
        widget=forms.TextInput(attrs=_QUIET),
        help_text="Fetched now, then once a day: the provider's next certificate is known by itself.",
    )
    metadata_file = forms.FileField(label="Metadata as a file", required=False)
    metadata_xml = forms.CharField(
        label="Metadata as text",
        required=False,
        strip=False,
        max_length=LARGEST,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text="Where there is no address: as a file or as text.",
    )
    subject_attribute = forms.CharField(
        label="Attribute that says who somebody is",
        required=False,
        max_length=120,
        help_text="Empty: the NameID. Choose one that is never given anew.",
    )
    signs_requests = forms.BooleanField(label="Sign requests", required=False)
    first = ("metadata_url", "metadata_file", "metadata_xml")

    def usual(self, connection: SsoConnection | None, provider: str) -> dict[str, Any]:
        """Return the attributes that the provider sends by itself."""
        return {} if connection is not None else {"signs_requests": True, **saml_claims(provider)}

    def clean_metadata_file(self) -> str:
        """Return the file's text, "" without one."""
        return text_of(self.cleaned_data.get("metadata_file"))

    def values(self) -> dict[str, Any]:
        """Return what the service takes."""
        values = super().values()
        file = values.pop("metadata_file")
        return values | {"metadata_xml": file or values["metadata_xml"]}
