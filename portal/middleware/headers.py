"""Headers that tell the browser what a page may load, and what other sites may learn about its address."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

_CONSOLES = ("/admin/", "/o/")
_STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; manifest-src 'self'"
)
# unfold's Alpine evaluates the expressions in its attributes, and its templates carry inline scripts and styles.
_CONSOLE = _STRICT.replace("script-src 'self'", "script-src 'self' 'unsafe-inline' 'unsafe-eval'").replace(
    "style-src 'self'", "style-src 'self' 'unsafe-inline'"
)
_PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


class HeadersMiddleware:
    """Adds Content-Security-Policy, Permissions-Policy and, outside the consoles, a stricter Referrer-Policy.

    Nothing is ever loaded from another host. Addresses of the public pages may hold a token (an invitation, a password
    reset): their Referer names the host only, also within this site. Not "no-referrer": it would take the Origin header
    from forms, by which cross-site requests are recognized.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Run the request and add the headers that its view has not set."""
        response = self.get_response(request)
        in_console = request.path.startswith(_CONSOLES)
        response.headers.setdefault("Content-Security-Policy", _CONSOLE if in_console else _STRICT)
        response.headers.setdefault("Permissions-Policy", _PERMISSIONS)
        if not in_console and response.headers.get("Referrer-Policy") != "no-referrer":
            response.headers["Referrer-Policy"] = "strict-origin"
        return response
