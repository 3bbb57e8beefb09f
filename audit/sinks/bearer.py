"""What destinations share whose receivers want an OAuth 2.0 access token (RFC 6749, 4.4 and RFC 7523)."""

import threading
import time
from abc import abstractmethod
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from outbound.exceptions import OutboundError
from outbound.exchange import Reply

from .exceptions import Blocked, Later
from .http import HttpDestination, retry_after

_EARLY = 300.0
_SHORTEST_LIFE = 60
_MOST = 1_000
_UNAUTHORIZED, _OK = 401, 200
_MENDABLE = frozenset({400, 401, 403, 404})
_PASSING = frozenset({"temporarily_unavailable", "server_error"})
"""Errors that are over by themselves, whatever the status (RFC 6749, 4.1.2.1, which Entra uses here too)."""

_kept: dict[UUID, tuple[bytes, str, float]] = {}
_lock = threading.Lock()


class BearerDestination(HttpDestination):
    """A receiver that takes requests with a token, which another server gives for credentials.

    A token is kept in memory for the sink that it was given to, as long as its credentials are the same, until five
    minutes before it ends: turns are short, and servers count who asks for tokens.

    Attributes:
        giver: who gives tokens, as people call it.
    """

    giver: ClassVar[str]

    @abstractmethod
    def token_request(self) -> tuple[str, Mapping[str, str]]:
        """Return where a token is asked for, and the form that is sent there."""

    @abstractmethod
    def credentials(self) -> str:
        """Return a text that is another one when a token given before does not fit any more."""

    def post_with_token(self, content: bytes, headers: Mapping[str, str], *, packed: bool = False) -> Reply:
        """Send a request; with a new token when the one that was kept is not taken.

        Raises:
            Later, Blocked: no answer, or no token.
        """
        token, is_new = self._token(), False
        if not token:
            token, is_new = self._new_token(), True
        reply = self._post(token, content, headers, packed=packed)
        if reply.status == _UNAUTHORIZED and not is_new:
            reply = self._post(self._new_token(), content, headers, packed=packed)
        if reply.status == _UNAUTHORIZED:
            _forget(self.sink_id)
        return reply

    def _post(self, token: str, content: bytes, headers: Mapping[str, str], *, packed: bool) -> Reply:
        self.hide(token)
        return self.post(content, {**headers, "authorization": f"Bearer {token}"}, packed=packed)

    def _token(self) -> str:
        with _lock:
            digest, token, end = _kept.get(self.sink_id, (b"", "", 0.0))
        return token if digest == self._digest() and time.monotonic() < end else ""

    def _new_token(self) -> str:
        url, form = self.token_request()
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        reply = self.post(urlencode(form).encode(), headers, url)
        answer = _object(reply)
        if reply.status in _MENDABLE and str(answer.get("error")) not in _PASSING:
            parts = [str(answer[name]) for name in ("error", "error_description") if answer.get(name)]
            told = self.shown(": ".join(parts)) or f"status {reply.status}"
            raise Blocked(f"{self.giver} gives no token: {told} Check the credentials.")
        token = answer.get("access_token")
        if reply.status != _OK or not isinstance(token, str) or not token:
            raise Later(f"{self.giver} gave no token (status {reply.status}).", retry_after(reply))
        life = _life(answer.get("expires_in"))
        with _lock:
            _kept.pop(self.sink_id, None)
            while len(_kept) >= _MOST:
                _kept.pop(next(iter(_kept)))
            _kept[self.sink_id] = (self._digest(), token, time.monotonic() + life - min(_EARLY, life / 2))
        return token

    def _digest(self) -> bytes:
        return sha256(self.credentials().encode()).digest()


def _object(reply: Reply) -> dict[str, Any]:
    """Return an answer that is a JSON object; an empty one when it is not."""
    try:
        answer = reply.json()
    except OutboundError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _forget(sink_id: UUID) -> None:
    with _lock:
        _kept.pop(sink_id, None)


def _life(told: Any) -> float:
    """Return for how many seconds a token is good."""
    try:
        return max(0.0, float(told))
    except (TypeError, ValueError):
        return _SHORTEST_LIFE
