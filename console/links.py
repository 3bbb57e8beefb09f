"""Addresses outside the sites. `reverse` would put the tenant's script prefix before them."""

from urllib.parse import urlencode

from django.conf import settings
from django.urls import get_script_prefix, reverse


def root_url(path: str = "") -> str:
    """Return the address of a path below the installation's root, whatever the current script prefix is."""
    return f"{settings.FORCE_SCRIPT_NAME or ''}/{path}"


def login_url(next_url: str = "") -> str:
    """Return the address of the sign-in page, which leads back to `next_url`."""
    query = f"?{urlencode({'next': next_url})}" if next_url else ""
    return root_url("accounts/login/") + query


def portal_url(name: str, **kwargs: object) -> str:
    """Return the address of a named page outside the sites, such as an invitation's.

    Args:
        name: a name of the root URL configuration.
        kwargs: the route's arguments.
    """
    inside = reverse(name, urlconf=settings.ROOT_URLCONF, kwargs=kwargs)
    return root_url(inside.removeprefix(get_script_prefix()))
