"""The forms of second factors: allauth's, with one use for each code, our words, and an event for each refusal."""

from functools import cached_property
from typing import Any, ClassVar

from allauth.core import context as allauth_context
from allauth.mfa import signals
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.base.internal.flows import check_rate_limit
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    EditWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from django import forms
from django.core.exceptions import ValidationError

from accounts.mfa.codes import spend
from accounts.services.second_factors import rename_passkey
from accounts.services.users import person
from vault.exceptions import VaultError

LONGEST_NAME = 60
LONGEST_CODE = 32


class _Code:
    """Mixed into allauth's forms that take a code."""

    user: Any
    authenticator: Authenticator
    cleaned_data: dict[str, Any]
    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["code"]
        field.label, field.max_length = "Code", LONGEST_CODE  # type: ignore[attr-defined]  # a CharField
        field.widget.attrs = {
            "autocomplete": "one-time-code",
            "autofocus": True,
            "maxlength": LONGEST_CODE,
            "spellcheck": "false",
        }

        if self.has_app:
            field.help_text = "From your authenticator app, or one of your recovery codes."
        else:
            field.label, field.help_text = "Recovery code", "One of those that you kept when you set this up."

    @cached_property
    def has_app(self) -> bool:
        """Return whether there is an authenticator app, whose code is the first thing to ask for."""
        return bool(Authenticator.objects.filter(user=self.user, type=Authenticator.Type.TOTP).exists())

    def clean_code(self) -> str:
        """Return a code that is right and was not used yet; it is used now.

        Raises:
            ValidationError: it is not, or there were too many wrong ones.
        """
        succeeded = check_rate_limit(self.user)
        code: str = self.cleaned_data["code"]
        factors = Authenticator.objects.filter(user=self.user).exclude(type=Authenticator.Type.WEBAUTHN)
        known = sorted(factors, key=lambda factor: factor.type != Authenticator.Type.TOTP)
        try:
            accepted = next((factor for factor in known if _takes(factor, code)), None)
        except VaultError as error:
            raise get_adapter().validation_error("vault_closed") from error
        if accepted is None:
            if known:
                self._emit_authentication_failed(known[0])  # type: ignore[attr-defined]  # allauth's
            raise get_adapter().validation_error("incorrect_code")
        accepted.user = self.user
        self.authenticator = accepted
        succeeded()
        return code


def _takes(factor: Authenticator, code: str) -> bool:
    if factor.type == Authenticator.Type.TOTP:
        return spend(factor, code)
    return bool(factor.wrap().validate_code(code))


class CodeForm(_Code, AuthenticateForm):  # type: ignore[misc]  # allauth has no type hints
    """Takes the code of the second step."""


class ConfirmingCodeForm(_Code, ReauthenticateForm):  # type: ignore[misc]  # allauth has no type hints
    """Takes a code of somebody who is signed in and confirms that it is them."""


class SetUpAppForm(ActivateTOTPForm):  # type: ignore[misc]  # allauth has no type hints
    """Takes the first code of an authenticator app."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["code"]
        field.label, field.max_length = "Code that the app shows", LONGEST_CODE
        field.widget.attrs = {"autocomplete": "one-time-code", "inputmode": "numeric", "maxlength": LONGEST_CODE}

    @property
    def spaced_secret(self) -> str:
        """Return the key to type, in groups of four."""
        return " ".join(self.secret[at : at + 4] for at in range(0, len(self.secret), 4))


class _Passkey:
    """Mixed into allauth's forms that take a passkey's answer."""

    user: Any
    reauthenticated: bool

    def clean_credential(self) -> Authenticator:
        """Return the passkey that answered.

        Raises:
            ValidationError: none of this person's did; an event tells of it.
        """
        try:
            found: Authenticator = super().clean_credential()  # type: ignore[misc]  # allauth's
        except ValidationError as error:
            if error.code == "too_many_login_attempts":
                raise
            self._tell()
            raise get_adapter().validation_error("passkey_refused") from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # no answer of any browser
            self._tell()
            raise get_adapter().validation_error("passkey_refused") from error
        return found

    def _tell(self) -> None:
        signals.authentication_failed.send(
            sender=Authenticator,
            request=allauth_context.request,
            user=self.user,
            authenticator=None,
            reauthentication=self.reauthenticated,
        )


class PasskeyForm(_Passkey, AuthenticateWebAuthnForm):  # type: ignore[misc]  # allauth has no type hints
    """Takes a passkey as the second step."""


class ConfirmingPasskeyForm(_Passkey, ReauthenticateWebAuthnForm):  # type: ignore[misc]  # allauth has no type hints
    """Takes a passkey of somebody who is signed in and confirms that it is them."""


class PasskeySignInForm(_Passkey, LoginWebAuthnForm):  # type: ignore[misc]  # allauth has no type hints
    """Takes a passkey in place of address and password."""


class AddPasskeyForm(AddWebAuthnForm):  # type: ignore[misc]  # allauth has no type hints
    """Adds a passkey."""

    passwordless = forms.BooleanField(
        label="Let it sign me in on its own",
        required=False,
        initial=True,
        help_text="Without your address and password. It then asks for your fingerprint, face or PIN.",
    )
    field_order: ClassVar = ["name", "passwordless", "credential"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name = self.fields["name"]
        name.max_length, name.help_text = LONGEST_NAME, "Such as the device that holds it."
        name.widget.attrs |= {"maxlength": LONGEST_NAME, "autocomplete": "off"}

    def clean(self) -> dict[str, Any]:
        """Return the data when the browser's answer is one to what was asked.

        Raises:
            ValidationError: it is not.
        """
        try:
            data: dict[str, Any] = super().clean()
        except ValidationError as error:
            if error.code != "incorrect_code":
                raise
            raise get_adapter().validation_error("passkey_not_added") from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # no answer of any browser
            raise get_adapter().validation_error("passkey_not_added") from error
        if "name" in data:
            data["name"] = data["name"][:LONGEST_NAME]
        return data


class RenamePasskeyForm(EditWebAuthnForm):  # type: ignore[misc]  # allauth has no type hints
    """Gives a passkey another name."""

    name = forms.CharField(max_length=LONGEST_NAME, widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def save(self) -> Authenticator:
        """Store the name, with its event."""
        actor = person(allauth_context.request.user)
        return rename_passkey(passkey=self.instance, name=self.cleaned_data["name"], actor=actor)
