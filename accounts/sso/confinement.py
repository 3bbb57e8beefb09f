"""Where a session reaches that an organization's identity provider opened: that organization, and nothing else.

The identity provider speaks for its organization alone. The same person's other organizations, their password and their
addresses are open only to who has proved the password in this session.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.sessions.backends.base import SessionBase
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import SsoIdentity, SsoLogout, SsoSession, User
from isolation.scope import tenant_scope

LONGEST = timedelta(days=60)
"""No session holds longer, however often it is renewed: a sign-out at the provider is remembered for as long."""
_KEY = "sso_confinement"
_CAME_THROUGH = "sso_came_through"
_SESSION_KEY = "sso_session"


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a session is confined to.

    Attributes:
        organization_id: the only organization that it enters.
        connection_id: through which connection its person came.
        opened_at: when.
        session_id: the `SsoSession`, where the protocol has one: the provider may end it.
        sid: the session's name at the provider, by which a logout token ends it; "" where it gives none.
    """

    organization_id: UUID
    connection_id: UUID
    opened_at: datetime
    session_id: UUID | None = None
    sid: str = ""

    def holds(self, user: User) -> bool:
        """Return whether the connection still lets its person in; without that, the session opens nothing.

        It ends when the connection was switched off since, even if it is on again, when the connection has another
        issuer, when the person's identity was forgotten, when they signed out at the provider, and when the provider
        ended it or let it last no longer.
        """
        if timezone.now() - self.opened_at > LONGEST:
            return False
        with tenant_scope(self.organization_id):
            known = SsoIdentity.objects.filter(
                Q(connection__closed_at=None) | Q(connection__closed_at__lt=self.opened_at),
                ~Exists(self._logouts()),
                connection=self.connection_id,
                connection__is_enabled=True,
                connection__issuer=F("issuer"),
                membership__user=user,
            )
            if self.session_id is not None:
                open_still = SsoSession.objects.filter(
                    Q(ends_at=None) | Q(ends_at__gt=timezone.now()), pk=self.session_id, ended_at=None
                )
                known = known.filter(Exists(open_still))
            return bool(known.exists())

    def _logouts(self) -> QuerySet[SsoLogout]:
        """Return the sign-outs at the provider that end this session of an identity.

        One that names a session ends that one. A session without a name ends with any that names its person.
        """
        named = Q(sid=self.sid) if self.sid else ~Q(subject="")
        found: QuerySet[SsoLogout] = SsoLogout.objects.filter(
            Q(sid="") | named,
            Q(subject="") | Q(subject=OuterRef("subject")),
            connection=self.connection_id,
            issuer=OuterRef("issuer"),
            time__gte=self.opened_at,
        )
        return found


def confinement_of(request: HttpRequest) -> Confinement | None:
    """Return what the request's session is confined to, None when it reaches everything of its person."""
    return confinement_in(request.session)


def confinement_in(session: SessionBase | Mapping[str, Any]) -> Confinement | None:
    """Return what a session with these contents is confined to, None when it reaches everything of its person."""
    kept = session.get(_KEY)
    if not kept:
        return None
    opened_at = datetime.fromisoformat(kept["opened_at"])
    session_id = kept.get("session")
    return Confinement(
        UUID(kept["organization"]),
        UUID(kept["connection"]),
        opened_at,
        UUID(session_id) if session_id else None,
        kept.get("sid", ""),
    )


def confine(request: HttpRequest, confinement: Confinement) -> None:
    """Confine the session that has just been opened."""
    request.session[_KEY] = {
        "organization": str(confinement.organization_id),
        "connection": str(confinement.connection_id),
        "opened_at": confinement.opened_at.isoformat(),
        "session": str(confinement.session_id) if confinement.session_id else None,
        "sid": confinement.sid,
    }


def release(request: HttpRequest) -> None:
    """Let the session reach everything of its person, who has proved their password."""
    request.session.pop(_KEY, None)


def keep_way(request: HttpRequest, connection_id: UUID, protocol: str) -> None:
    """Remember by which connection somebody came last, also when the session reaches everything."""
    request.session[_CAME_THROUGH] = [str(connection_id), str(protocol)]


def came_through(request: HttpRequest) -> tuple[UUID, str] | None:
    """Return the connection by which somebody came last, and its protocol; None when they came by none."""
    kept = request.session.get(_CAME_THROUGH)
    return (UUID(kept[0]), kept[1]) if kept else None


def keep_session(request: HttpRequest, organization_id: UUID, session_id: UUID | None) -> None:
    """Remember the person's session at the provider, also when ours reaches everything: signing out ends both."""
    if session_id is None:
        request.session.pop(_SESSION_KEY, None)
    else:
        request.session[_SESSION_KEY] = [str(organization_id), str(session_id)]


def session_of(request: HttpRequest) -> tuple[UUID, UUID] | None:
    """Return organization and `SsoSession` of the person's session at a provider, None without one."""
    kept = request.session.get(_SESSION_KEY)
    return (UUID(kept[0]), UUID(kept[1])) if kept else None
