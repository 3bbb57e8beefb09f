"""Verifies a log in the database: events against leaves, leaves against the tree, its root as it was signed.

What a receipt names is retired, and its leaf's hash alone stays; what is gone without one is missing.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from . import notes
from .leaf import differences, erased_in
from .merkle import Edge, leaf_hash
from .notes import INSTALLATION, Checkpoint, MalformedNote, origin_of
from .receipts import Receipt, Retired, opened, receipt_notes
from .sealing.database import sealer_cursor
from .sealing.keys import KeyRow, key_history
from .sealing.reading import SealedEvent, sealed_events

logger = logging.getLogger("gatehouse.audit")

STRETCH = 5_000
"""Events that are verified in one transaction, roughly: up to the next checkpoint."""

_CHECKPOINTS = """
SELECT start, size, root, edge, note, key_number FROM audit_checkpoint
WHERE organization_id = %s AND size > %s ORDER BY size LIMIT %s
"""
_HEAD = """
SELECT start, size, root, edge, note, key_number FROM audit_checkpoint WHERE organization_id = %s AND size = %s
"""
# Events without a leaf, but for those that the sealer has not come to yet.
_UNSEALED = """
SELECT e.id::text, e.time FROM audit_event e, audit_sealer s
WHERE {organization} AND e.time >= %(since)s AND e.time < %(until)s
  AND NOT EXISTS (SELECT FROM audit_leaf l WHERE l.organization_id = %(log)s
                  AND l.event_id = e.id AND l.event_time = e.time)
  AND NOT coalesce(e.xid < pg_snapshot_xmax(pg_current_snapshot())
                   AND NOT pg_visible_in_snapshot(e.xid, s.snapshot), true)
ORDER BY e.time LIMIT 100
"""
# From one log to the next by the index: DISTINCT would read every checkpoint.
_LOGS = """
WITH RECURSIVE logs (id) AS (
    (SELECT organization_id FROM audit_checkpoint ORDER BY organization_id LIMIT 1)
    UNION ALL
    SELECT (SELECT organization_id FROM audit_checkpoint WHERE organization_id > logs.id ORDER BY 1 LIMIT 1)
    FROM logs WHERE logs.id IS NOT NULL
)
SELECT id FROM logs WHERE id IS NOT NULL
"""
_BEYOND = "SELECT count(*), min(seq), max(seq) FROM audit_leaf WHERE organization_id = %s AND seq >= %s"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with a log.

    Attributes:
        kind: missing, altered, foreign, inconsistent, forged, rolled back, unsealed.
        text: what, in words.
        first, last: the events that it is about, by number.
        event: the id of the one event that it is about.
    """

    kind: str
    text: str
    first: int | None = None
    last: int | None = None
    event: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


@dataclass(slots=True)
class Findings:
    """What a verification found.

    Attributes:
        log: whose log.
        verified: up to which number the log was read.
        events: how many events were compared.
        retired: how many are retired under receipts.
        erased: how many personal values were erased from the others.
        problems: what is wrong; empty: nothing.
    """

    log: UUID
    verified: int = 0
    events: int = 0
    retired: int = 0
    erased: int = 0
    problems: list[Problem] = field(default_factory=list)

    def add(
        self, kind: str, text: str, first: int | None = None, last: int | None = None, event: str | None = None
    ) -> None:
        """Add a problem."""
        self.problems.append(Problem(kind, text, first, first if last is None else last, event))

    def add_missing(self, what: str, first: int, last: int, event: str | None = None) -> None:
        """Add what is missing (``event``, ``leaf of event``, ``text of event``); neighbours are one problem."""
        before = self.problems[-1] if self.problems else None
        if before and before.kind == "missing" and before.last == first - 1 and before.text.startswith(f"the {what} "):
            first, event = before.first or 0, None
            self.problems.pop()
        numbers = f"{first} is" if first == last else f"{first} to {last} are"
        self.problems.append(Problem("missing", f"the {what} {numbers} missing", first, last, event))


