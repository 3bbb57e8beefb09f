"""What the pages and the API show of sealing: the latest checkpoint, the keys, how verification stands, proofs.

Everything is read as the asking role reads it: a tenant finds its own log, an operator every log.
"""

import json
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models import F
from django.utils import timezone

from isolation import context
from isolation.exceptions import DomainError
from isolation.scope import APP, OPERATOR

from .models import Cosignature, Cosigning, Event, Leaf, SignedCheckpoint, Verification
from .notes import INSTALLATION
from .package import edge_texts, event_line
from .proofs import prove_consistency, prove_inclusion
from .sealing.keys import KeyRow, key_history
from .sealing.reading import sealed_events

LATE = timedelta(minutes=15)
"""After so long without verification the badge says so."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How the verification of a log stands.

    Attributes:
        state: ``verified``, ``waiting`` (not verified yet), ``late`` or ``failed``.
        number: of the last event that was verified, None when there is none.
        verified_at: when.
        completed_at: when the whole log was last read to its end.
        problems: sentences.
    """

    state: str
    number: int | None = None
    verified_at: datetime | None = None
    completed_at: datetime | None = None
    problems: tuple[str, ...] = ()


def latest_checkpoint(log: UUID) -> SignedCheckpoint | None:
    """Return a log's newest checkpoint, None when nothing is sealed yet."""
    found: SignedCheckpoint | None = SignedCheckpoint.objects.filter(organization_id=log).first()
    return found


@dataclass(frozen=True, slots=True)
class Cosigned:
    """How the cosigning of a log by one installation stands.

    Attributes:
        name: the cosigner's.
        size: of the newest checkpoint that it cosigned, 0 before the first one.
        time: when it did.
        note: that checkpoint with its line.
        refusal: why it refuses the log now; "" when it does not.
        failure: why it could not be asked, or not answer, the last time.
    """

    name: str
    size: int = 0
    time: datetime | None = None
    note: str = ""
    refusal: str = ""
    failure: str = ""


def cosigned(log: UUID) -> list[Cosigned]:
    """Return who cosigns a log, or did, and how far."""
    # A cosigner that was removed and added again has two rows: the one that is asked now counts.
    asked_last = F("asked_at").asc(nulls_first=True)
    standing = {row.name: row for row in Cosigning.objects.filter(organization_id=log).order_by(asked_last)}
    newest = Cosignature.objects.filter(organization_id=log).order_by("name", "-size").distinct("name")
    found = {row.name: row for row in newest}
    notes = dict(
        SignedCheckpoint.objects.filter(organization_id=log, size__in={row.size for row in found.values()}).values_list(
            "size", "note"
        )
    )
    shown = []
    for name in sorted({*standing, *found}):
        row, asked = found.get(name), standing.get(name)
        if row is None and not (asked and (asked.refusal or asked.failure)):
            continue  # nothing came yet
        shown.append(
            Cosigned(
                name=name,
                size=row.size if row else 0,
                time=row.time if row else None,
                note=notes.get(row.size, "") + row.line if row else "",
                refusal=asked.refusal if asked else "",
                failure=asked.failure if asked else "",
            )
        )
    return shown


def standing(log: UUID) -> Standing:
    """Return how the verification of a log stands."""
    found = Verification.objects.filter(organization_id=log).first()
    if found is None or found.verified_at is None:
        return Standing("waiting")
    problems = tuple(str(each["text"]) for each in found.problems)
    late = timezone.now() - found.verified_at > LATE
    state = "failed" if problems else "late" if late else "verified"
    return Standing(state, found.size - 1 if found.size else None, found.verified_at, found.completed_at, problems)


def signing_keys() -> list[KeyRow]:
    """Return the history of the signing keys, oldest first."""
    with connections[_alias()].cursor() as cursor:
        return key_history(cursor)


def inclusion(event: Event, *, size: int | None = None) -> dict[str, Any]:
    """Return an event as a line of a package, with the proof that it is in the log.

    Args:
        event: one that the actor may see; its log's scope is open.
        size: of the checkpoint that it is proven by; None for the newest.

    Raises:
        DomainError: it is not sealed yet, or there is no such checkpoint over it.
    """
    log = event.organization_id or INSTALLATION
    leaf = Leaf.objects.filter(organization_id=log, event_id=event.pk, event_time=event.time).first()
    if leaf is None:
        raise DomainError("The event is not sealed yet. Ask again in some seconds.", code="not_sealed")
    checkpoint = latest_checkpoint(log) if size is None else _checkpoint(log, size)
    if checkpoint is None or checkpoint.size <= leaf.seq:
        raise DomainError(f"No checkpoint of that size has event {leaf.seq}.", field="size", code="no_checkpoint")
    with connections[_alias()].cursor() as cursor:
        (sealed,) = sealed_events(cursor, log, leaf.seq, leaf.seq + 1)
        path = prove_inclusion(cursor, log, seq=leaf.seq, size=checkpoint.size)
    return event_line(sealed) | {
        "proof": {"size": checkpoint.size, "path": _texts(path)},
        "checkpoint": _shown(checkpoint),
        "keys": [key.statement for key in signing_keys()],
    }


def consistency(log: UUID, *, old: int, new: int | None = None) -> dict[str, Any]:
    """Return the proof that the log of one checkpoint begins with the log of an older one.

    Args:
        log: its scope is open.
        old: the size of the older checkpoint.
        new: the size of the newer one; None for the newest.

    Raises:
        DomainError: there is no such checkpoint.
    """
    newer = latest_checkpoint(log) if new is None else _checkpoint(log, new)
    older = _checkpoint(log, old)
    if newer is None or older is None or older.size > newer.size:
        raise DomainError("There are no two checkpoints of these sizes.", field="from", code="no_checkpoint")
    with connections[_alias()].cursor() as cursor:
        path = prove_consistency(cursor, log, old=older.size, new=newer.size)
    return {
        "consistency": {"from": older.note, "to": newer.note, "path": _texts(path)},
        "keys": [key.statement for key in signing_keys()],
    }


def evidence_file(found: dict[str, Any]) -> str:
    """Return a proof as the file that `gatehouse_verify.py` takes."""
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _checkpoint(log: UUID, size: int) -> SignedCheckpoint | None:
    found: SignedCheckpoint | None = SignedCheckpoint.objects.filter(organization_id=log, size=size).first()
    return found


def _shown(checkpoint: SignedCheckpoint) -> dict[str, Any]:
    return {"note": checkpoint.note, "edge": edge_texts(bytes(checkpoint.edge), checkpoint.size)}


def _texts(hashes: list[bytes]) -> list[str]:
    return [b64encode(each).decode() for each in hashes]


def _alias() -> str:
    return OPERATOR if context.crossing_tenants() else APP
