#!/usr/bin/env python3
"""Verifies a Gatehouse audit log without Gatehouse: an evidence package, or a copy that a SIEM kept.

It needs Python 3.9 or newer and the package `cryptography`, reads what it is given and opens no connection. The format
is described in docs/audit/format.md. Exit status: 0 everything is proven, 1 something is wrong, 2 it cannot be read.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tarfile
import zipfile
from base64 import b64decode, b64encode
from bisect import bisect_right
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Optional

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PACKAGE, VERSION = "gatehouse-audit-package", 1
KEY_HEADER = "gatehouse-audit-key/v1"
RECEIPT_HEADER = "gatehouse-audit-receipt/v1"
CHECKPOINT = "checkpoint"  # the kind of a record that is no event
DASH = "\u2014 "
NIL = "00000000-0000-0000-0000-000000000000"  # in place of an organization: the installation itself
HASH_BYTES, ID_BYTES = 32, 4
TIMED = ID_BYTES + 8  # behind it stands the signature of a cosigner
GRACE = timedelta(minutes=5)  # a batch that was under way when the key changed is signed by the old one
PROGRESS_EVERY = 100_000
VERIFIED, WRONG, UNREADABLE = 0, 1, 2


class Unreadable(Exception):
    """The input is not what it should be; the message is for the person at the terminal."""


# The tree (RFC 6962, section 2.1) ---------------------------------------------------------------


def node(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A growing tree, of which the complete subtrees at its right edge are kept."""

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size, self.hashes = size, list(hashes)
        if len(self.hashes) != bin(size).count("1") or any(len(each) != HASH_BYTES for each in self.hashes):
            raise ValueError("not the edge of a tree of that size")

    def append(self, leaf: bytes) -> None:
        """Add a leaf by its hash."""
        position = self.size
        while position & 1:
            leaf = node(self.hashes.pop(), leaf)
            position >>= 1
        self.hashes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the root."""
        if not self.hashes:
            return hashlib.sha256(b"").digest()
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node(left, root)
        return root


def includes(index: int, size: int, leaf: bytes, path: list[bytes], root: bytes) -> bool:
    """Return whether an inclusion proof holds (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node(sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node(found, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def consistent(old: int, new: int, old_root: bytes, new_root: bytes, path: list[bytes]) -> bool:
    """Return whether a consistency proof holds (RFC 9162, 2.1.4.2)."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    steps = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not steps:
        return False
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            first, second = node(step, first), node(step, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node(second, step)
        at, last = at >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


# Canonical JSON (RFC 8785), as far as commitments need it -------------------------------------------


def canonical(value: Any) -> str:
    """Return a value that was read from JSON in canonical form."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: str(name).encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{canonical(name)}:{canonical(value[name])}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, float):
        return ecmascript(value)
    return json.dumps(value, ensure_ascii=False)


def ecmascript(value: float) -> str:
    """Return a double as ECMAScript prints it."""
    if value == 0:
        return "0"
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + ("" if fraction == "0" else fraction)
    point = len(whole) + int(exponent or 0) - (len(digits) - len(digits.lstrip("0")))
    digits = digits.strip("0") if "." in mantissa or exponent else digits.lstrip("0").rstrip("0")
    sign, count = "-" if value < 0 else "", len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    return f"{sign}{digits[0]}{'.' + digits[1:] if count > 1 else ''}e{point - 1:+d}"


# Signed notes (C2SP) ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint says, and the edge that came with it."""

    origin: str
    size: int
    root: bytes
    time: datetime
    edge: Optional[tuple[bytes, ...]] = None
    source: str = "the copy"


@dataclass(frozen=True)
class Key:
    """A signing key of the installation."""

    number: int
    public: bytes
    time: datetime

    @property
    def fingerprint(self) -> str:
        """Return what people compare: SHA-256 of the key."""
        return hashlib.sha256(self.public).hexdigest()


@dataclass(frozen=True)
class Cosigner:
    """A witness that the auditor named: it signs only what continues what it signed before (C2SP tlog-cosignature)."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """Return the four bytes by which a signature names its key."""
        return hashlib.sha256(self.name.encode() + b"\n\x04" + self.public).digest()[:ID_BYTES]

    def opened(self, note: str) -> Optional[datetime]:
        """Return when it cosigned a note, None when it did not; raises ValueError when a line only says so."""
        text, _gap, signatures = note.partition("\n\n")
        false = False
        for line in signatures.splitlines():
            name, _, encoded = line[len(DASH) :].partition(" ") if line.startswith(DASH) else ("", "", "")
            try:
                raw = base64_bytes(encoded)
                if name != self.name or raw[:ID_BYTES] != self.id:
                    continue
                false, seconds = True, int.from_bytes(raw[ID_BYTES:TIMED], "big")
                message = f"cosignature/v1\ntime {seconds}\n{text}\n".encode()
                Ed25519PublicKey.from_public_bytes(self.public).verify(raw[TIMED:], message)
                return datetime.fromtimestamp(seconds, timezone.utc)
            except (ValueError, InvalidSignature, OverflowError, OSError):
                continue
        if false:
            raise ValueError(f"the line of {self.name} below a checkpoint is not its signature")
        return None


@dataclass(frozen=True)
class Receipt:
    """What a receipt says: which events of a month were retired, and how big the log was then."""

    origin: str
    month: str
    kept: int
    ranges: list[list[int]]
    size: int
    time: datetime


def base64_bytes(text: str) -> bytes:
    """Return what a base64 text says; raises ValueError."""
    return b64decode(text.encode("ascii"), validate=True)


def moment(line: str) -> datetime:
    """Return the time of a line such as ``time 2026-01-05T09:00:00Z``; raises ValueError."""
    return datetime.strptime(line, "time %Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


def signed_by(note: str, name: str, public: bytes) -> bool:
    """Return whether the key signed the note under that name."""
    text, gap, signatures = note.partition("\n\n")
    wanted = hashlib.sha256(name.encode() + b"\n\x01" + public).digest()[:ID_BYTES]
    for line in signatures.splitlines() if gap else ():
        signer, _, encoded = line[len(DASH) :].partition(" ") if line.startswith(DASH) else ("", "", "")
        try:
            signature = base64_bytes(encoded)
            if signer == name and signature[:ID_BYTES] == wanted:
                Ed25519PublicKey.from_public_bytes(public).verify(signature[ID_BYTES:], (text + "\n").encode())
                return True
        except (ValueError, InvalidSignature):
            continue
    return False


def notes_in(text: str) -> Iterator[str]:
    """Yield the notes of a file in which one follows the other."""
    lines: list[str] = []
    signed = False
    for line in text.splitlines():
        if signed and not line.startswith(DASH):
            yield "\n".join(lines) + "\n"
            lines, signed = [], False
            if not line:
                continue
        signed = line.startswith(DASH)
        if lines or line:
            lines.append(line)
    if signed:
        yield "\n".join(lines) + "\n"


class Keys:
    """The history of an installation's keys, oldest first; each statement is signed by the key before."""

    def __init__(self, pinned: Iterable[bytes] = (), cosigners: Iterable[Cosigner] = ()) -> None:
        self.pinned = set(pinned)
        self.cosigners = list(cosigners)
        self.name = ""
        self.history: list[Key] = []

    def add(self, statement: str) -> None:
        """Add the next key; raises ValueError with what is wrong."""
        lines = statement.partition("\n\n")[0].split("\n")
        try:
            header, name, number, public, time = lines
            key = Key(int(number), base64_bytes(public), moment(time))
        except ValueError:
            raise ValueError("a key statement cannot be read") from None
        if any(known == key for known in self.history):
            return
        if header != KEY_HEADER or len(key.public) != HASH_BYTES:
            raise ValueError(f"key {number} is not of a kind that is known here")
        if self.name and name != self.name:
            raise ValueError(f"key {number} is of another installation, {name}")
        if key.number != len(self.history) + 1:
            raise ValueError(f"key {number} does not follow key {len(self.history)}")
        signer = self.history[-1] if self.history else key
        if not signed_by(statement, name, signer.public):
            raise ValueError(f"key {number} is not signed by {'the key before it' if self.history else 'itself'}")
        if key.time < signer.time:
            raise ValueError(f"key {number} is older than the key before it")
        self.name = name
        self.history.append(key)

    def open(self, note: str, edge: Optional[Iterable[str]] = None, source: str = "the copy") -> Checkpoint:
        """Return a checkpoint; raises ValueError with what is wrong with it."""
        try:
            origin, size, root, time = note.partition("\n\n")[0].split("\n")
            hashes = None if edge is None else tuple(map(base64_bytes, edge))
            found = Checkpoint(origin, int(size), base64_bytes(root), moment(time), hashes, source)
        except (ValueError, AttributeError):
            raise ValueError("a checkpoint cannot be read") from None
        what = f"the checkpoint of size {found.size}"
        if self.name and not origin.startswith(self.name + "/"):
            raise ValueError(f"{what} is of another installation, {origin}")
        for position, key in enumerate(self.history):
            if signed_by(note, origin, key.public):
                following = self.history[position + 1].time if position + 1 < len(self.history) else None
                if found.time < key.time or (following is not None and found.time > following + GRACE):
                    raise ValueError(f"{what} is signed by key {key.number} at a time when it did not sign")
                return found
        raise ValueError(f"{what} is signed by no key of the history")

    def receipt(self, note: Any) -> Receipt:
        """Return a receipt of retired events; raises ValueError with what is wrong with it."""
        try:
            header, origin, month, kept, *events, count, checkpoint, time = note.partition("\n\n")[0].split("\n")
            ranges = [[int(end) for end in each.split(" ")[1].split("-")] for each in events]
            found = Receipt(
                origin,
                month.split(" ")[1],
                int(kept.split(" ")[1]),
                ranges,
                int(checkpoint.split(" ")[1]),
                moment(time),
            )
            year, number = map(int, found.month.split("-"))
            whole = count == f"count {sum(last - first + 1 for first, last in ranges)}"
        except (ValueError, IndexError, AttributeError):
            raise ValueError("a receipt cannot be read") from None
        what = f"the receipt of {found.month}"
        if header != RECEIPT_HEADER or not whole or (self.name and not origin.startswith(self.name + "/")):
            raise ValueError(f"{what} is not of this log, or of a kind that is unknown here")
        if not any(signed_by(note, origin, key.public) for key in self.history):
            raise ValueError(f"{what} is signed by no key of the history")
        over = year * 12 + number + found.kept
        if found.kept < 1 or (found.time.year * 12 + found.time.month - 1) < over:
            raise ValueError(f"{what} was signed before the events were out of time")
        if any(first > last or last >= found.size for first, last in ranges):
            raise ValueError(f"{what} names events that were not in the log")
        return found

    def trusted(self) -> bool:
        """Return whether a key that the auditor named is in the history."""
        return bool(self.pinned & {key.public for key in self.history})


# What was found -----------------------------------------------------------------------------------


@dataclass
class Problem:
    """Something that is wrong: kind, the first and last event that it is about, and words."""

    kind: str
    text: str
    first: Optional[int] = None
    last: Optional[int] = None
    event: Optional[str] = None


@dataclass
class Report:
    """What a verification found."""

    origin: str = ""
    events: int = 0
    first: Optional[int] = None
    last: Optional[int] = None
    proven_until: int = 0
    checkpoints: int = 0
    withheld: int = 0
    erased: int = 0
    retired: int = 0
    receipts: int = 0
    cosigned: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, kind: str, text: str, first: Optional[int] = None, last: Optional[int] = None, **more: Any) -> None:
        """Add a problem; neighbours of the same kind are one."""
        before = self.problems[-1] if self.problems else None
        if (
            kind == "missing"
            and before
            and before.kind == kind
            and before.last is not None
            and before.last + 1 == first
        ):
            before.last = last
            before.text = missing_text(before.first, last)
            return
        self.problems.append(Problem(kind, text, first, first if last is None else last, **more))

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {"result": "problems" if self.problems else "verified", **asdict(self)}


def missing_text(first: Optional[int], last: Optional[int]) -> str:
    """Return the words for a gap."""
    return f"event {first} is missing" if first == last else f"events {first} to {last} are missing"


def merged(ranges: Iterable[list[int]]) -> list[list[int]]:
    """Return ranges in order, neighbours joined."""
    found: list[list[int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = [found[-1][0], max(last, found[-1][1])]
        else:
            found.append([first, last])
    return found


def without(first: int, last: int, taken: list[list[int]]) -> list[list[int]]:
    """Return what is left of a range when others are taken out of it."""
    left = []
    for start, end in taken:
        if end < first or start > last:
            continue
        if start > first:
            left.append([first, start - 1])
        first = end + 1
    if first <= last:
        left.append([first, last])
    return left


# The events -----------------------------------------------------------------------------------------


class Verifier:
    """Takes the lines of a log in their order and notes everything that is wrong with them."""

    def __init__(self, keys: Keys, *, first: Optional[int] = None, filtered: bool = False) -> None:
        self.keys, self.filtered = keys, filtered
        self.report = Report()
        self.origin = ""
        self.tree: Optional[Tree] = Tree() if first in (0, None) else None
        self.expected = first
        self.gaps: list[list[int]] = []
        self.known: dict[int, Checkpoint] = {}
        self.waiting: list[Checkpoint] = []
        self.taken: set[Any] = set()  # notes that came as records of their own
        self.retired: list[list[int]] = []
        self.lost = False  # since the last checkpoint events were missing
        self.sound = 0  # up to here the tree is known to be what was signed
        self.since = first or 0  # events from here on are not proven yet

    def add_keys(self, statements: Iterable[str]) -> None:
        """Add key statements, oldest first."""
        for statement in statements:
            try:
                self.keys.add(statement)
            except ValueError as error:
                self.report.add("forged", str(error))

    def add_receipt(self, note: Any) -> None:
        """Add a receipt: what it names is retired and not missing."""
        try:
            found = self.keys.receipt(note)
        except ValueError as error:
            self.report.add("forged", str(error))
            return
        if self.origin and found.origin != self.origin:
            self.report.add("foreign", f"the receipt of {found.month} is of another log, {found.origin}")
            return
        self.report.receipts += 1
        self.retired = merged([*self.retired, *found.ranges])

    def is_retired(self, seq: int) -> bool:
        """Return whether a receipt names an event."""
        place = bisect_right(self.retired, [seq, sys.maxsize])
        return place > 0 and seq <= self.retired[place - 1][1]

    def add_edge(self, size: int, edge: Iterable[str]) -> None:
        """Begin at a tree whose edge is given; the next checkpoint proves it."""
        try:
            self.tree = Tree(size, map(base64_bytes, edge))
        except ValueError:
            self.report.add("forged", f"the edge of the tree of size {size} cannot be read")
            return
        self.expected = self.since = self.sound = size

    def add_checkpoint(self, note: Any, edge: Optional[Iterable[str]] = None, source: str = "the copy") -> None:
        """Add a checkpoint that the events have to agree with."""
        try:
            found = self.keys.open(note, edge, source)
        except ValueError as error:
            self.report.add("forged", str(error))
            return
        self.origin = self.origin or found.origin
        self.report.origin = self.origin
        self._cosigned(note, found)
        if found.origin != self.origin:
            self.report.add("foreign", f"the checkpoint of size {found.size} is of another log, {found.origin}")
            return
        before = self.known.get(found.size)
        if before is not None:
            if before.root != found.root:
                self.report.add(
                    "forked",
                    f"two checkpoints of size {found.size} have different roots: the log was rewritten "
                    f"(one is from {before.source}, one from {found.source})",
                )
            if before.edge is not None or found.edge is None:
                return
        else:
            self.report.checkpoints += 1
        self.known[found.size] = found
        if self.tree is not None and found.size == self.tree.size:
            self._compare(found)
        elif self.tree is None and found.size == self.expected:
            self._meet(found)
        elif found.size > (self.expected or 0):
            self.waiting = sorted([*self.waiting, found], key=lambda each: each.size)

    def _cosigned(self, note: str, checkpoint: Checkpoint) -> None:
        """Note which of the witnesses that the auditor named cosigned a checkpoint."""
        for cosigner in self.keys.cosigners:
            try:
                time = cosigner.opened(note)
            except ValueError as error:
                self.report.add("forged", f"{error} (size {checkpoint.size})", checkpoint.size - 1)
                continue
            known = self.report.cosigned.get(cosigner.name, {"size": 0})
            if time is not None and checkpoint.size > known["size"]:
                told = {"size": checkpoint.size, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ")}
                self.report.cosigned[cosigner.name] = told

    def add_consistency(self, proof: dict[str, Any]) -> None:
        """Check that one checkpoint's tree begins with another's."""
        try:
            old, new = (self.keys.open(proof[end]) for end in ("from", "to"))
            path = [base64_bytes(each) for each in proof["path"]]
        except (KeyError, TypeError, ValueError) as error:
            self.report.add("forged", f"a consistency proof cannot be read: {error}")
            return
        if old.origin != new.origin or not consistent(old.size, new.size, old.root, new.root, path):
            self.report.add("forked", f"the log of size {new.size} does not begin with the one of size {old.size}")
            return
        for end, each in (("from", old), ("to", new)):
            self.known.setdefault(each.size, each)
            self._cosigned(proof[end], each)
        self.report.origin = self.report.origin or new.origin
        self.report.checkpoints += 2

    def add_line(self, text: str, number: int) -> None:
        """Take one line: an event, or a proof."""
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if not isinstance(line, dict):
            self.report.add("altered", f"line {number} is no JSON object")
            return
        if "keys" in line:
            self.add_keys(line["keys"])
        for note in line.get("receipts") or ():
            self.add_receipt(note)
        if "consistency" in line:
            self.add_consistency(line["consistency"])
        if line.get("kind") == CHECKPOINT:
            self.add_record(line)
        elif "seq" in line:
            self._event(line, number)

    def add_record(self, record: dict[str, Any]) -> None:
        """Take a checkpoint that came as a record of its own; one that was taken before its events is taken once."""
        checkpoint = record.get("checkpoint")
        if isinstance(checkpoint, str):
            checkpoint = {"note": checkpoint}
        checkpoint = checkpoint if isinstance(checkpoint, dict) else {}
        note = checkpoint.get("note")
        if note not in self.taken:
            self.taken.add(note)
            self.add_checkpoint(note, checkpoint.get("edge"))

    def _event(self, line: dict[str, Any], number: int) -> None:
        seq, leaf = line["seq"], line.get("leaf")
        retired = "leaf" in line and leaf is None and isinstance(line.get("hash"), str)
        if not isinstance(seq, int) or isinstance(seq, bool) or seq < 0 or not (retired or isinstance(leaf, str)):
            self.report.add("altered", f"line {number} has no event number, or no leaf")
            return
        self.report.events += 1
        self.report.first = seq if self.report.first is None else min(self.report.first, seq)
        self.report.last = seq if self.report.last is None else max(self.report.last, seq)
        event, digest = (None, self._retired(line, seq)) if retired else self._leaf(line, seq, str(leaf))
        checkpoint = line.get("checkpoint")
        if isinstance(checkpoint, str):
            checkpoint = {"note": checkpoint}
        proof = line.get("proof")
        if proof is not None and checkpoint is not None:
            self.add_checkpoint(checkpoint.get("note"), checkpoint.get("edge"))
        if proof is not None:
            self._check_proof(proof, seq, digest, event)
        elif self.filtered:
            self.report.add("unproven", f"event {seq} has no inclusion proof", seq, event=event)
        if not self.filtered:
            self._place(seq, digest, event, proven=proof is not None)
        if proof is None and checkpoint is not None:
            self.add_checkpoint(checkpoint.get("note"), checkpoint.get("edge"))

    def _leaf(self, line: dict[str, Any], seq: int, leaf: str) -> tuple[Optional[str], bytes]:
        """Check an event's leaf; return the event's id and the hash for the tree."""
        digest = hashlib.sha256(b"\x00" + leaf.encode()).digest()
        event = self._check_leaf(line, seq, leaf)
        stated = line.get("hash")
        if stated is not None and stated != b64encode(digest).decode():
            self.report.add("altered", f"event {seq} was altered: its leaf does not have its hash", seq, event=event)
            with suppress(ValueError):
                digest = base64_bytes(str(stated))  # the tree tells which of the two is the true one
        return event, digest

    def _retired(self, line: dict[str, Any], seq: int) -> bytes:
        """Return the hash of an event whose text is gone: a receipt says that it was retired, or it is missing."""
        if self.is_retired(seq):
            self.report.retired += 1
        else:
            self.report.add("missing", missing_text(seq, seq), seq, seq)
        if line.get("event") or line.get("openings"):
            self.report.add("altered", f"event {seq} says something that its leaf, which is gone, does not prove", seq)
        with suppress(ValueError):
            return base64_bytes(line["hash"])
        return b""

    def _check_leaf(self, line: dict[str, Any], seq: int, leaf: str) -> Optional[str]:
        """Check what an event's leaf, its openings and its plain copy say; return the event's id."""
        try:
            said = json.loads(leaf)
            event = said.get("id")
            commitments = said.get("commitments", {})
        except (ValueError, AttributeError):
            self.report.add("altered", f"event {seq} was altered: its leaf is no JSON object", seq)
            return None
        if self.origin:
            log = self.origin.rpartition("/")[2]
            whose = said.get("organization_id")
            if ("installation" if whose in (None, NIL) else whose) != log:
                self.report.add("foreign", f"event {seq} belongs to another log", seq, event=event)
        openings = line.get("openings") or {}
        for name, opening in openings.items():
            try:
                salt, value = opening
                opened = hashlib.sha256(base64_bytes(salt) + canonical([name, value]).encode()).digest()
                holds = commitments.get(name) == b64encode(opened).decode()
            except (TypeError, ValueError):
                holds = False
            if not holds:
                self.report.add(
                    "altered", f"event {seq} was altered: its {name} is not what was sealed", seq, event=event
                )
        erased = {name for name in line.get("erased") or () if name in commitments and name not in openings}
        self.report.erased += len(erased)
        self.report.withheld += sum(name not in openings and name not in erased for name in commitments)
        plain = line.get("event")
        if isinstance(plain, dict):
            self._check_plain(plain, said, openings, seq)
        return event if isinstance(event, str) else None

    def _check_plain(self, plain: dict[str, Any], said: dict[str, Any], openings: dict[str, Any], seq: int) -> None:
        """Check the copy of an event that is not hashed itself against the leaf."""
        sealed = {name: value for name, value in said.items() if name not in ("commitments", "v", "before", "after")}
        sealed.update({name: opening[1] for name, opening in openings.items() if "." not in name})
        for column in ("before", "after"):
            values = dict(said.get(column, {}))
            prefix = column + "."
            values.update({name[len(prefix) :]: each[1] for name, each in openings.items() if name.startswith(prefix)})
            if isinstance(plain.get(column), dict):
                sealed[column] = values
                unopened = {name for name in said.get("commitments", {}) if name not in openings}
                hidden = {name[len(prefix) :] for name in unopened if name.startswith(prefix)}
                plain = {**plain, column: {name: each for name, each in plain[column].items() if name not in hidden}}
        for name, value in plain.items():
            expected = sealed.get(name)
            withheld = name in said.get("commitments", {}) and name not in openings
            same = value == expected or (name == "time" and same_time(value, expected))
            if not same and not withheld and (name in sealed or value not in (None, "", {}, [])) and name in FIELDS:
                self.report.add("altered", f"event {seq} was altered: its {name} is not what was sealed", seq)

    def _check_proof(self, proof: Any, seq: int, digest: bytes, event: Optional[str]) -> None:
        try:
            size, path = int(proof["size"]), [base64_bytes(each) for each in proof["path"]]
        except (KeyError, TypeError, ValueError):
            self.report.add("altered", f"the inclusion proof of event {seq} cannot be read", seq, event=event)
            return
        checkpoint = self.known.get(size)
        if checkpoint is None:
            self.report.add("unproven", f"event {seq} is proven by a checkpoint of size {size} that is not here", seq)
        elif not includes(seq, size, digest, path, checkpoint.root):
            self.report.add("foreign", f"event {seq} is not in the log that was signed", seq, event=event)
        else:
            self.report.proven_until = max(self.report.proven_until, seq + 1)

    def _place(self, seq: int, digest: bytes, event: Optional[str], *, proven: bool) -> None:
        """Give an event its place in the order, and in the tree."""
        if self.expected is None:
            self.expected = self.since = seq
            if seq:
                self.tree = None
        if seq < self.expected:
            gap = next((gap for gap in self.gaps if gap[0] <= seq <= gap[1]), None)
            if gap is None:
                self.report.add("duplicated", f"event {seq} is there twice", seq, event=event)
                return
            self.report.add("reordered", f"event {seq} stands in the wrong place", seq, event=event)
            self.gaps.remove(gap)
            self.gaps += [part for part in ([gap[0], seq - 1], [seq + 1, gap[1]]) if part[0] <= part[1]]
            return
        if seq > self.expected:
            self.gaps.append([self.expected, seq - 1])
            self._lose(seq)
        self.expected = seq + 1
        if proven:
            self.since = seq + 1 if self.since >= seq else self.since
        if self.tree is not None:
            self.tree.append(digest)
        while self.waiting and self.waiting[0].size <= self.expected:
            self._meet(self.waiting.pop(0))

    def _lose(self, seq: int) -> None:
        """Go on behind a gap: the tree is known again at the next checkpoint that brings its edge."""
        self.tree, self.lost = None, True
        while self.waiting and self.waiting[0].size <= seq:
            self._meet(self.waiting.pop(0))
            self._forget_before(seq)

    def _forget_before(self, seq: int) -> None:
        """Forget a tree that ends within the gap."""
        if self.tree is not None and self.tree.size < seq:
            self.tree = None

    def _meet(self, checkpoint: Checkpoint) -> None:
        if self.tree is not None and self.tree.size == checkpoint.size:
            self._compare(checkpoint)
        elif self.tree is None:
            if self.since < checkpoint.size and checkpoint.edge is not None:
                why = (
                    "some are missing, so the others are" if self.lost else "the tree before them is not here: they are"
                )
                words = f"events {self.since} to {checkpoint.size - 1}: {why} not proven"
                self.report.add("unproven", words, self.since, checkpoint.size - 1)
                self.lost = False
            self._resume(checkpoint)

    def _compare(self, checkpoint: Checkpoint) -> None:
        """Compare the tree of the events with what was signed."""
        if self.tree is not None and self.tree.root() == checkpoint.root:
            self.sound = self.since = checkpoint.size
            self.report.proven_until = max(self.report.proven_until, checkpoint.size)
            return
        first, last = self.sound, checkpoint.size - 1
        named = any(p.first is not None and first <= p.first <= last for p in self.report.problems)
        words = f"event {first}" if first == last else f"events {first} to {last}"
        if not named or checkpoint.source != "the copy":
            self.report.add(
                "inconsistent",
                f"{words} do not give the root that was signed ({checkpoint.source}): at least one of them was "
                "altered, replaced, or moved",
                first,
                last,
            )
        self.tree = None
        self.since = checkpoint.size
        self._resume(checkpoint)

    def _resume(self, checkpoint: Checkpoint) -> None:
        """Take the tree from a checkpoint's edge, if that is what was signed."""
        if checkpoint.edge is None:
            return
        tree: Optional[Tree] = None
        with suppress(ValueError):
            tree = Tree(checkpoint.size, checkpoint.edge)
        if tree is None or tree.root() != checkpoint.root:
            self.report.add(
                "forged", f"the edge beside the checkpoint of size {checkpoint.size} is not what was signed"
            )
            return
        self.tree = tree
        self.sound = self.since = checkpoint.size

    def finish(self, *, end: Optional[int] = None) -> Report:
        """Return the report, when every line was taken.

        `end` is the number of events that there should be.
        """
        report, expected = self.report, self.expected or 0
        if not self.filtered:
            if end is not None and end > expected:
                self.gaps.append([expected, end - 1])
            if end is not None and expected > end:
                report.add(
                    "foreign", f"events {end} to {expected - 1} are more than the copy says it has", end, expected - 1
                )
            for first, last in sorted(self.gaps):
                for lost in without(first, last, self.retired):
                    report.add("missing", missing_text(*lost), *lost)
                report.retired += last - first + 1 - sum(b - a + 1 for a, b in without(first, last, self.retired))
            if (report.events or report.retired) and self.since < expected:
                words = f"events {self.since} to {expected - 1} have no checkpoint over them: they are not proven"
                report.add("unproven", words, self.since, expected - 1)
        self._check_rollback(expected if end is None else end)
        self._check_signers()
        report.keys = [
            {
                "number": key.number,
                "since": key.time.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "public_key": b64encode(key.public).decode(),
                "fingerprint": key.fingerprint,
            }
            for key in self.keys.history
        ]
        return report

    def _check_signers(self) -> None:
        """Note when nobody whom the auditor named has signed."""
        report = self.report
        for cosigner in self.keys.cosigners:
            if cosigner.name not in report.cosigned:
                report.add("unproven", f"no checkpoint here is cosigned by {cosigner.name}")
        if not self.keys.history:
            report.add("unproven", "there are no keys: nothing that is signed can be checked")
        elif not self.keys.trusted():
            newest = self.keys.history[-1].fingerprint
            if self.keys.pinned:
                report.add("forged", "the key that you named is not in the history of keys")
            else:
                report.warnings.append(
                    "The keys came with the copy. Compare this fingerprint of the newest one with what you know from "
                    f"elsewhere, or name a key with --key: {newest}"
                )

    def _check_rollback(self, end: int) -> None:
        """Compare what a witness kept with the newest checkpoint of the copy."""
        own = [each for each in self.known.values() if each.source == "the copy"]
        newest = max(own, key=lambda each: each.size, default=None)
        for each in self.known.values():
            if each.source == "the copy" or each.size <= end:
                continue
            if newest is not None and newest.time > each.time:
                self.report.add(
                    "rolled back",
                    f"{each.source} has a checkpoint of size {each.size} of {each.time:%Y-%m-%d %H:%M:%S} UTC, "
                    f"and the log had {newest.size} events later: events were cut off",
                    newest.size,
                    each.size - 1,
                )
            else:
                self.report.warnings.append(f"{each.source} has a checkpoint of size {each.size}, beyond this copy.")


PLAIN = {
    "action",
    "actor_id",
    "actor_kind",
    "id",
    "organization_id",
    "outcome",
    "project_id",
    "request_id",
    "target_id",
}
PERSONAL = {"actor_label", "ip", "project_label", "reason", "session", "target_label", "user_agent"}
FIELDS = PLAIN | PERSONAL | {"after", "before", "target_type", "time", "via"}


def same_time(one: Any, other: Any) -> bool:
    """Return whether two texts in ISO 8601 name the same moment."""
    try:
        moments = [datetime.fromisoformat(str(each).replace("Z", "+00:00")) for each in (one, other)]
    except ValueError:
        return False
    return moments[0] == moments[1]


# Where it comes from --------------------------------------------------------------------------------


class Files:
    """The files of a package: a directory, a zip or a tar archive."""

    def __init__(self, path: Path) -> None:
        self._archive: Any = None
        self._members: dict[str, Any] = {}
        if path.is_dir():
            self._members = {each.name: each for each in path.iterdir() if each.is_file()}
        elif zipfile.is_zipfile(path):
            self._archive = zipfile.ZipFile(path)
            self._find({name: name for name in self._archive.namelist()})
        else:
            self._archive = tarfile.open(path)
            self._find({each.name: each for each in self._archive.getmembers() if each.isfile()})

    @property
    def names(self) -> set[str]:
        """Return the names of the files."""
        return set(self._members)

    def close(self) -> None:
        """Close the archive."""
        if self._archive is not None:
            self._archive.close()

    @contextmanager
    def open(self, name: str) -> Iterator[Any]:
        """Open a file of the package for reading."""
        if name not in self._members:
            raise Unreadable(f"the package has no {name}")
        member = self._members[name]
        if self._archive is None:
            opened = member.open("rb")
        elif isinstance(self._archive, zipfile.ZipFile):
            opened = self._archive.open(member)
        else:
            opened = self._archive.extractfile(member)
        with opened as file:
            yield file

    def _find(self, members: dict[str, Any]) -> None:
        """Take the files beside the manifest, in whatever folder the archive has them."""
        manifests = [name for name in members if name.rpartition("/")[2] == "manifest.json"]
        folder = min(manifests, key=len).rpartition("manifest.json")[0] if manifests else ""
        inside = {name[len(folder) :]: member for name, member in members.items() if name.startswith(folder)}
        self._members = {name: member for name, member in inside.items() if "/" not in name}


def is_package(path: Path) -> bool:
    """Return whether the path is a package and not a plain copy."""
    return path.is_dir() or zipfile.is_zipfile(path) or tarfile.is_tarfile(path)


Progress = Callable[[int], None]


def take_lines(verifier: Verifier, file: Iterable[bytes], progress: Progress, digest: Any = None) -> None:
    """Give the lines of a file to the verifier."""
    for number, raw in enumerate(file, start=1):
        if digest is not None:
            digest.update(raw)
        if raw.strip():
            verifier.add_line(raw.decode("utf-8", "replace"), number)
        if number % PROGRESS_EVERY == 0:
            progress(number)


def verify_package(path: Path, keys: Keys, witnesses: Iterable[tuple[str, str]], progress: Progress) -> Report:
    """Verify an evidence package."""
    files = Files(path)
    try:
        return _verify_files(files, keys, witnesses, progress)
    finally:
        files.close()


def _verify_files(files: Files, keys: Keys, witnesses: Iterable[tuple[str, str]], progress: Progress) -> Report:
    manifest = _manifest(files)
    verifier = Verifier(keys, first=manifest["first"], filtered=not manifest["complete"])
    verifier.origin = verifier.report.origin = str(manifest.get("origin", ""))
    stated: dict[str, Any] = manifest.get("files", {})
    for line in _json_lines(files, "keys.ndjson"):
        verifier.add_keys([line["statement"]])
    for line in _json_lines(files, "checkpoints.ndjson"):
        if line.get("note") is None:
            verifier.add_edge(int(line["size"]), line["edge"])
        else:
            verifier.add_checkpoint(line["note"], line.get("edge"))
    if "receipts.ndjson" in files.names:
        for line in _json_lines(files, "receipts.ndjson"):
            verifier.add_receipt(line.get("note"))
    add_witnesses(verifier, witnesses)
    digest = hashlib.sha256()
    with files.open("events.ndjson") as file:
        take_lines(verifier, file, progress, digest)
    for name, facts in sorted(stated.items()):
        found = digest if name == "events.ndjson" else _digest(files, name)
        if found is None:
            verifier.report.add("altered", f"the file {name} is not in the package")
        elif found.hexdigest() != facts.get("sha256"):
            verifier.report.add("altered", f"the file {name} is not the one that the manifest names")
    return verifier.finish(end=manifest["end"])


def _manifest(files: Files) -> dict[str, Any]:
    with files.open("manifest.json") as file:
        try:
            manifest: dict[str, Any] = json.loads(file.read())
            wanted = (manifest["format"], manifest["version"])
            manifest.update(first=int(manifest["first"]), end=int(manifest["end"]), complete=bool(manifest["complete"]))
        except (KeyError, TypeError, ValueError):
            raise Unreadable("manifest.json cannot be read") from None
    if wanted != (PACKAGE, VERSION):
        raise Unreadable(f"this is {wanted[0]} {wanted[1]}; this program knows {PACKAGE} {VERSION}")
    return manifest


def _json_lines(files: Files, name: str) -> Iterator[dict[str, Any]]:
    with files.open(name) as file:
        for raw in file:
            if raw.strip():
                yield json.loads(raw)


def _digest(files: Files, name: str) -> Any:
    """Return the hash of a file, None when it is not there."""
    if name not in files.names:
        return None
    digest = hashlib.sha256()
    with files.open(name) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest


def verify_lines(
    path: Path, keys: Keys, witnesses: Iterable[tuple[str, str]], progress: Progress, *, filtered: bool
) -> Report:
    """Verify a plain copy: NDJSON lines as a SIEM keeps them, or one answer of the API."""
    verifier = Verifier(keys, filtered=filtered)
    one = _one_object(path)
    if one is not None:
        verifier.add_keys(one.get("keys", []))
        add_witnesses(verifier, witnesses)
        verifier.add_line(json.dumps(one), 1)
        return verifier.finish()
    with path.open("rb") as file:
        with suppress(ValueError, AttributeError):  # told when the line is taken
            verifier.add_keys(json.loads(file.readline()).get("keys", []))
        file.seek(0)
        for record in checkpoint_records(file):
            verifier.add_keys(record.get("keys", []))
            verifier.add_record(record)
        file.seek(0)
        add_witnesses(verifier, witnesses)
        take_lines(verifier, file, progress)
    return verifier.finish()


def _one_object(path: Path) -> Optional[dict[str, Any]]:
    """Return the object that a file with several lines is, such as an answer of the API; None for NDJSON."""
    with path.open("rb") as file:
        if file.readline(1 << 20).strip().endswith(b"}"):
            return None
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def checkpoint_records(file: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the checkpoints of a copy that are records of their own, wherever a SIEM has put them."""
    for raw in file:
        if b'"kind"' in raw and b'"seq"' not in raw:
            with suppress(ValueError, AttributeError):
                record = json.loads(raw)
                if record.get("kind") == CHECKPOINT:
                    yield record


def kept_notes(text: str) -> Iterator[str]:
    """Yield the notes of what a witness kept: the notes themselves, or records of a SIEM."""
    if not text.lstrip().startswith("{"):
        yield from notes_in(text)
        return
    for record in checkpoint_records(text.encode().splitlines()):
        yield from record.get("keys", [])
        checkpoint = record.get("checkpoint")
        note = checkpoint.get("note") if isinstance(checkpoint, dict) else checkpoint
        if isinstance(note, str):
            yield note


def add_witnesses(verifier: Verifier, witnesses: Iterable[tuple[str, str]]) -> None:
    """Add the checkpoints of this log that somebody kept elsewhere."""
    for name, text in witnesses:
        for note in kept_notes(text):
            if note.startswith(KEY_HEADER + "\n"):
                verifier.add_keys([note])
            elif note.startswith(RECEIPT_HEADER + "\n"):
                if not verifier.origin or note.split("\n")[1] == verifier.origin:
                    verifier.add_receipt(note)
            elif not verifier.origin or note.startswith(verifier.origin + "\n"):
                verifier.add_checkpoint(note, source=name)


def named_cosigner(text: str) -> Cosigner:
    """Return the witness of an argument: its verifier key (name, id and key with plus signs between)."""
    name, _, rest = text.strip().partition("+")
    identifier, _, encoded = rest.partition("+")
    raw = b""
    with suppress(ValueError):
        raw = base64_bytes(encoded)
    found = Cosigner(name, raw[1:])
    if raw[:1] != b"\x04" or len(found.public) != HASH_BYTES or found.id.hex() != identifier.lower():
        raise Unreadable(f"{text!r} is no key of a witness: name it as the witness shows it, with its plus signs")
    return found


def pinned_key(text: str) -> bytes:
    """Return the key of an argument: base64, or a verifier key (name, id and key with plus signs between)."""
    try:
        raw = base64_bytes(text.split("+", 2)[2] if text.startswith("gatehouse/") else text)
    except ValueError:
        raw = b""
    raw = raw[1:] if len(raw) == HASH_BYTES + 1 else raw
    if len(raw) != HASH_BYTES:
        raise Unreadable(f"{text!r} is no public key: name it in base64, as the checkpoint page shows it")
    return raw


# The command ----------------------------------------------------------------------------------------


def words(report: Report) -> str:
    """Return the report for a person."""
    lines = [f"Log         {report.origin or 'unknown'}"]
    if report.events:
        lines.append(f"Events      {report.events:,} (numbers {report.first} to {report.last})")
    lines.append(
        f"Checkpoints {report.checkpoints:,}; proven up to event {report.proven_until - 1}"
        if report.proven_until
        else f"Checkpoints {report.checkpoints:,}"
    )
    lines += [
        f"Cosigned    up to event {told['size'] - 1} by {name}, {told['time']}"
        for name, told in report.cosigned.items()
    ]
    lines += [f"Key {key['number']:<8}since {key['since']}, {key['fingerprint']}" for key in report.keys]
    if report.retired:
        lines.append(f"Retired     {report.retired:,} events are gone under {report.receipts:,} signed receipts")
    if report.erased:
        lines.append(f"Erased      {report.erased:,} personal values were erased")
    if report.withheld:
        lines.append(f"Withheld    {report.withheld:,} personal values are left out of this copy, or erased")
    lines += [f"Note        {warning}" for warning in report.warnings]
    lines += [
        f"PROBLEM     {each.kind}: {each.text}{f' ({each.event})' if each.event else ''}" for each in report.problems
    ]
    lines.append(f"{len(report.problems)} problems found." if report.problems else "Verified: complete and unchanged.")
    return "\n".join(lines)


def arguments(given: Optional[list[str]]) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(
        prog="gatehouse_verify.py",
        description="Verify a Gatehouse audit log: an evidence package (directory, zip, tar), NDJSON lines that a SIEM "
        "kept, or a proof that the API gave.",
    )
    parser.add_argument("path", type=Path, help="the package or the copy")
    parser.add_argument("--key", action="append", default=[], help="a public key that you trust, in base64")
    parser.add_argument("--keys", type=Path, help="a file of key statements, when they are not part of the copy")
    parser.add_argument(
        "--witness", action="append", type=Path, default=[], help="a file of checkpoints that were kept elsewhere"
    )
    parser.add_argument(
        "--cosigner", action="append", default=[], help="the key of another installation that has to have cosigned"
    )
    parser.add_argument("--filtered", action="store_true", help="the copy has some events only, each with its proof")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--report", type=Path, help="write the report as JSON into this file too")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    return parser.parse_args(given)


def main(given: Optional[list[str]] = None) -> int:
    """Verify what the command line names; return the exit status."""
    options = arguments(given)

    def progress(number: int) -> None:
        if not options.quiet:
            sys.stderr.write(f"{number:,} events …\n")

    try:
        keys = Keys(map(pinned_key, options.key), map(named_cosigner, options.cosigner))
        witnesses = [(str(path), path.read_text(encoding="utf-8")) for path in options.witness]
        if options.keys:
            for note in notes_in(options.keys.read_text(encoding="utf-8")):
                if note.startswith(KEY_HEADER):
                    keys.add(note)
        if is_package(options.path):
            report = verify_package(options.path, keys, witnesses, progress)
        else:
            report = verify_lines(options.path, keys, witnesses, progress, filtered=options.filtered)
    except (OSError, Unreadable, ValueError, tarfile.TarError, zipfile.BadZipFile) as error:
        sys.stderr.write(f"gatehouse_verify: {error}\n")
        return UNREADABLE
    as_json = json.dumps(report.as_json(), indent=2, ensure_ascii=False)
    if options.report:
        options.report.write_text(as_json + "\n", encoding="utf-8")
    sys.stdout.write((as_json if options.json else words(report)) + "\n")
    return WRONG if report.problems else VERIFIED


if __name__ == "__main__":
    sys.exit(main())
