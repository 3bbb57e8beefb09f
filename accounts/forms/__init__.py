"""The forms of signing in and up, under the names that the settings use; those of keys are in their own modules."""

from .sign_in import (
    ForgottenPasswordForm,
    InvitedSignUpForm,
    NewAddressForm,
    OurWords,
    SignInForm,
    SignUpForm,
)

__all__ = [
    "ForgottenPasswordForm",
    "InvitedSignUpForm",
    "NewAddressForm",
    "OurWords",
    "SignInForm",
    "SignUpForm",
]
