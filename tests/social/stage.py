"""People who sign in with accounts at social providers, in browsers."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.test import Client

from accounts.models import SocialIdentity, User
from tests.people import PASSWORD, signed_in


@dataclass(frozen=True)
class Social:
    """A provider that the installation offers.

    Attributes:
        key: its name.
        authorize: plays the browser at the provider; returns where it is sent back to.
    """

    key: str
    authorize: Any

    def leave(self, browser: Client, **query: str) -> str:
        """Send a browser to the provider; return where that sends it back to."""
        response = browser.get(f"/accounts/social/{self.key}/start/", query)
        assert response.status_code == 302, response.content.decode()
        return self.back(response["Location"])

    def sign_in(self, browser: Client | None = None, **query: str) -> Any:
        """Sign in with a browser; return the answer to its coming back, with `.client`."""
        browser = browser or Client()
        return browser.get(self.leave(browser, **query))

    def connect(self, browser: Client) -> Any:
        """Connect an account in a browser that has proved its password; return the answer to its coming back."""
        return browser.get(self.back(self.leave_to_connect(browser)))

    def leave_to_connect(self, browser: Client) -> str:
        """Return where the button of the profile page leads."""
        page = browser.post(f"/accounts/social/{self.key}/connect/")
        assert page.status_code == 200, page
        return str(page.context["leaving_url"])

    def back(self, url: str) -> str:
        """Return where the provider sends a browser back to, as a path."""
        parts = urlsplit(self.authorize(url))
        return f"{parts.path}?{parts.query}"


def user_of(response: Any) -> str | None:
    """Return who is signed in in a response's browser, by address."""
    found = response.client.session.get("_auth_user_id")
    return User.objects.get(pk=found).email if found else None


def identities() -> list[tuple[str, str, str]]:
    """Return who is connected with what: address, provider, subject."""
    return sorted(SocialIdentity.objects.values_list("user__email", "provider", "subject"))


def proved(user: User) -> Client:
    """Return a browser in which somebody has just typed their password once more."""
    browser = signed_in(user)
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return browser


def connected(social: Social, user: User) -> None:
    """Let the account of whoever signs in at the provider open somebody's login."""
    assert social.connect(proved(user))["Location"] == "/accounts/profile/"
