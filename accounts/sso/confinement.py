"""Where a session reaches that an organization's identity provider opened: that organization, and nothing else.

The identity provider speaks for its organization alone. The same person's other organizations, their password and their
addresses are open only to who has proved the password in this session.
"""

from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest

from accounts.models import SsoConnection
from isolation.scope import tenant_scope

_KEY = "sso_confinement"


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a session is confined to.

    Attributes:
        organization_id: the only organization that it enters.
        connection_id: through which connection its person came.
    """

    organization_id: UUID
    connection_id: UUID

    def holds(self) -> bool:
        """Return whether the connection still lets people in; without it, the session opens nothing."""
        with tenant_scope(self.organization_id):
            return bool(SsoConnection.objects.filter(pk=self.connection_id, is_enabled=True).exists())


def confinement_of(request: HttpRequest) -> Confinement | None:
    """Return what the request's session is confined to, None when it reaches everything of its person."""
    kept = request.session.get(_KEY)
    return Confinement(UUID(kept["organization"]), UUID(kept["connection"])) if kept else None


def confine(request: HttpRequest, confinement: Confinement) -> None:
    """Confine the session that has just been opened."""
    request.session[_KEY] = {
        "organization": str(confinement.organization_id),
        "connection": str(confinement.connection_id),
    }


def release(request: HttpRequest) -> None:
    """Let the session reach everything of its person, who has proved their password."""
    request.session.pop(_KEY, None)
