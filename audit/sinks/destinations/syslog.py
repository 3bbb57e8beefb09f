"""Syslog: messages of RFC 5424 over TLS as RFC 5425 says.

Syslog has no acknowledgement. A turn counts when the other machine has taken everything, the connection has lasted for
a moment after that, and the receiver, having read all of it, has closed its side. When a connection fails, what was
sent in the window before comes again: a receiver that is killed loses what it has read and not yet stored.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any, ClassVar
from uuid import UUID

from audit.sinks.base import Destination, Entry, Item, Limits, Option, Rejection, refuse
from audit.sinks.exceptions import Blocked, Later
from audit.sinks.http import CONNECTION
from outbound.addresses import check_url
from outbound.channel import Channel, address
from outbound.exceptions import OutboundError
from outbound.exceptions import Refused as NotAllowed
from outbound.session import tls_of

PORT = 6_514
"""RFC 5425, 4.1."""

SETTLING = 1.0
"""Seconds that a connection has to last after everything was taken."""

STRUCTURED_DATA_ID = "gatehouse@32473"
"""The number is the one that IANA keeps for examples (RFC 5612): nobody else's data can be meant."""

_NOTICE, _WARNING = 5, 4
_SMALLEST, _LARGEST = 2_048, 1_048_576  # RFC 5425, 4.3.1: a receiver takes 2,048 at least
_LONGEST_WINDOW = 3_600
_LONGEST_NAME, _LONGEST_APP, _LONGEST_MESSAGE_ID = 255, 48, 32
_BOM = b"\xef\xbb\xbf"
_PRINTABLE = re.compile(r"[!-~]+")
_FACILITIES = (
    ("13", "13: log audit"),
    ("4", "4: security"),
    ("10", "10: security, private"),
    *((str(16 + number), f"{16 + number}: local{number}") for number in range(8)),
)


class Syslog(Destination):
    """Sends messages over one connection a turn."""

    kind = "syslog"
    label = "Syslog over TLS"
    summary = "RFC 5424 messages over TLS (RFC 5425), with client certificates: rsyslog, syslog-ng and what speaks it."
    steps = (
        (
            "Give your server a certificate for the name that you write here, and let it ask for certificates of "
            "your authority."
        ),
        "Write host and port, the certificates of your authority, and a client certificate with its key here.",
        "Send a test event: its action is sink.tested. Let your server queue on disk.",
    )
    guarantee = (
        "Syslog has no acknowledgement. Events count as delivered when your server has read all of them and closed "
        "the connection as usual. When a connection fails, those of the window before it are sent again, with the same "
        "ids. What your server loses later than that, or without a connection failing, is lost: let it queue on disk."
    )
    options: ClassVar[tuple[Option, ...]] = (
        Option("host", "Host", "A name that its certificate has, or an IP address.", is_address=True),
        Option("port", "Port", "Usually 6514.", Entry.NUMBER, default=PORT),
        *CONNECTION[:3],
        Option("facility", "Facility", "", Entry.CHOICE, default="13", choices=_FACILITIES),
        Option("hostname", "Host name in messages", "What your rules tell this installation by.", default="gatehouse"),
        Option("app_name", "App name in messages", "", default="gatehouse"),
        Option(
            "largest", "Largest message", "Bytes that your server takes; larger ones are set aside.", Entry.NUMBER,
            default=65_536,
        ),
        Option(
            "window", "Replay window", "Seconds before a failure whose events are sent again.", Entry.NUMBER, default=60
        ),
        Option(
            "has_bom",
            "Messages begin with a BOM",
            "As RFC 5424 wants it of UTF-8. Take it out for parsers that stumble over it.",
            Entry.FLAG,
            default=True,
        ),
    )  # fmt: skip
    limits = Limits(events=1_000, bytes=1_000_000)
    takes_text = True

    def __init__(self, options: Mapping[str, Any], sink_id: UUID) -> None:
        super().__init__(options, sink_id)
        self._channel: Channel | None = None

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Refuse what cannot work.

        Raises:
            DomainError: with the option's name.
        """
        try:
            check_url(address(str(options["host"]), int(options["port"])))
        except NotAllowed as error:
            raise refuse("port" if "port" in error.detail else "host", error.detail) from error
        try:
            tls_of(*_certificates(options))
        except ValueError as error:
            raise refuse("authorities" if "authorities" in str(error) else "client_certificate", str(error)) from error
        for name, longest in (("hostname", _LONGEST_NAME), ("app_name", _LONGEST_APP)):
            text = str(options[name])
            if not _PRINTABLE.fullmatch(text) or len(text) > longest:
                raise refuse(name, f"Use 1 to {longest} printable ASCII characters without blanks.")
        if not _SMALLEST <= options["largest"] <= _LARGEST:
            raise refuse("largest", f"A message has {_SMALLEST:,} to {_LARGEST:,} bytes.")
        if not 1 <= options["window"] <= _LONGEST_WINDOW:
            raise refuse("window", f"The window is 1 to {_LONGEST_WINDOW:,} seconds long.")

    @property
    def window(self) -> int:
        """Return for how many seconds before a failure events are sent again."""
        return int(self.given["window"])

    def send(self, batch: Sequence[Item]) -> list[Rejection]:
        """Send each event as a message of its own; `settle` tells whether they arrived.

        Raises:
            Later: no connection, or it broke.
            Blocked: host or certificates cannot be used.
        """
        largest = int(self.given["largest"])
        messages = [self.message(item) for item in batch]
        rejections = [
            Rejection(position, f"The message has {len(message):,} bytes; your server takes {largest:,}.")
            for position, message in enumerate(messages)
            if len(message) > largest
        ]
        frames = b"".join(b"%d %s" % (len(message), message) for message in messages if len(message) <= largest)
        try:
            if self._channel is None:
                tls = tls_of(*_certificates(self.given))
                self._channel = Channel(str(self.given["host"]), int(self.given["port"]), tls=tls)
            self._channel.write(frames)
        except (NotAllowed, ValueError) as error:
            raise Blocked(str(error)) from error
        except OutboundError as error:
            raise Later(error.detail) from error
        return rejections

    def settle(self) -> None:
        """Wait until the receiver has read everything.

        Raises:
            Later: the connection did not last.
        """
        if self._channel is None:
            return
        try:
            self._channel.stay(SETTLING)
            self._channel.finish()
        except OutboundError as error:
            raise Later(f"{error.detail} What was sent lately is sent again.") from error
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection at once."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def message(self, item: Item) -> bytes:
        """Return an event as RFC 5424, 6 has it."""
        priority = 8 * int(self.given["facility"]) + (_NOTICE if item.went_well else _WARNING)
        moment = item.time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        # None of these values has a character that would have to be escaped (6.3.3).
        data = f'[{STRUCTURED_DATA_ID} id="{item.id}" seq="{item.seq}" log="{item.log}"]'
        names = f"{self.given['hostname']} {self.given['app_name']} - {item.action[:_LONGEST_MESSAGE_ID]}"
        text = item.text.encode()
        return f"<{priority}>1 {moment} {names} {data} ".encode() + (_BOM if self.given.get("has_bom") else b"") + text


def _certificates(options: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the authorities, the client certificate and its key; each may be empty."""
    authorities, certificate, key = (
        str(options.get(name, "")) for name in ("authorities", "client_certificate", "client_key")
    )
    return authorities, certificate, key
