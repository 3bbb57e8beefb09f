"""People who sign in with browsers, and what the tables say of their sessions."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.test import Client

from accounts.models import Device, Session, User
from tests.people import PASSWORD

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
_WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
SAFARI = f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_WEBKIT} Version/17.5 Safari/605.1.15"
PAGE = "/accounts/sessions/"


def browser(user_agent: str = FIREFOX) -> Client:
    """Return a browser in which nobody has signed in yet."""
    return Client(headers={"User-Agent": user_agent})


def sign_in(user: User, client: Client | None = None, *, user_agent: str = FIREFOX) -> Client:
    """Sign somebody in by the form, in a new browser without one; return the browser."""
    client = client or browser(user_agent)
    response = client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert response.status_code == 302, response.content.decode()
    return client


def session_in(client: Client) -> Session:
    """Return the row of a browser's session."""
    store: Any = client.session
    row = store.known()
    assert isinstance(row, Session)
    return row


def key_in(client: Client) -> str:
    """Return the key of a browser's session."""
    return str(client.session.session_key)


def device_in(client: Client) -> UUID:
    """Return what a browser is known by, to the person whose session it has."""
    device_id = session_in(client).device_id
    assert device_id
    return device_id


def is_signed_in(client: Client) -> bool:
    """Return whether the next request still finds somebody signed in."""
    return client.get("/accounts/profile/").status_code == 200


def sessions(user: User) -> list[Session]:
    """Return somebody's sessions, the newest first."""
    return list(Session.objects.filter(user=user).order_by("-signed_in_at"))


def devices(user: User) -> list[Device]:
    """Return the browsers that somebody signed in with, the newest first."""
    return list(Device.objects.filter(user=user).order_by("-first_seen_at"))


def cookie(client: Client) -> Any:
    """Return the cookie by which the browser is known again."""
    return client.cookies["gatehouse_device"]


class EndsMeanwhile:
    """A middleware: somebody ends the session of each request while it is under way."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        request.session["something"] = "new"
        Session.objects.all().delete()
        return response
