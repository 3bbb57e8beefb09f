"""Where a person confirms that it is still them who sits at the session."""

from urllib.parse import urlencode, urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme

from console.links import root_url


def confirm_first(request: HttpRequest) -> HttpResponse:
    """Lead to the page that asks; from there on to the page that was wanted, or whose form was sent."""
    wanted = request.get_full_path()
    if request.method not in {"GET", "HEAD"}:
        wanted = page_before(request) or root_url()
    return redirect(f"{root_url('accounts/confirm/')}?{urlencode({'next': wanted})}")


def page_before(request: HttpRequest) -> str:
    """Return the path of the page that the request came from, "" when it came from elsewhere."""
    referer = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(referer, allowed_hosts={request.get_host()}):
        return ""
    parts = urlsplit(referer)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
