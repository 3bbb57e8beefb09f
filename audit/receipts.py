"""Receipts: signed notes that say which events of a log were retired, in which month, why, and what the log was then.

gatehouse-audit-receipt/v1
<origin>
month 2024-01
kept 24 months
events 0-4710
events 4712-5000
count 5000
checkpoint <size> <root>
time 2026-02-01T03:00:00Z
"""

from base64 import b64decode, b64encode
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from . import notes
from .notes import MalformedNote, origin_of
from .sealing.keys import KeyRow

HEADER = "gatehouse-audit-receipt/v1"
_MONTHS = 12

_RECEIPTS = "SELECT note FROM audit_receipt WHERE organization_id = %s ORDER BY id"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt says.

    Attributes:
        origin: names the installation and the log.
        month: its first day.
        kept: for how many months events are kept.
        ranges: the first and last numbers of what was retired, in order.
        size, root: of the newest checkpoint at that time.
        time: when, to the second.
    """

    origin: str
    month: date
    kept: int
    ranges: tuple[tuple[int, int], ...]
    size: int
    root: bytes
    time: datetime

    @property
    def count(self) -> int:
        """Return how many events were retired."""
        return sum(last - first + 1 for first, last in self.ranges)

    def text(self) -> str:
        """Return the text that is signed."""
        events = "".join(f"events {first}-{last}\n" for first, last in self.ranges)
        return (
            f"{HEADER}\n{self.origin}\nmonth {self.month:%Y-%m}\nkept {self.kept} months\n{events}count {self.count}\n"
            f"checkpoint {self.size} {b64encode(self.root).decode()}\n"
            f"time {self.time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}\n"
        )

    def is_lawful(self) -> bool:
        """Return whether what it says can be: the month was over for long enough, and the events were in the log."""
        months = self.month.year * _MONTHS + self.month.month - 1 + 1 + self.kept
        over = datetime(months // _MONTHS, months % _MONTHS + 1, 1, tzinfo=UTC)
        ordered = all(first <= last for first, last in self.ranges)
        apart = all(last < following for (_, last), (following, _) in pairwise(self.ranges))
        return self.kept > 0 and over <= self.time and ordered and apart and self.ranges[-1][1] < self.size

    @classmethod
    def parse(cls, text: str) -> "Receipt":
        """Return the receipt that a note's text says.

        Raises:
            MalformedNote: it says none.
        """
        try:
            header, origin, month, kept, *events, count, checkpoint, time = text.removesuffix("\n").split("\n")
            _, size, root = checkpoint.split(" ")
            ranges = tuple((int(first), int(last)) for first, last in (each[7:].split("-") for each in events))
            found = cls(
                origin,
                datetime.strptime(month, "month %Y-%m").replace(tzinfo=UTC).date(),
                int(kept.split(" ")[1]),
                ranges,
                int(size),
                b64decode(root, validate=True),
                datetime.strptime(time, "time %Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC),
            )
        except (ValueError, IndexError):
            raise MalformedNote("This is no receipt of retired events.") from None
        if header != HEADER or not ranges or count != f"count {found.count}" or found.text() != text:
            raise MalformedNote("This receipt is not written as receipts are.")
        return found


class Retired:
    """Which numbers of a log are retired under receipts that hold.

    Args:
        receipts: those of one log.
    """

    def __init__(self, receipts: Iterable[Receipt] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in sorted(each for receipt in receipts for each in receipt.ranges):
            if self._lasts and first <= self._lasts[-1] + 1:
                self._lasts[-1] = max(last, self._lasts[-1])
            else:
                self._firsts.append(first)
                self._lasts.append(last)

    def __contains__(self, seq: int) -> bool:
        """Return whether a receipt names the number."""
        place = bisect_right(self._firsts, seq)
        return place > 0 and seq <= self._lasts[place - 1]


def receipt_notes(cursor: Any, log: UUID) -> list[str]:
    """Return the receipts of a log as they are stored, oldest first."""
    cursor.execute(_RECEIPTS, [log])
    return [note for (note,) in cursor.fetchall()]


def opened(note: str, origin: str, keys: Sequence[KeyRow]) -> Receipt:
    """Return a receipt of the log that one of the installation's keys signed.

    Raises:
        MalformedNote: it is none, says what cannot be, or nobody of these signed it.
    """
    for key in keys:
        try:
            text = notes.opened(note, origin, key.public)
        except MalformedNote:
            continue
        receipt = Receipt.parse(text)
        if receipt.origin != origin or not receipt.is_lawful():
            break
        return receipt
    raise MalformedNote("No key of the log signed this receipt, or it says what cannot be.")


def log_origin(cursor: Any, log: UUID) -> str:
    """Return the origin of a log."""
    cursor.execute("SELECT installation FROM audit_sealer")
    (installation,) = cursor.fetchone()
    return origin_of(UUID(str(installation)), log)