@dataclass(slots=True)
class _Head:
    """A stored checkpoint."""

    start: int
    size: int
    root: bytes
    edge: bytes
    note: str
    key_number: int


class LogVerifier:
    """Reads one log from a checkpoint on.

    Args:
        log: the organization, or `notes.INSTALLATION`.
        start: the size of a checkpoint; 0 for the whole log.
        progress: told after each stretch up to where it was read.
    """

    def __init__(self, log: UUID, *, start: int = 0, progress: Callable[[int], None] | None = None) -> None:
        self.findings = Findings(log, verified=start)
        self._log = log
        self._progress = progress
        self._edge: Edge | None = Edge() if start == 0 else None
        self._begun = start == 0
        self._retired: Retired | None = None
        self._since: datetime | None = None  # up to this time events without a leaf were looked for

    def run(self, *, limit: int | None = None) -> Findings:
        """Verify up to the last checkpoint, or about `limit` events.

        Returns:
            What was found; `verified` says where to go on.
        """
        stop = None if limit is None else self.findings.verified + limit
        while stop is None or self.findings.verified < stop:
            if not self._stretch():
                break
            if self._progress is not None:
                self._progress(self.findings.verified)
        return self.findings

    def _stretch(self) -> bool:
        """Verify up to a checkpoint about `STRETCH` events further on; return whether there may be more."""
        with sealer_cursor() as cursor:
            keys = {key.number: key for key in key_history(cursor)}
            installation = _installation(cursor)
            if not self._begun:
                self._begin(cursor, keys, installation)
            heads = list(self._heads(cursor))
            if not heads:
                self._end(cursor)
                return False
            if self._retired is None:
                self._retired = self._receipts(cursor, list(keys.values()), installation)
            position = self.findings.verified
            events = sealed_events(cursor, self._log, position, heads[-1].size)
            times: list[datetime] = []
            self._compare(events, heads, times, keys, installation)
            self._look_for_unsealed(cursor, self._since, max(times, default=self._since), first=position == 0)
            self._since = max(times, default=self._since)
            self.findings.verified = heads[-1].size
            return True

    def _begin(self, cursor: Any, keys: dict[int, KeyRow], installation: UUID) -> None:
        """Take the tree from the checkpoint at which this verification begins."""
        self._begun = True
        size = self.findings.verified
        cursor.execute(_HEAD, [self._log, size])
        row = cursor.fetchone()
        if row is None:
            self.findings.add("rolled back", f"the checkpoint of size {size} was there and is gone", size - 1)
            return
        head = _Head(*row)
        self._signed(head, keys, installation)
        self._edge = self._edge_of(head)
        cursor.execute(
            "SELECT max(event_time) FROM audit_leaf WHERE organization_id = %s AND seq >= %s AND seq < %s",
            [self._log, max(0, size - STRETCH), size],
        )
        (self._since,) = cursor.fetchone()

    def _heads(self, cursor: Any) -> Iterator[_Head]:
        """Yield the checkpoints of the next stretch."""
        position = self.findings.verified
        cursor.execute(_CHECKPOINTS, [self._log, position, STRETCH])
        for row in cursor.fetchall():
            head = _Head(row[0], row[1], bytes(row[2]), bytes(row[3]), row[4], row[5])
            yield head
            if head.size - position >= STRETCH:
                return

    def _compare(
        self,
        events: Iterator[SealedEvent],
        heads: Sequence[_Head],
        times: list[datetime],
        keys: dict[int, KeyRow],
        installation: UUID,
    ) -> None:
        position, event = self.findings.verified, next(events, None)
        for head in heads:
            if head.start != position:
                text = f"a checkpoint between {position} and {head.size} events is missing, or one was forged"
                self.findings.add("forged", text, min(position, head.start), head.size - 1)
            signed = self._signed(head, keys, installation)
            before = len(self.findings.problems)
            while event is not None and event.seq < head.size:
                if event.seq > position:
                    self._missing(position, event.seq - 1)
                self._check(event)
                times.append(event.event_time)
                if self._edge is not None:
                    self._edge.append(event.hash)
                position = event.seq + 1
                event = next(events, None)
            if position < head.size:
                self._missing(position, head.size - 1)
                position = head.size
            self._meet(head, signed, said=len(self.findings.problems) > before)

    def _check(self, event: SealedEvent) -> None:
        """Compare an event with its leaf."""
        self.findings.events += 1
        seq = event.seq
        if event.body is None and event.row is None and self._retired is not None and seq in self._retired:
            self.findings.retired += 1
            return
        if event.body is None:
            self.findings.add_missing("text of event", seq, seq, event.event_id)
            return
        if leaf_hash(event.body.encode()) != event.hash:
            self.findings.add("altered", f"the leaf of event {seq} is not what was hashed", seq, event=event.event_id)
            return
        if event.row is None:
            self.findings.add_missing("event", seq, seq, event.event_id)
            return
        if wrong := differences(event.body, event.salts, event.row):
            fields = ", ".join(wrong)
            self.findings.add("altered", f"event {seq} was altered: {fields}", seq, event=event.event_id)
            return
        self.findings.erased += erased_in(event.salts)

    def _receipts(self, cursor: Any, keys: list[KeyRow], installation: UUID) -> Retired:
        """Return what the log's receipts name; one that nobody signed names nothing, and is a problem."""
        origin, found = origin_of(installation, self._log), list[Receipt]()
        for note in receipt_notes(cursor, self._log):
            try:
                found.append(opened(note, origin, keys))
            except MalformedNote:
                month = note.partition("\nmonth ")[2].partition("\n")[0]
                self.findings.add("forged", f"the receipt of {month or 'a month'} is not what was signed")
        return Retired(found)

    def _missing(self, first: int, last: int) -> None:
        self.findings.add_missing("leaf of event", first, last)
        self._edge = None

    def _signed(self, head: _Head, keys: dict[int, KeyRow], installation: UUID) -> bool:
        """Return whether a checkpoint is signed, and says what stands beside it; otherwise note that."""
        origin = origin_of(installation, self._log)
        try:
            said = Checkpoint.parse(notes.opened(head.note, origin, keys[head.key_number].public))
            holds = (said.origin, said.size, said.root) == (origin, head.size, bytes(head.root))
        except (KeyError, MalformedNote):
            holds = False
        if not holds:
            text = f"the checkpoint of size {head.size} is not what was signed"
            self.findings.add("forged", text, head.start, head.size - 1)
        return holds

    def _meet(self, head: _Head, signed: bool, *, said: bool) -> None:  # noqa: FBT001 - a fact beside the checkpoint
        """Compare the tree of the leaves with a checkpoint, and go on from its edge where they differ."""
        sound = self._edge_of(head) if signed else None
        if sound is None:
            if signed:
                text = f"the edge beside the checkpoint of size {head.size} is not what was signed"
                self.findings.add("forged", text, head.start, head.size - 1)
            return  # the tree of the leaves goes on: the next checkpoint tells
        if self._edge is not None and (self._edge.size, self._edge.root()) != (head.size, head.root) and not said:
            which = f"event {head.start}" if head.size - head.start == 1 else f"events {head.start} to {head.size - 1}"
            text = f"{which} do not give the root that was signed: at least one of them was replaced, moved or forged"
            self.findings.add("inconsistent", text, head.start, head.size - 1)
        self._edge = sound

    def _edge_of(self, head: _Head) -> Edge | None:
        try:
            edge = Edge.unpacked(head.size, bytes(head.edge))
        except ValueError:
            return None
        return edge if edge.root() == bytes(head.root) else None

    def _look_for_unsealed(self, cursor: Any, since: datetime | None, until: datetime | None, *, first: bool) -> None:
        organization = "e.organization_id = %(log)s"
        if self._log == INSTALLATION:
            organization = f"(e.organization_id IS NULL OR {organization})"
        parameters = {
            "log": self._log,
            "since": "-infinity" if first or since is None else since,
            "until": "infinity" if until is None else until,
        }
        cursor.execute(_UNSEALED.format(organization=organization), parameters)
        for event, time in cursor.fetchall():
            text = (
                f"an event of {time:%Y-%m-%d %H:%M:%S} UTC was never sealed: it was put in later, or its time changed"
            )
            self.findings.add("foreign", text, event=event)

    def _end(self, cursor: Any) -> None:
        """Look at what lies behind the last checkpoint."""
        end = self.findings.verified
        cursor.execute(_BEYOND, [self._log, end])
        count, first, last = cursor.fetchone()
        if count:
            self.findings.add("foreign", f"events {first} to {last} have a leaf and no checkpoint", first, last)
        self._look_for_unsealed(cursor, self._since, None, first=end == 0)


