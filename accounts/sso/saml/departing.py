"""Sends a browser to an identity provider with a message."""

from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from .messages import Departure

# Browsers hold a form's redirects to form-action too, and a provider may send people on to another host of its own.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "form-action {}; frame-ancestors 'none'; base-uri 'none'"
)


def depart(request: HttpRequest, departure: Departure, organization: str) -> HttpResponse:
    """Return the redirect, or the page whose form sends itself.

    Args:
        request: the browser's.
        departure: where it goes and what it brings.
        organization: whose identity provider that is.
    """
    if not departure.fields:
        return redirect(departure.url)
    parts = urlsplit(departure.url)
    context = {"organization": organization, "url": departure.url, "fields": departure.fields}
    response = render(request, "accounts/sso/saml_leaving.html", context)
    response["Content-Security-Policy"] = _POLICY.format(f"https: {parts.scheme}://{parts.netloc}")
    return response
