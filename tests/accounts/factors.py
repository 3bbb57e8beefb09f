"""Second factors of the people of the tests."""

import time

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client

from accounts.models import User


def give_totp(user: User) -> None:
    """Give somebody an authenticator app."""
    TOTP.activate(user, generate_totp_secret())


def prove_totp(browser: Client, user: User) -> None:
    """Let a signed-in browser's session have proved the app."""
    session = browser.session
    app = Authenticator.objects.get(user=user, type=Authenticator.Type.TOTP)
    record = {"method": "mfa", "at": time.time(), "id": app.pk, "type": "totp"}
    session["account_authentication_methods"] = [record]
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()
