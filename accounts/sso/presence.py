"""What a session remembers of single sign-on: by which connection its person came where, and how surely.

A session that single sign-on opened is confined to that organization besides (`confinement`). One that was opened by
password, in which its person came through the identity provider as well, is not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from accounts.models import User

from .confinement import Confinement

SINGLE_SIGN_ON = "single_sign_on"
"""How allauth's records of a session name it."""
_KEY = "sso_presence"


@dataclass(frozen=True, slots=True)
class Presence:
    """One sign-in through an organization's identity provider.

    Attributes:
        organization_id: whose.
        connection_id: through which connection.
        came_at: when.
        assurance: what the provider said of how it recognized the person: `amr` and `acr` (OpenID Connect Core section
            2, RFC 8176), or AuthnContextClassRef (SAML core section 2.7.2.2).
        session_id: the `SsoSession`, where the protocol has one.
        proved_at: when they proved who they are to the provider, perhaps long before they came; None: nobody knows.
        sid: the session's name at the provider, "" where it gives none.
    """

    organization_id: UUID
    connection_id: UUID
    came_at: datetime
    assurance: tuple[str, ...]
    session_id: UUID | None
    proved_at: datetime | None
    sid: str = ""

    def holds(self, user: User) -> bool:
        """Return whether the connection still lets its person in, who has not signed out at the provider since."""
        way = Confinement(self.organization_id, self.connection_id, self.came_at, self.session_id, self.sid)
        return way.holds(user)


def presence_in(request: HttpRequest, organization_id: UUID) -> Presence | None:
    """Return how the request's session came into an organization by single sign-on, None when it did not."""
    return presence_kept(request.session, organization_id)


def presence_kept(session: Mapping[str, Any], organization_id: UUID) -> Presence | None:
    """Return how a session with this content came into an organization by single sign-on, None when it did not."""
    kept = session.get(_KEY, {}).get(str(organization_id))
    if not kept:
        return None
    return Presence(
        organization_id,
        UUID(kept["connection"]),
        datetime.fromisoformat(kept["came_at"]),
        tuple(kept["assurance"]),
        UUID(kept["session"]) if kept["session"] else None,
        datetime.fromisoformat(kept["proved_at"]) if kept["proved_at"] else None,
        kept.get("sid", ""),
    )


def presences_in(request: HttpRequest) -> list[Presence]:
    """Return every organization into which the request's session came by single sign-on, and how."""
    found = (presence_in(request, UUID(organization)) for organization in request.session.get(_KEY, {}))
    return [presence for presence in found if presence is not None]


def note_presence(request: HttpRequest, presence: Presence) -> None:
    """Let the session remember a sign-in; the latest one into an organization counts."""
    kept = {
        "connection": str(presence.connection_id),
        "came_at": presence.came_at.isoformat(),
        "assurance": list(presence.assurance),
        "session": str(presence.session_id) if presence.session_id else None,
        "proved_at": presence.proved_at.isoformat() if presence.proved_at else None,
        "sid": presence.sid,
    }
    request.session[_KEY] = {**request.session.get(_KEY, {}), str(presence.organization_id): kept}


def is_two_steps(assurance: Iterable[str]) -> bool:
    """Return whether what a provider said of a sign-in means that more than one factor was used."""
    said = set(assurance)
    return bool(said & _TWO_STEPS) or len(said & _FACTORS) > 1


_TWO_STEPS = frozenset(
    {
        "mfa",  # RFC 8176
        "http://schemas.microsoft.com/claims/multipleauthn",
        "http://schemas.openid.net/pape/policies/2007/06/multi-factor",
        "https://refeds.org/profile/mfa",
        "phr",  # OpenID Connect Extended Authentication Profile: phishing-resistant
        "phrh",
        "urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorContract",
        "urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorUnregistered",
        "urn:okta:loa:2fa:any",
    }
)
# RFC 8176: each is something that was known, held or measured; two different ones are two steps.
_FACTORS = frozenset(
    {"pwd", "pin", "kba", "otp", "sms", "tel", "hwk", "swk", "sc", "pop", "face", "fpt", "iris", "vbm"}
)
