"""What every page of single sign-on needs: refusals, and where a sign-in may lead."""

from urllib.parse import unquote

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.sso_door import SsoDoor
from console.links import root_url

NO_DOOR = "This way to sign in is closed. Ask an owner of your organization whether single sign-on is switched on."
NO_ATTEMPT = "This sign-in was begun in another browser, was used already, or took longer than 15 minutes. Begin again."


def inside(request: HttpRequest, door: SsoDoor, next_url: str) -> str:
    """Return where to go: within the organization, whatever was asked."""
    home = root_url(f"o/{door.slug}/")
    climbs = ".." in unquote(next_url)  # browsers resolve dot segments, in each of their spellings (RFC 3986 5.2.4)
    safe = (
        next_url.startswith(home)
        and not climbs
        and url_has_allowed_host_and_scheme(next_url, allowed_hosts={request.get_host()})
    )
    return next_url if safe else home


def too_many(request: HttpRequest, wait: int) -> HttpResponse:
    """Return the page for an address that asks too often."""
    response = refused(request, f"Too many sign-ins from your address. Wait {wait} seconds, then go on.", 429)
    response["Retry-After"] = str(wait)
    return response


def refused(request: HttpRequest, advice: str, status: int) -> HttpResponse:
    """Return the page that says what to do next; it tells nothing of the organization."""
    return render(request, "accounts/sso/refused.html", {"advice": advice}, status=status)
