"""A checked answer that nobody asked for: kept in the browser's session until its person says that they meant it."""

import secrets
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest

from accounts.sso.signed_in import ProviderSession, SignedIn

LIFE = 5 * 60
"""Seconds that somebody may take to say so."""
_KEY = "sso_pending"


@dataclass(frozen=True, slots=True)
class Pending:
    """What waits.

    Attributes:
        found: who came, checked.
        issuer: the connection's at that time.
        next_url: where they want to go.
    """

    found: SignedIn
    issuer: str
    next_url: str


def keep(request: HttpRequest, connection_id: Any, pending: Pending) -> str:
    """Keep an answer instead of any other; return the token that the question's form carries."""
    session = pending.found.session
    token = secrets.token_urlsafe(32)
    request.session[_KEY] = {
        "connection_id": str(connection_id),
        "token": token,
        "kept_at": time.time(),
        "issuer": pending.issuer,
        "next_url": pending.next_url,
        "subject": pending.found.subject,
        "claims": pending.found.claims,
        "assurance": list(pending.found.assurance),
        "session": _plain(session) if session else None,
        "authenticated_at": pending.found.authenticated_at.isoformat() if pending.found.authenticated_at else None,
    }
    return token


def take(request: HttpRequest, connection_id: Any, token: str) -> Pending | None:
    """Return the answer that waits, once; None when there is none, or it has waited too long."""
    kept = request.session.pop(_KEY, None)
    if (
        kept is None
        or kept["connection_id"] != str(connection_id)
        or time.time() - kept["kept_at"] > LIFE
        or not secrets.compare_digest(kept["token"].encode(), token.encode())
    ):
        return None
    authenticated_at = datetime.fromisoformat(kept["authenticated_at"]) if kept["authenticated_at"] else None
    found = SignedIn(
        kept["subject"], kept["claims"], tuple(kept["assurance"]), _session(kept["session"]), authenticated_at
    )
    return Pending(found, kept["issuer"], kept["next_url"])


def _plain(session: ProviderSession) -> dict[str, Any]:
    return asdict(session) | {"ends_at": session.ends_at.isoformat() if session.ends_at else None}


def _session(kept: dict[str, Any] | None) -> ProviderSession | None:
    if kept is None:
        return None
    ends_at = datetime.fromisoformat(kept["ends_at"]) if kept["ends_at"] else None
    return ProviderSession(**kept | {"ends_at": ends_at})
