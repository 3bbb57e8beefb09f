"""Asking servers that give credentials (no models).

They are at addresses that organizations typed in, so that all of it goes through `outbound`; it blocks, and is called
from threads with time limits. No error repeats what a server said: it may repeat a secret.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from outbound.exchange import Reply
from outbound.session import Session

SECONDS = 5.0
"""For one request."""
LONGEST = 86_400
"""Seconds for which what was obtained may count."""
LEASE_SECONDS = 300
"""How long what an external store gave counts, where neither the credential nor the store says it."""

_OK = 200
_LARGEST_ANSWER = 262_144


class CannotObtain(Exception):  # noqa: N818 - reads as the statement it is
    """Nothing can be shown to the provider now; the message says why, in whole sentences and without secrets."""


def ask(method: str, url: str, content: bytes, headers: Mapping[str, str], *, who: str) -> Reply:
    """Return a server's answer with status 200.

    Raises:
        CannotObtain: it answered something else.
        OutboundError: it may not be asked, or does not answer.
    """
    with Session(url, timeout=SECONDS) as session:
        asked = {"accept": "application/json", **headers}
        reply = session.request(method, url, content=content, headers=asked, max_bytes=_LARGEST_ANSWER)
    if reply.status != _OK:
        advice = "Try again later." if reply.status >= 500 or reply.status == 429 else "Check what it is asked with."  # noqa: PLR2004 - statuses
        raise CannotObtain(f"{who} at {host_of(url)} answered with status {reply.status}. {advice}")
    return reply


def ask_for_document(method: str, url: str, content: bytes, headers: Mapping[str, str], *, who: str) -> dict[str, Any]:
    """Return a server's answer that is a JSON object.

    Raises:
        CannotObtain: it answered something else.
        OutboundError: it may not be asked, or does not answer.
    """
    answer = ask(method, url, content, headers, who=who).json()
    if not isinstance(answer, dict):
        raise CannotObtain(f"{who} at {host_of(url)} answered with something else than a JSON object.")
    return answer


def host_of(url: str) -> str:
    """Return the host of an address, for people."""
    return urlsplit(url).hostname or url


def life(told: Any, *, default: float) -> float:
    """Return the seconds that a server states, within reason."""
    try:
        seconds = float(told)
    except (TypeError, ValueError):
        return default
    return min(max(seconds, 0.0), LONGEST) if seconds == seconds else default  # noqa: PLR0124 - NaN is not itself


def lease(options: Mapping[str, Any], told: Any) -> float:
    """Return for how long what a store gave counts: as the credential says, and no longer than the store does."""
    own = life(options.get("lease_seconds"), default=LEASE_SECONDS)
    given = life(told, default=0.0)
    return min(own, given) if given > 0 else own
