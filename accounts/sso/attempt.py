"""What the browser's session keeps between leaving for the identity provider and coming back; each serves once."""

import base64
import hashlib
import secrets
import time
from dataclasses import asdict, dataclass
from typing import Any

from django.http import HttpRequest

LIFE = 15 * 60
"""Seconds that somebody may take at the identity provider."""
MOST = 5
"""Attempts of one browser at a time: a few open windows."""
_KEY = "sso_attempts"
_TESTS = "sso_setup_tests"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way out and back.

    Attributes:
        connection_id: through which connection.
        state: RFC 6749 section 4.1.1.
        nonce: OpenID Connect Core section 3.1.2.1.
        verifier: RFC 7636, PKCE's secret.
        next_url: where to go afterwards, within this installation; "" for the organization's console.
        is_test: somebody tries the connection; nobody is signed in.
        started: seconds since the epoch.
        purpose: what the sign-in is for, where it is not simply that; see `accounts.social.views`.
        about: whom or what the purpose is about.
        setup_link: of a test: by which set-up link it was begun, "" for somebody in the console.
        again: the provider was told to ask for proof also when they are signed in there.
    """

    connection_id: str
    state: str
    nonce: str
    verifier: str
    next_url: str
    is_test: bool
    started: float
    purpose: str = ""
    about: str = ""
    setup_link: str = ""
    again: bool = False

    @property
    def challenge(self) -> str:
        """Return PKCE's S256 challenge (RFC 7636 section 4.2)."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def begin(
    request: HttpRequest,
    connection_id: Any,
    *,
    next_url: str = "",
    is_test: bool = False,
    purpose: str = "",
    about: str = "",
    setup_link: str = "",
    again: bool = False,
) -> Attempt:
    """Return a new attempt, kept in the session."""
    made = Attempt(
        connection_id=str(connection_id),
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48),
        next_url=next_url,
        is_test=is_test,
        started=time.time(),
        purpose=purpose,
        about=about,
        setup_link=setup_link,
        again=again,
    )
    kept = [*_kept(request), asdict(made)]
    request.session[_KEY] = kept[-MOST:]
    return made


def finish(request: HttpRequest, connection_id: Any, state: str) -> Attempt | None:
    """Return the attempt that an answer belongs to, and forget it; None when this browser began none, or long ago."""
    kept = _kept(request)
    found = next(
        (one for one in kept if one["connection_id"] == str(connection_id) and _same(one["state"], state)), None
    )
    if found is None:
        return None
    request.session[_KEY] = [one for one in kept if one is not found]
    attempt = Attempt(**found)
    return attempt if time.time() - attempt.started <= LIFE else None


def note_test(request: HttpRequest, login_id: Any) -> None:
    """Remember the outcome of a set-up link's test: this browser alone may look at it."""
    request.session[_TESTS] = [*request.session.get(_TESTS, []), str(login_id)][-MOST:]


def tested_here(request: HttpRequest, login_id: Any) -> bool:
    """Return whether an outcome is that of a test which this browser made by a set-up link."""
    return str(login_id) in request.session.get(_TESTS, [])


def _kept(request: HttpRequest) -> list[dict[str, Any]]:
    return list(request.session.get(_KEY, []))


def _same(one: str, other: str) -> bool:
    return secrets.compare_digest(one.encode(), other.encode())
