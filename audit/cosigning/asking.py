"""Asks other installations to cosign the newest checkpoint of each log; sealing waits for none of them."""

import logging
import time
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from audit.models import Cosigner
from audit.notes import MalformedNote
from audit.proofs import IncompleteTree, prove_consistency
from audit.sealing.database import sealer_cursor
from audit.verification import Problem, logs_with_checkpoints
from isolation.scope import INSTALLATION, tenant_scope
from outbound.exceptions import OutboundError, Unreachable
from outbound.exchange import Reply
from outbound.session import Session

from .signatures import Cosignature, cosigned

logger = logging.getLogger("gatehouse.audit")

SECONDS = 30
"""How long one run asks one cosigner; what is left is asked in the next one."""

_TIMEOUT = 10
_LARGEST_ANSWER = 65_536
_HEADERS = {"content-type": "text/plain; charset=utf-8"}
_STANDING = """
INSERT INTO audit_cosigning (organization_id, cosigner_id, name) VALUES (%s, %s, %s)
ON CONFLICT (organization_id, cosigner_id) DO UPDATE SET name = excluded.name
RETURNING size, refusal
"""
_NEWEST = "SELECT size, note FROM audit_checkpoint WHERE organization_id = %s ORDER BY size DESC LIMIT 1"
_KEEP = """
INSERT INTO audit_cosignature (organization_id, size, name, line, time) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (organization_id, size, name) DO NOTHING
"""
_COSIGNED = """
UPDATE audit_cosigning SET size = %s, asked_at = now(), failure = '', refusal = '', refused_at = NULL
WHERE organization_id = %s AND cosigner_id = %s
"""
_GONE = """
UPDATE audit_cosigning SET failure = '', refusal = '', refused_at = NULL
WHERE (failure <> '' OR refusal <> '') AND cosigner_id <> ALL(%s::uuid[])
"""
# As their turn comes: those that it was never asked about, then the longest ago.
_DUE = """
SELECT log FROM unnest(%s::uuid[]) AS log
    CROSS JOIN LATERAL (
        SELECT size FROM audit_checkpoint WHERE organization_id = log ORDER BY size DESC LIMIT 1
    ) AS newest
    LEFT JOIN audit_cosigning AS c ON c.organization_id = log AND c.cosigner_id = %s
WHERE c.size IS DISTINCT FROM newest.size OR c.refusal <> ''
ORDER BY c.cosigner_id IS NOT NULL, c.asked_at NULLS FIRST, log
"""
_SEEN = "UPDATE audit_cosigning SET size = %s WHERE organization_id = %s AND cosigner_id = %s"
_FAILED = """
UPDATE audit_cosigning SET asked_at = now(), failure = %s WHERE organization_id = %s AND cosigner_id = %s
"""
# Its first words stay: each time it says something of a newer checkpoint, which is no further problem.
_REFUSED = """
UPDATE audit_cosigning SET asked_at = now(), failure = '', refused_at = coalesce(refused_at, now()),
    refusal = CASE refusal WHEN '' THEN %s ELSE refusal END
WHERE organization_id = %s AND cosigner_id = %s
"""
_REFUSALS = "SELECT organization_id, refusal, size FROM audit_cosigning WHERE refusal <> '' AND cosigner_id = ANY(%s)"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A checkpoint that is to be cosigned.

    Attributes:
        log: whose.
        seen: the size that the cosigner knows, as far as we know.
        size, note: of the checkpoint.
        proof: that the one begins with the other.
    """

    log: UUID
    seen: int
    size: int
    note: str
    proof: Sequence[bytes]

    @property
    def text(self) -> str:
        """Return what is cosigned."""
        return self.note.partition("\n\n")[0] + "\n"

    @property
    def body(self) -> bytes:
        """Return the request."""
        hashes = "".join(f"{b64encode(each).decode()}\n" for each in self.proof)
        return f"old {self.seen}\n{hashes}\n{self.note}".encode()


class _Enough(Exception):  # noqa: N818 - reads as the statement it is
    """It answers no more for a while."""


class _Refuses(Exception):  # noqa: N818 - reads as the statement it is
    """The cosigner says that the log contradicts what it cosigned; the message says how."""


class _Fails(Exception):  # noqa: N818 - the same
    """It cannot be asked, or does not answer as it should; the message says why."""


def ask() -> int:
    """Ask every cosigner about every log that has grown; one that fails keeps no other waiting.

    Returns:
        How many cosignatures came.
    """
    with tenant_scope(INSTALLATION):
        cosigners = list(Cosigner.objects.all())
    with sealer_cursor() as cursor:
        cursor.execute(_GONE, [[cosigner.pk for cosigner in cosigners]])
    logs = logs_with_checkpoints() if cosigners else []
    return sum(_ask(cosigner, _due(cosigner, logs)) for cosigner in cosigners)


def refusals() -> dict[UUID, list[Problem]]:
    """Return, for each log, what cosigners say against it."""
    with tenant_scope(INSTALLATION):
        asked = list(Cosigner.objects.values_list("pk", flat=True))
    found: dict[UUID, list[Problem]] = {}
    with sealer_cursor() as cursor:
        cursor.execute(_REFUSALS, [asked])
        for log, refusal, size in cursor.fetchall():
            found.setdefault(log, []).append(Problem("rolled back", refusal, max(0, size - 1)))
    return found


def _due(cosigner: Cosigner, logs: Sequence[UUID]) -> list[UUID]:
    """Return the logs that have grown since the cosigner knew them, or that it refuses; the others cost no write."""
    with sealer_cursor() as cursor:
        cursor.execute(_DUE, [logs, cosigner.pk])
        return [row[0] for row in cursor.fetchall()]


def _ask(cosigner: Cosigner, logs: Sequence[UUID]) -> int:
    try:
        session = Session(cosigner.url, timeout=_TIMEOUT)
    except (OutboundError, ValueError) as error:
        logger.warning("The cosigner %s cannot be asked: %s", cosigner.name, error)
        for log in logs:
            if _wanted(log, cosigner) is not None:
                _note(_FAILED, _shown(error), log, cosigner)
        return 0
    end, came = time.monotonic() + SECONDS, 0
    with session:
        for log in logs:
            try:
                came += _ask_once(log, cosigner, session)
            except _Enough:
                break  # the others have their turn in the next run
            if time.monotonic() > end:
                break
    return came


def _ask_once(log: UUID, cosigner: Cosigner, session: Session) -> bool:
    """Ask about a log that has grown, and note what came of it; return whether a cosignature came.

    Raises:
        _Enough: no other log is worth asking about now.
    """
    wanted = _wanted(log, cosigner)
    if wanted is None:
        return False
    try:
        return _ask_about(wanted, cosigner, session)
    except _Refuses as error:
        logger.error("The cosigner %s refuses the log %s: %s", cosigner.name, log, error)  # noqa: TRY400
        _note(_REFUSED, str(error), log, cosigner)
    except _Fails as error:
        logger.warning("The cosigner %s cosigned nothing: %s", cosigner.name, error)
        _note(_FAILED, _shown(error), log, cosigner)
        if isinstance(error.__cause__, OutboundError):
            raise _Enough from error  # the next log would wait as long
    return False


def _shown(error: Exception) -> str:
    """Return why it did not cosign, for tenants too: hosts of the operator's network stand in the log alone."""
    cause = error.__cause__ or error
    if isinstance(cause, Unreachable):
        return "It could not be reached, or did not answer in time."
    if isinstance(cause, OutboundError):
        return "Its address may not be asked, or what answers there is no cosigner."
    return str(error)


