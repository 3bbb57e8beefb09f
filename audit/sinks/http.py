"""What destinations over HTTP share: addresses, certificates, a proxy, and what a status means."""

from collections.abc import Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone

from outbound.addresses import check_url
from outbound.exceptions import OutboundError
from outbound.exceptions import Refused as NotAllowed
from outbound.exchange import Reply
from outbound.session import Session, tls_of

from .base import Destination, Entry, Option, refuse
from .exceptions import Blocked, Later, Refused

_LONGEST_WAIT = 3_600
_SHOWN = 300

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
    """

    blocked: ClassVar[frozenset[int]] = frozenset({401, 402, 403, 404, 405, 410})
    refused: ClassVar[frozenset[int]] = frozenset({400, 413, 415, 422})

    def __init__(self, options: Mapping[str, Any], sink_id: UUID) -> None:
        super().__init__(options, sink_id)
        self._session: Session | None = None

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

    def post(self, content: bytes, headers: Mapping[str, str], url: str = "", *, method: str = "POST") -> Reply:
        """Send a request to the receiver and return its answer, whatever it says.

        Raises:
            Later: no answer.
            Blocked: the address is not allowed.
        """
        try:
            if self._session is None:
                self._session = Session(
                    self.address(),
                    authorities=str(self.given.get("authorities", "")),
                    certificate=str(self.given.get("client_certificate", "")),
                    key=str(self.given.get("client_key", "")),
                    proxy=str(self.given.get("proxy", "")),
                )
            return self._session.request(method, url, content=content, headers=headers)
        except NotAllowed as error:
            raise Blocked(error.detail) from error
        except OutboundError as error:
            raise Later(error.detail) from error
        except ValueError as error:
            raise Blocked(str(error)) from error

    def judge(self, reply: Reply) -> None:
        """Raise what a status means; return when it means success.

        Raises:
            Later: 429, 5xx, a redirect, anything unknown.
            Blocked: one of `blocked`.
            Refused: one of `refused`.
        """
        if 200 <= reply.status < 300:  # noqa: PLR2004 - RFC 9110, 15.3
            return
        told = f"The receiver answered with status {reply.status}{_quoted(reply)}."
        if reply.status in self.blocked:
            raise Blocked(f"{told} Check the address and the secret.")
        if reply.status in self.refused:
            raise Refused(told)
        if 300 <= reply.status < 400:  # noqa: PLR2004 - RFC 9110, 15.4
            raise Blocked(f"{told} It redirects; events follow no redirect. Write the address that it leads to.")
        raise Later(told, retry_after(reply))

    def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            self._session.close()
            self._session = None


def retry_after(reply: Reply) -> float | None:
    """Return the seconds that a receiver asks to wait (RFC 9110, 10.2.3), at most an hour; None without a wish."""
    text = reply.headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(min(int(text), _LONGEST_WAIT))
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - timezone.now()).total_seconds()), _LONGEST_WAIT)


def _quoted(reply: Reply) -> str:
    text = " ".join(reply.body[: 4 * _SHOWN].decode("utf-8", "replace").split())
    shown = "".join(letter for letter in text if letter.isprintable())[:_SHOWN]
    return f": “{shown}”" if shown else ""


def lines(batch: Sequence[Any]) -> bytes:
    """Return a batch as NDJSON."""
    return "".join(f"{item.text}\n" for item in batch).encode()
