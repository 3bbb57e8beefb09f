"""Second factors of the people of the tests, set up and proved in browsers."""

from django.test import Client

from accounts.models import User
from tests.accounts.mfa.stage import code_of, forget_time, with_app

_secrets: dict[str, str] = {}


def give_totp(user: User) -> None:
    """Give somebody an authenticator app."""
    _, secret, _ = with_app(user)
    _secrets[str(user.pk)] = secret


def prove_totp(browser: Client, user: User) -> None:
    """Type a code of somebody's app in a browser in which they are signed in."""
    forget_time(user)
    answer = browser.post("/accounts/2fa/reauthenticate/", {"code": code_of(_secrets[str(user.pk)])})
    assert answer.status_code == 302, answer.content.decode()
