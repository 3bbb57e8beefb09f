"""Where identity providers reach this installation, as it is told to people and programs."""

from django.conf import settings

from console.links import root_url

SCIM_PATH = "scim/v2"
"""Where the SCIM server is below the portal's root."""


def scim_base_url() -> str:
    """Return the base URL of the SCIM server, without a slash at its end (RFC 7644 section 3)."""
    return f"{settings.PUBLIC_URL}{root_url(SCIM_PATH)}"


def scim_token_endpoint() -> str:
    """Return where OAuth 2.0 client credentials become an access token (RFC 6749 section 4.4)."""
    return f"{scim_base_url()}/oauth2/token"
