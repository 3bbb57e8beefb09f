"""What the tests of second factors do in browsers: sign in, confirm, set up an app, and read its codes."""

import re
import time
from typing import Any

import psycopg
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.test import Client

from accounts.models import User
from tests import database
from tests.people import PASSWORD, signed_in

STEP = 30


def code_of(secret: str, *, steps: int = 0) -> str:
    """Return the code that an app with the secret shows, so many steps of half a minute from now."""
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // STEP + steps)))


def confirm(browser: Client, *, password: str = PASSWORD) -> Any:
    """Confirm the password in a signed-in browser."""
    return browser.post("/accounts/reauthenticate/", {"password": password})


def set_up_app(browser: Client) -> tuple[str, Any]:
    """Set up an authenticator app; return its secret and the answer."""
    confirm(browser)
    page = browser.get("/accounts/2fa/totp/activate/")
    assert page.status_code == 200
    secret = page.context["form"].secret
    return secret, browser.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)})


def recovery_codes(browser: Client) -> list[str]:
    """Return the codes that the page shows, which it does once."""
    page = browser.get("/accounts/2fa/recovery-codes/").content.decode()
    found = re.search(r"<textarea[^>]*>([^<]*)</textarea>", page)
    return found.group(1).split("\n") if found else []


def with_app(user: User) -> tuple[Client, str, list[str]]:
    """Return a signed-in browser of somebody who has set up an app, its secret, and their recovery codes."""
    browser = signed_in(user)
    secret, _ = set_up_app(browser)
    codes = recovery_codes(browser)
    forget_time(user)
    return browser, secret, codes


def forget_time(user: User) -> None:
    """Let the present code of somebody's app count again, as if half a minute had gone by since it was used."""
    dsn = database.server().dsn(database=database.worker_database())
    with psycopg.connect(dsn) as connection:  # a superuser's: it needs no event
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE mfa_authenticator SET data = data || '{\"last_step\": 0}' WHERE type = 'totp' AND user_id = %s",
            [user.pk],
        )


def sign_in(user: User, *, password: str = PASSWORD) -> tuple[Client, Any]:
    """Type address and password in a fresh browser; return it and the answer."""
    browser = Client()
    return browser, browser.post("/accounts/login/", {"login": user.email, "password": password})


def second_step(browser: Client, code: str) -> Any:
    """Type a code at the second step."""
    return browser.post("/accounts/2fa/authenticate/", {"code": code})


def is_signed_in(browser: Client) -> bool:
    """Return whether the browser's session belongs to somebody."""
    return "_auth_user_id" in browser.session