def _ask_about(wanted: _Wanted, cosigner: Cosigner, session: Session) -> bool:
    """Return whether a cosignature came.

    Raises:
        _Refuses: the log contradicts what was cosigned.
        _Fails: no answer, or one that is of no use.
    """
    reply = _send(wanted, cosigner, session)
    if reply.status == HTTPStatus.CONFLICT:
        size = _size(reply)
        _note(_SEEN, size, wanted.log, cosigner)
        again = _wanted(wanted.log, cosigner, whatever=True)
        if again is None or size > again.size:
            has = again.size if again else 0
            raise _Refuses(f"{cosigner.name} has cosigned {size} events, and the log has {has}: events were cut off.")
        reply = _send(again, cosigner, session)
        wanted = again
    if reply.status == HTTPStatus.OK:
        _keep(wanted, cosigner, reply)
        return True
    if reply.status in {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}:
        raise _Refuses(
            f"{cosigner.name} does not find in the log the {wanted.seen} events that it has cosigned: it was rewritten."
        )
    if reply.status in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
        raise _Fails("It does not know this log, or not its newest key. Tell who runs it the key of this installation.")
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        raise _Enough
    raise _Fails(f"It answered with status {reply.status}.")


def _send(wanted: _Wanted, cosigner: Cosigner, session: Session) -> Reply:
    try:
        return session.request(
            "POST",
            f"{cosigner.url}/add-checkpoint",
            content=wanted.body,
            headers=_HEADERS,
            max_bytes=_LARGEST_ANSWER,
        )
    except OutboundError as error:
        raise _Fails(error.detail) from error


def _size(reply: Reply) -> int:
    text = reply.body.decode("ascii", "replace").strip()
    if not text.isdecimal():
        raise _Fails("It says that it knows another size, and not which.")
    return int(text)


def _keep(wanted: _Wanted, cosigner: Cosigner, reply: Reply) -> None:
    """Store the cosignature that came, once it holds.

    Raises:
        _Fails: it does not.
    """
    try:
        found: Cosignature = cosigned(wanted.text, reply.body.decode("utf-8", "replace"), cosigner.verifier_key)
    except MalformedNote as error:
        raise _Fails("What it answered is no cosignature by the key that you named.") from error
    with sealer_cursor() as cursor:
        cursor.execute(_KEEP, [wanted.log, wanted.size, found.name, found.line, found.time])
        cursor.execute(_COSIGNED, [wanted.size, wanted.log, cosigner.pk])


def _wanted(log: UUID, cosigner: Cosigner, *, whatever: bool = False) -> _Wanted | None:
    """Return the newest checkpoint of a log; None when the cosigner has it already.

    Args:
        log: whose.
        cosigner: who is asked.
        whatever: also when it is not newer than what the cosigner knows.
    """
    with sealer_cursor() as cursor:
        cursor.execute(_STANDING, [log, cosigner.pk, cosigner.name])
        seen, refusal = cursor.fetchone()
        cursor.execute(_NEWEST, [log])
        row = cursor.fetchone()
        if row is None or (row[0] == seen and not whatever and not refusal):
            return None
        size, note = row
        seen = min(seen, size)  # where the log has become smaller, the answer tells
        try:
            proof = prove_consistency(cursor, log, old=seen, new=size) if 0 < seen < size else []
        except IncompleteTree:
            proof = []  # what is missing, verification tells
        return _Wanted(log, seen, size, note, proof)


def _note(statement: str, value: Any, log: UUID, cosigner: Cosigner) -> None:
    with sealer_cursor() as cursor:
        cursor.execute(statement, [value, log, cosigner.pk])
