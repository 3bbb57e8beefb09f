"""Where a session reaches that an organization's identity provider opened: that organization, and nothing else.

The identity provider speaks for its organization alone. The same person's other organizations, their password and their
addresses are open only to who has proved the password in this session.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.sessions.backends.base import SessionBase
from django.db.models import F, Q
from django.http import HttpRequest

from accounts.models import SsoIdentity, User
from isolation.scope import tenant_scope

_KEY = "sso_confinement"


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a session is confined to.

    Attributes:
        organization_id: the only organization that it enters.
        connection_id: through which connection its person came.
        opened_at: when.
    """

    organization_id: UUID
    connection_id: UUID
    opened_at: datetime

    def holds(self, user: User) -> bool:
        """Return whether the connection still lets its person in; without that, the session opens nothing.

        It ends when the connection was switched off since, even if it is on again, when the connection has another
        issuer, and when the person's identity was forgotten.
        """
        with tenant_scope(self.organization_id):
            known = SsoIdentity.objects.filter(
                Q(connection__closed_at=None) | Q(connection__closed_at__lt=self.opened_at),
                connection=self.connection_id,
                connection__is_enabled=True,
                connection__issuer=F("issuer"),
                membership__user=user,
            )
            return bool(known.exists())


def confinement_of(request: HttpRequest) -> Confinement | None:
    """Return what the request's session is confined to, None when it reaches everything of its person."""
    return confinement_in(request.session)


def confinement_in(session: SessionBase | Mapping[str, Any]) -> Confinement | None:
    """Return what a session with these contents is confined to, None when it reaches everything of its person."""
    kept = session.get(_KEY)
    if not kept:
        return None
    opened_at = datetime.fromisoformat(kept["opened_at"])
    return Confinement(UUID(kept["organization"]), UUID(kept["connection"]), opened_at)


def confine(request: HttpRequest, confinement: Confinement) -> None:
    """Confine the session that has just been opened."""
    request.session[_KEY] = {
        "organization": str(confinement.organization_id),
        "connection": str(confinement.connection_id),
        "opened_at": confinement.opened_at.isoformat(),
    }


def release(request: HttpRequest) -> None:
    """Let the session reach everything of its person, who has proved their password."""
    request.session.pop(_KEY, None)
