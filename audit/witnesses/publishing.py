"""Sends the newest checkpoint of each log, and new keys, to every witness; sealing waits for none of them."""

import logging
from typing import Any

from django.conf import settings
from django.utils import timezone

from audit.notes import INSTALLATION
from audit.sealing.database import sealer_cursor

from .base import Note, Witness, WitnessError
from .bucket import BucketWitness
from .file import FileWitness

logger = logging.getLogger("gatehouse.audit")

_PLACE = """
INSERT INTO audit_witness (name) VALUES (%s) ON CONFLICT (name) DO UPDATE SET name = excluded.name
RETURNING checkpoint_id, key_number
"""
_KEYS = "SELECT number, statement FROM audit_signingkey WHERE number > %s ORDER BY number"
# A checkpoint covers every one before it: the newest of each log is enough.
_CHECKPOINTS = """
SELECT id, organization_id, size, note FROM (
    SELECT DISTINCT ON (organization_id) * FROM audit_checkpoint WHERE id > %s ORDER BY organization_id, size DESC
) AS newest ORDER BY id
"""
_SENT = "UPDATE audit_witness SET checkpoint_id = %s, key_number = %s, sent_at = %s, failure = '' WHERE name = %s"


def configured() -> list[Witness]:
    """Return the witnesses of this installation."""
    found: list[Witness] = []
    if settings.AUDIT_CHECKPOINT_FILE:
        found.append(FileWitness(settings.AUDIT_CHECKPOINT_FILE))
    if settings.AUDIT_BUCKET is not None:
        found.append(BucketWitness(settings.AUDIT_BUCKET))
    return found


def publish() -> int:
    """Send what is new to every witness; one that fails keeps no other waiting.

    Returns:
        How many notes were kept.
    """
    return sum(_publish_to(witness) for witness in configured())


def _publish_to(witness: Witness) -> int:
    with sealer_cursor() as cursor:
        checkpoint, key, notes = _unsent(cursor, witness.name)
    if not notes:
        return 0
    try:
        witness.keep(notes)
    except WitnessError as error:
        logger.warning("The witness %s kept no checkpoint: %s", witness.name, error)
        with sealer_cursor() as cursor:
            cursor.execute("UPDATE audit_witness SET failure = %s WHERE name = %s", [str(error), witness.name])
        return 0
    with sealer_cursor() as cursor:
        cursor.execute(_SENT, [checkpoint, key, timezone.now(), witness.name])
    return len(notes)


def _unsent(cursor: Any, name: str) -> tuple[int, int, list[Note]]:
    """Return the last checkpoint's id, the last key's number, and what to send."""
    cursor.execute(_PLACE, [name])
    checkpoint, key = cursor.fetchone()
    notes = []
    cursor.execute(_KEYS, [key])
    for number, statement in cursor.fetchall():
        notes.append(Note(f"keys/{number:06d}", statement))
        key = number
    cursor.execute(_CHECKPOINTS, [checkpoint])
    for number, log, size, note in cursor.fetchall():
        place = "installation" if log == INSTALLATION else str(log)
        notes.append(Note(f"{place}/{size:020d}", note))
        checkpoint = number
    return checkpoint, key, notes