def logs_with_checkpoints() -> list[UUID]:
    """Return the logs in which something was sealed."""
    with sealer_cursor() as cursor:
        cursor.execute(_LOGS)
        return [row[0] for row in cursor.fetchall()]


def verify_keys() -> list[Problem]:
    """Return what is wrong with the history of keys: each is signed by the one before it, the first by itself."""
    with sealer_cursor() as cursor:
        history, name = key_history(cursor), notes.installation_name(_installation(cursor))
    problems = []
    for position, key in enumerate(history):
        signer = history[max(0, position - 1)].public
        expected = notes.KeyStatement(name, position + 1, key.public, key.created_at).text()
        try:
            holds = notes.opened(key.statement, name, signer) == expected and key.number == position + 1
        except MalformedNote:
            holds = False
        if not holds:
            problems.append(Problem("forged", f"signing key {key.number} does not follow from the one before it"))
    return problems


def compare_with_witness(text: str, log: UUID | None = None) -> dict[UUID, list[Problem]]:
    """Return, for each log, what checkpoints that were kept elsewhere say against it.

    Args:
        text: notes, one after the other.
        log: only this one.
    """
    found: dict[UUID, list[Problem]] = {}
    with sealer_cursor() as cursor:
        installation = _installation(cursor)
        keys = key_history(cursor)
        for checkpoint in _own_checkpoints(text, installation, keys):
            place = checkpoint.origin.rpartition("/")[2]
            whose = INSTALLATION if place == "installation" else UUID(place)
            if log is not None and whose != log:
                continue
            cursor.execute(
                "SELECT root FROM audit_checkpoint WHERE organization_id = %s AND size = %s", [whose, checkpoint.size]
            )
            row = cursor.fetchone()
            if row is None or bytes(row[0]) != checkpoint.root:
                what = "the log has none of that size" if row is None else "the log has another one: it was rewritten"
                told = (
                    f"a witness has a checkpoint of size {checkpoint.size} of {checkpoint.time:%Y-%m-%d %H:%M:%S} UTC"
                )
                found.setdefault(whose, []).append(Problem("rolled back", f"{told}, {what}", checkpoint.size - 1))
    return found


def _own_checkpoints(text: str, installation: UUID, keys: list[KeyRow]) -> Iterator[Checkpoint]:
    """Yield the checkpoints of this installation that one of its keys signed."""
    prefix = notes.installation_name(installation) + "/"
    for note in notes.kept_in(text):
        if not note.startswith(prefix):
            continue
        origin = note.partition("\n")[0]
        for key in keys:
            try:
                yield Checkpoint.parse(notes.opened(note, origin, key.public))
                break
            except MalformedNote:
                continue


def _installation(cursor: Any) -> UUID:
    cursor.execute("SELECT installation FROM audit_sealer")
    (installation,) = cursor.fetchone()
    return UUID(str(installation))
