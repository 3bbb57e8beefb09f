"""Addresses outside the sites. `reverse` would put the tenant's script prefix before them."""

from urllib.parse import urlencode

from django.conf import settings


def root_url(path: str = "") -> str:
    """Return the address of a path below the installation's root, whatever the current script prefix is."""
    return f"{settings.FORCE_SCRIPT_NAME or ''}/{path}"


def login_url(next_url: str = "") -> str:
    """Return the address of the sign-in page, which leads back to `next_url`."""
    query = f"?{urlencode({'next': next_url})}" if next_url else ""
    return root_url("accounts/login/") + query
