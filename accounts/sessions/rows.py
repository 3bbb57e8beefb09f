"""Sessions and browsers as lists show them: in words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY

from accounts.lookups import sso_door
from accounts.models import Device, Session
from accounts.social_providers import LABELS, SOCIAL
from accounts.sso.confinement import confinement_in

from .words import browser_of, place_of

MOST = 100
"""Sessions that a page shows; ending all ends the others as well."""
_METHODS = {
    "password": "Password",
    "totp": "authenticator app",
    "webauthn": "passkey",
    "recovery_codes": "recovery code",
    "code": "code by e-mail",
}
UNKNOWN_WAY = "Unknown way of signing in"


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session.

    Attributes:
        id: its public id.
        browser: browser and system.
        place: where it was last used.
        way: how its person signed in.
        signed_in_at: when.
        last_seen_at: its last use, a minute exact.
        is_current: whether it is the reader's own.
    """

    id: UUID
    browser: str
    place: str
    way: str
    signed_in_at: datetime | None
    last_seen_at: datetime
    is_current: bool


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A browser that somebody has signed in with.

    Attributes:
        id: its public id.
        name: browser and system.
        place: where it last signed in.
        first_seen_at: the first sign-in.
        last_seen_at: the last sign-in.
        is_current: whether it is the reader's own.
    """

    id: UUID
    name: str
    place: str
    first_seen_at: datetime
    last_seen_at: datetime
    is_current: bool


class Ways:
    """Tells how people signed in; asks for each connection once."""

    def __init__(self) -> None:
        self._connections: dict[UUID, str] = {}

    def of(self, session: Session) -> str:
        """Return how a session's person signed in."""
        data = session.get_decoded()
        confinement = confinement_in(data)
        if confinement is not None:
            return self._connection(confinement.connection_id)
        named = list(dict.fromkeys(filter(None, map(_method, data.get(AUTHENTICATION_METHODS_SESSION_KEY) or ()))))
        if not named:
            return UNKNOWN_WAY
        text = ", then ".join(named)
        return text[0].upper() + text[1:]

    def _connection(self, connection_id: UUID) -> str:
        if connection_id not in self._connections:
            door = sso_door(connection_id)
            through = f" through {door.name} of {door.organization}" if door else ""
            self._connections[connection_id] = f"Single sign-on{through}"
        return self._connections[connection_id]


def session_rows(sessions: Iterable[Session], *, current: Session | None, here: str | None) -> list[SessionRow]:
    """Return sessions in words.

    Args:
        sessions: of one person.
        current: the reader's own, None for somebody else's reader.
        here: the reader's address, None for somebody else's reader.
    """
    ways = Ways()
    return [
        SessionRow(
            id=session.pk,
            browser=browser_of(session.user_agent),
            place=place_of(session.ip, here=here),
            way=ways.of(session),
            signed_in_at=session.signed_in_at,
            last_seen_at=session.last_seen_at,
            is_current=current is not None and session.pk == current.pk,
        )
        for session in sessions
    ]


def device_rows(devices: Iterable[Device], *, current: Session | None, here: str | None) -> list[DeviceRow]:
    """Return browsers in words; the arguments are those of `session_rows`."""
    return [
        DeviceRow(
            id=device.pk,
            name=device.name,
            place=place_of(device.ip, here=here),
            first_seen_at=device.first_seen_at,
            last_seen_at=device.last_seen_at,
            is_current=current is not None and device.pk == current.device_id,
        )
        for device in devices
    ]


def _method(record: Mapping[str, Any]) -> str:
    if record.get("method") == SOCIAL:
        return LABELS.get(str(record.get("provider")), "")
    name = record.get("type") if record.get("method") == "mfa" else record.get("method")
    return _METHODS.get(str(name), "")
