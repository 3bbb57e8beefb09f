"""Gives a browser the cookie by which it is known again when somebody signs in."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from accounts.services.devices import KEPT

_ATTRIBUTE = "device_cookie"
_SERVER_ERROR = 500


class DeviceMiddleware:
    """Sets the cookie on the response to a sign-in; nobody else's response has it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Run the request."""
        response = self.get_response(request)
        value = getattr(request, _ATTRIBUTE, None)
        if value is not None and response.status_code < _SERVER_ERROR:
            response.set_cookie(
                settings.DEVICE_COOKIE_NAME,
                value,
                max_age=KEPT,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response


def cookie_of(request: HttpRequest) -> str:
    """Return what the browser's cookie holds, "" without one."""
    return str(request.COOKIES.get(settings.DEVICE_COOKIE_NAME, ""))


def give_cookie(request: HttpRequest, value: str) -> None:
    """Let the response to the request set the cookie."""
    setattr(request, _ATTRIBUTE, value)
