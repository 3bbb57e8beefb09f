"""The addresses outside the consoles and the API: what proxies and clients read of the issuer."""

from urllib.parse import urlsplit

from django.conf import settings
from django.urls import path

from . import well_known

_METADATA = ".well-known/oauth-authorization-server"

urlpatterns = [
    path(".well-known/jwks.json", well_known.jwks, name="jwks"),
    path(_METADATA, well_known.metadata, name="oauth_metadata"),
]
if issuer_path := urlsplit(settings.JWT_ISSUER).path:  # RFC 8414 section 3.1
    urlpatterns.append(path(f"{_METADATA}{issuer_path}", well_known.metadata))
