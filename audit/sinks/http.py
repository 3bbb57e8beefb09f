"""What destinations over HTTP share: addresses, certificates, a proxy, and what a status means."""

import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit
from uuid import UUID

from django.utils import timezone

from outbound.addresses import check_url
from outbound.exceptions import OutboundError
from outbound.exceptions import Refused as NotAllowed
from outbound.exchange import Reply
from outbound.session import Session, tls_of

from .base import Destination, Entry, Item, Option, refuse
from .exceptions import Blocked, Later, Refused

_LONGEST_WAIT, _DIGITS = 3_600, 12
_SHOWN = 300
_READ = 65_536
_SHORTEST_SECRET = 4

CONNECTION: tuple[Option, ...] = (
    Option(
        "authorities",
        "Certificates of your own authority",
        "PEM. Instead of the public authorities; leave it empty for a certificate that browsers accept.",
        Entry.LONG,
        required=False,
    ),
    Option(
        "client_certificate", "Client certificate", "PEM, for receivers that ask for one.", Entry.LONG, required=False
    ),
    Option("client_key", "Its private key", "PEM, without a passphrase.", Entry.LONG, secret=True, required=False),
    Option("proxy", "HTTP proxy", "Such as https://proxy.example:3128. Without user and password.", required=False),
)


class HttpDestination(Destination):
    """A receiver behind an https address.

    Attributes:
        blocked: statuses that only a person can mend.
        refused: statuses that tell of the batch itself.
        advice: what to do about a status, where it is known better than in general.
    """

    blocked: ClassVar[frozenset[int]] = frozenset({401, 402, 403, 404, 405, 410})
    refused: ClassVar[frozenset[int]] = frozenset({400, 413, 415, 422})
    advice: ClassVar[Mapping[int, str]] = {}

    def __init__(self, options: Mapping[str, Any], sink_id: UUID) -> None:
        super().__init__(options, sink_id)
        self._sessions: dict[tuple[str, str], Session] = {}
        self._hidden: set[str] = set()
        for option in self.options:
            if option.secret:
                self.hide(str(options.get(option.name, "")))

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Refuse addresses and certificates that cannot work.

        Raises:
            DomainError: with the option's name.
        """
        for option in cls.options:
            value = options.get(option.name)
            if value and (option.entry is Entry.URL or option.name == "proxy"):
                try:
                    check_url(str(value))
                except NotAllowed as error:
                    raise refuse(option.name, error.detail) from error
        try:
            tls_of(*(str(options.get(name, "")) for name in ("authorities", "client_certificate", "client_key")))
        except ValueError as error:
            field = "authorities" if "authorities" in str(error) else "client_certificate"
            raise refuse(field, str(error)) from error

    def address(self) -> str:
        """Return the URL that batches go to."""
        return str(self.given["url"])

    def post(
        self, content: bytes, headers: Mapping[str, str], url: str = "", *, method: str = "POST", packed: bool = False
    ) -> Reply:
        """Send a request to the receiver and return its answer, whatever it says.

        Args:
            content: the body.
            headers: to send with it.
            url: where to, "" for `address`; another server gets a connection of its own.
            method: such as POST.
            packed: whether the body is compressed by gzip.

        Raises:
            Later: no answer.
            Blocked: the address is not allowed.
        """
        if packed:
            content, headers = gzip.compress(content, 1, mtime=0), {**headers, "content-encoding": "gzip"}
        target = url or self.address()
        try:
            return self._session_to(target).request(method, target, content=content, headers=headers)
        except NotAllowed as error:
            raise Blocked(error.detail) from error
        except OutboundError as error:
            raise Later(error.detail) from error
        except ValueError as error:
            raise Blocked(str(error)) from error

    def _session_to(self, url: str) -> Session:
        parts = urlsplit(url)
        origin = (parts.scheme, parts.netloc)
        if origin not in self._sessions:
            self._sessions[origin] = Session(
                url,
                authorities=str(self.given.get("authorities", "")),
                certificate=str(self.given.get("client_certificate", "")),
                key=str(self.given.get("client_key", "")),
                proxy=str(self.given.get("proxy", "")),
            )
        return self._sessions[origin]

    def judge(self, reply: Reply) -> None:
        """Raise what a status means; return when it means success.

        Raises:
            Later: 429, 5xx, a redirect, anything unknown.
            Blocked: one of `blocked`.
            Refused: one of `refused`.
        """
        if 200 <= reply.status < 300:  # noqa: PLR2004 - RFC 9110, 15.3
            return
        told = self.told(reply)
        if reply.status in self.blocked:
            raise Blocked(f"{told} {self.advice.get(reply.status, 'Check the address and the secret.')}")
        if reply.status in self.refused:
            raise Refused(told)
        if 300 <= reply.status < 400:  # noqa: PLR2004 - RFC 9110, 15.4
            raise Blocked(f"{told} It redirects; events follow no redirect. Write the address that it leads to.")
        raise Later(told, retry_after(reply))

    def told(self, reply: Reply) -> str:
        """Return in a sentence what a receiver answered, without our secrets."""
        shown = self.shown(reply.body[:_READ].decode("utf-8", "replace"))
        return f"The receiver answered with status {reply.status}{f': “{shown}”' if shown else ''}."

    def shown(self, text: str) -> str:
        """Return the beginning of what a receiver said, as it can be shown: a receiver may repeat a secret."""
        line = " ".join(text.split())
        for secret in self._hidden:
            line = line.replace(secret, "•••")
        return "".join(letter for letter in line if letter.isprintable())[:_SHOWN]

    def hide(self, secret: str) -> None:
        """Never show a text: one that a receiver is sent to believe us."""
        line = " ".join(secret.split())
        if len(line) >= _SHORTEST_SECRET:
            self._hidden.add(line)

    def read(self, reply: Reply) -> Any:
        """Return an answer's JSON.

        Raises:
            Later: it is none.
        """
        try:
            return reply.json()
        except OutboundError as error:
            raise Later(error.detail) from error

    def close(self) -> None:
        """Close the connections."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()


def retry_after(reply: Reply) -> float | None:
    """Return the seconds that a receiver asks to wait (RFC 9110, 10.2.3), at most an hour; None without a wish."""
    text = reply.headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(min(int(text[:_DIGITS]), _LONGEST_WAIT))
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - timezone.now()).total_seconds()), _LONGEST_WAIT)


def lines(batch: Sequence[Any]) -> bytes:
    """Return a batch as NDJSON."""
    return "".join(f"{item.text}\n" for item in batch).encode()


def is_json(item: Item) -> bool:
    """Return whether a record is a JSON object; formats of text are none."""
    return item.text.startswith("{")


def json_value(item: Item) -> str:
    """Return a record as a JSON value: the object that it is, or a string."""
    return item.text if is_json(item) else json.dumps(item.text, ensure_ascii=False)
