"""Where a session reaches that an organization's identity provider opened: that organization, and nothing else.

The identity provider speaks for its organization alone. The same person's other organizations, their password and their
addresses are open only to who has proved the password in this session.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import SsoIdentity, SsoLogout, User
from isolation.scope import tenant_scope

LONGEST = timedelta(days=60)
"""No session holds longer, however often it is renewed: a sign-out at the provider is remembered for as long."""
_KEY = "sso_confinement"
_CAME_THROUGH = "sso_came_through"


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a session is confined to.

    Attributes:
        organization_id: the only organization that it enters.
        connection_id: through which connection its person came.
        opened_at: when.
        sid: the session at the provider, "" where it gives none a name.
    """

    organization_id: UUID
    connection_id: UUID
    opened_at: datetime
    sid: str = ""

    def holds(self, user: User) -> bool:
        """Return whether the connection still lets its person in; without that, the session opens nothing.

        It ends when the connection was switched off since, even if it is on again, when the connection has another
        issuer, when the person's identity was forgotten, and when they signed out at the provider.
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
    kept = request.session.get(_KEY)
    if not kept:
        return None
    opened_at = datetime.fromisoformat(kept["opened_at"])
    return Confinement(UUID(kept["organization"]), UUID(kept["connection"]), opened_at, kept.get("sid", ""))


def confine(request: HttpRequest, confinement: Confinement) -> None:
    """Confine the session that has just been opened."""
    request.session[_KEY] = {
        "organization": str(confinement.organization_id),
        "connection": str(confinement.connection_id),
        "opened_at": confinement.opened_at.isoformat(),
        "sid": confinement.sid,
    }
    request.session[_CAME_THROUGH] = str(confinement.connection_id)


def came_through(request: HttpRequest) -> str:
    """Return the id of the connection that opened the session, also after the password was proved; "" for none."""
    return str(request.session.get(_CAME_THROUGH, ""))


def release(request: HttpRequest) -> None:
    """Let the session reach everything of its person, who has proved their password."""
    request.session.pop(_KEY, None)
