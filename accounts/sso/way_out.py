"""Where somebody who signs out here is led, so that their session at the identity provider ends too."""

from django.http import HttpRequest

from accounts.models import SsoProtocol

from .confinement import came_through
from .oidc import logout as oidc
from .saml import slo as saml

_WAYS = {SsoProtocol.OIDC.value: oidc.way_out, SsoProtocol.SAML.value: saml.way_out}


def way_out(request: HttpRequest) -> str:
    """Return where a session that is about to end leads on to its provider, "" when its person came through none.

    Who came through several is led to the latest one.
    """
    came = came_through(request)
    return _WAYS[came[1]](request) if came else ""
