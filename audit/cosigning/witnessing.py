"""Cosigns the checkpoints of other logs: only what is consistent with what was cosigned before (C2SP tlog-witness)."""

import re
from base64 import b64decode
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from django.utils import timezone

from audit import notes
from audit.merkle import HASH_BYTES, proves_consistency
from audit.models import CosigningKey, Outcome, WitnessedLog, WitnessedOrigin
from audit.notes import MalformedNote
from audit.recorder import record
from isolation.actor import SYSTEM
from isolation.scope import INSTALLATION, tenant_scope

from .actions import WITNESSED_LOG_REFUSED
from .models import NAME_LENGTH
from .signatures import cosign

LARGEST_BODY = 65_536
MOST_HASHES = 63
SIZE_TYPE = "text/x.tlog.size"
TEXT_TYPE = "text/plain; charset=utf-8"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_LARGEST = 1 << 63


@dataclass(frozen=True, slots=True)
class Answer:
    """What the witness says.

    Attributes:
        status: of HTTP.
        text: a size, signature lines, or a sentence.
        media_type: of the text.
    """

    status: int
    text: str
    media_type: str = TEXT_TYPE


@dataclass(frozen=True, slots=True)
class Asked:
    """What a log asks for.

    Attributes:
        old: the size of the tree that the proof begins with.
        proof: its hashes.
        note: the signed checkpoint.
        text: what is signed in it.
        origin, size, root: what it says.
        time: when it was signed, where it says so.
    """

    old: int
    proof: list[bytes]
    note: str
    text: str
    origin: str
    size: int
    root: bytes
    time: datetime | None

    @classmethod
    def parse(cls, body: bytes) -> "Asked":
        """Return what the body of a request says.

        Raises:
            MalformedNote: it is not of that form.
        """
        try:
            head, _, note = body.decode().partition("\n\n")
            first, *hashes = head.split("\n")
            proof = [b64decode(each, validate=True) for each in hashes]
            text, _signatures = notes.split(note)
            origin, size, root, *more = text.removesuffix("\n").split("\n")
            found = cls(
                _number(first.removeprefix("old ")), proof, note, text, origin, _number(size), b64decode(root), None
            )
        except ValueError:
            raise MalformedNote(
                "Send the line “old <size>”, the proof's hashes, an empty line, the checkpoint."
            ) from None
        whole = all(len(each) == HASH_BYTES for each in (*proof, found.root)) and len(proof) <= MOST_HASHES
        if not first.startswith("old ") or not whole or not 0 < len(origin) <= NAME_LENGTH:
            raise MalformedNote("The checkpoint or its proof is not written as they are.")
        if found.old > found.size:
            raise MalformedNote("The old size is larger than the checkpoint's.")
        return cls(found.old, proof, note, text, origin, found.size, found.root, _time(more))


def add_checkpoint(body: bytes) -> Answer:
    """Cosign a checkpoint, or say why not; what was cosigned is remembered in the same transaction."""
    try:
        asked = Asked.parse(body)
    except MalformedNote as error:
        return Answer(HTTPStatus.BAD_REQUEST, f"{error}\n")
    with tenant_scope(INSTALLATION):
        log = _witnessed(asked.origin)
        if log is None:
            return Answer(HTTPStatus.NOT_FOUND, "No log of this origin is witnessed here.\n")
        try:
            notes.opened(asked.note, asked.origin, log.key_for(asked.origin).public)
        except MalformedNote:
            return Answer(HTTPStatus.FORBIDDEN, "No key that is trusted for this log signed the checkpoint.\n")
        seen, _new = WitnessedOrigin.objects.get_or_create(
            organization_id=INSTALLATION, origin=asked.origin, defaults={"witnessed_log": log}
        )
        return _judged(asked, seen)


def _judged(asked: Asked, seen: WitnessedOrigin) -> Answer:
    stale = Answer(HTTPStatus.CONFLICT, f"{seen.size}\n", SIZE_TYPE)
    if asked.size == seen.size and asked.size and asked.root != bytes(seen.root):
        _refuse(seen, f"It signed two different roots of size {asked.size}: the log was rewritten.", asked.note)
        return stale
    if asked.size < seen.size and seen.signed_at and asked.time and asked.time > seen.signed_at:
        _refuse(
            seen,
            f"At {asked.time:%Y-%m-%d %H:%M:%S} UTC it signed {asked.size} events, and {seen.size} were cosigned "
            "before: events were cut off.",
            asked.note,
        )
        return stale
    if asked.old != seen.size:
        return stale
    if asked.old == 0:
        holds = not asked.proof
    else:
        holds = proves_consistency(asked.old, asked.size, bytes(seen.root), asked.root, asked.proof)
    if not holds:
        _refuse(
            seen,
            f"Nothing proves that the log of {asked.size} events begins with the {asked.old} that were cosigned: it "
            "was rewritten, or somebody sent a wrong proof with its checkpoint.",
            asked.note,
        )
        return Answer(HTTPStatus.UNPROCESSABLE_ENTITY, "The proof does not lead from the cosigned tree to this one.\n")
    now = timezone.now()
    seen.size, seen.root, seen.signed_at, seen.cosigned_at, seen.refusal = asked.size, asked.root, asked.time, now, ""
    seen.save(update_fields=["size", "root", "signed_at", "cosigned_at", "refusal"])
    key = CosigningKey.objects.get(organization_id=INSTALLATION)
    return Answer(HTTPStatus.OK, cosign(asked.text, key.name, key.private(), now))


def _witnessed(origin: str) -> WitnessedLog | None:
    """Return what is told of the log of an origin, locked: two requests about one log come one after the other."""
    named = [log for log in WitnessedLog.objects.all() if origin == log.name or origin.startswith(f"{log.name}/")]
    nearest = max(named, key=lambda log: len(log.name), default=None)
    if nearest is None:
        return None
    found: WitnessedLog | None = WitnessedLog.objects.select_for_update().filter(pk=nearest.pk).first()
    return found


def _refuse(seen: WitnessedOrigin, why: str, note: str) -> None:
    """Remember a contradiction; the first one of a row is told of."""
    first = not seen.refusal
    seen.refusal, seen.refused_at = why, timezone.now()
    seen.save(update_fields=["refusal", "refused_at"])
    if first:
        record(
            WITNESSED_LOG_REFUSED,
            actor=SYSTEM,
            outcome=Outcome.FAILED,
            target_type="witnessed log",
            target_id=str(seen.witnessed_log_id),
            target_label=seen.origin,
            after={"reason": why, "cosigned": seen.size, "checkpoint": note},
        )


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text) >= _LARGEST:
        raise ValueError("no size")
    return int(text)


def _time(extensions: list[str]) -> datetime | None:
    for line in extensions:
        try:
            return datetime.strptime(line, "time %Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
