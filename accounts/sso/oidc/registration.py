"""What a sign-in needs to know of a connection: data without models, so that no transaction waits for the network."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings

from accounts.models import SsoConnection
from console.links import root_url


def redirect_uri(connection_id: Any) -> str:
    """Return where the identity provider sends people back; a connection has its own, against mix-up (RFC 9700 4.4)."""
    return f"{settings.PUBLIC_URL}{root_url(f'sso/{connection_id}/callback/')}"


def signed_out_uri(connection_id: Any) -> str:
    """Return where the identity provider sends people back who signed out there."""
    return f"{settings.PUBLIC_URL}{root_url(f'sso/{connection_id}/signed-out/')}"


def backchannel_logout_uri(connection_id: Any) -> str:
    """Return where the identity provider tells that somebody signed out there."""
    return f"{settings.PUBLIC_URL}{root_url(f'sso/{connection_id}/backchannel-logout/')}"


@dataclass(frozen=True, slots=True)
class Registration:
    """A client of a provider, as the relying party sees it.

    Attributes:
        redirect_uri: where the provider sends people back.
        issuer: exactly as discovery and ID tokens name it.
        client_secret: never shown; None for a public client, which PKCE protects alone.
        scopes: what is asked of the provider, separated by spaces.
        metadata: OpenID Provider Metadata (OpenID Connect Discovery 1.0 section 3).
        keys: the provider's JSON Web Key Set (RFC 7517 section 5), fetched at `keys_at`.
    """

    redirect_uri: str
    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    scopes: str
    metadata: dict[str, Any] = field(repr=False)
    keys: dict[str, Any] = field(repr=False)
    keys_at: datetime | None

    @classmethod
    def of(cls, connection: SsoConnection) -> "Registration":
        """Return what is stored; the connection's scope must be open."""
        secret = connection.client_secret
        return cls(
            redirect_uri=redirect_uri(connection.pk),
            issuer=connection.issuer,
            client_id=connection.client_id,
            client_secret=secret.reveal() if secret is not None else None,
            scopes=connection.scopes,
            metadata=connection.metadata,
            keys=connection.keys,
            keys_at=connection.keys_at,
        )
