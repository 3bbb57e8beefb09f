"""The forms of signing in and up."""

from collections.abc import Sequence
from typing import Any, ClassVar

from allauth.account.adapter import get_adapter
from allauth.account.forms import AddEmailForm, LoginForm, ResetPasswordForm, SignupForm
from django import forms
from django.contrib.auth.password_validation import password_validators_help_text_html
from django.http import HttpRequest

from accounts.mails import send_sso_instead_of_password
from accounts.models import User
from accounts.sso.held import doors_for_login, refuse_held_address


def _name_field() -> forms.CharField:
    return forms.CharField(
        label="Your name",
        max_length=120,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
        help_text="What colleagues read in lists and logs.",
    )


class OurWords:
    """Mixed into allauth's forms: fields are called what they are called everywhere else here."""

    labels: ClassVar = {
        "email": "E-mail address",
        "login": "E-mail address",
        "remember": "Keep me signed in",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, forms.Field] = self.fields  # type: ignore[attr-defined]  # a form's
        for name, label in self.labels.items():
            if name in fields:
                fields[name].label = label
                fields[name].widget.attrs.pop("placeholder", None)


class SignInForm(OurWords, LoginForm):  # type: ignore[misc]  # allauth has no type hints
    """Signs in by e-mail and password."""


class NewAddressForm(OurWords, AddEmailForm):  # type: ignore[misc]  # allauth has no type hints
    """Adds an address to one's login."""

    def clean_email(self) -> str:
        """Return the address, unless its people come by single sign-on."""
        email: str = super().clean_email()
        refuse_held_address(email)
        return email


class ForgottenPasswordForm(OurWords, ResetPasswordForm):  # type: ignore[misc]  # allauth has no type hints
    """Asks for the link that sets a new password; who is held to single sign-on gets that link instead."""

    users: Sequence[User]

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        """Send the mails and return the address; the page says the same to everybody."""
        held = {user: doors for user in self.users if (doors := doors_for_login(user))}
        self.users = [user for user in self.users if user not in held]
        for doors in held.values():
            send_sso_instead_of_password(self.cleaned_data["email"], doors)
        if held and not self.users:
            return str(self.cleaned_data["email"])
        return str(super().save(request, **kwargs))


class SignUpForm(OurWords, SignupForm):  # type: ignore[misc]  # allauth has no type hints
    """Signs up by e-mail and password."""

    name = _name_field()
    field_order = ["email", "name", "password1", "password2"]

    def clean_email(self) -> str:
        """Return the address, unless its people come by single sign-on."""
        email: str = super().clean_email()
        refuse_held_address(email)
        return email


class InvitedSignUpForm(forms.Form):
    """Signs up somebody who holds an invitation's link: the address is given and proven.

    Args:
        email: the invited address.
    """

    name = _name_field()
    password1 = forms.CharField(
        label="Password", strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )
    password2 = forms.CharField(
        label="Password (again)", strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email
        self.fields["password1"].help_text = password_validators_help_text_html()

    def clean_password1(self) -> str:
        """Return the password when it is strong enough."""
        password: str = self.cleaned_data["password1"]
        user = User(email=self.email, name=self.cleaned_data.get("name", ""))
        get_adapter().clean_password(password, user=user)
        return password

    def clean(self) -> dict[str, Any]:
        """Return the data when both passwords are the same, and the address may have one."""
        refuse_held_address(self.email)
        data: dict[str, Any] = super().clean() or {}
        if data.get("password1") and data["password1"] != data.get("password2"):
            self.add_error("password2", "You must type the same password each time.")
        return data
