"""The background's verification: what is new at once, the whole log again and again, and who is told."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

from isolation.actor import SYSTEM
from isolation.scope import APP, tenant_scope

from .cosigning.asking import refusals
from .models import Outcome
from .notes import INSTALLATION
from .recorder import record
from .sealing.actions import VERIFICATION_FAILED, VERIFICATION_PASSED
from .sealing.database import sealer_cursor
from .signals import verification_failed
from .verification import LogVerifier, Problem, compare_with_witness, logs_with_checkpoints, verify_keys
from .witnesses.base import WitnessError
from .witnesses.file import FileWitness
from .witnesses.publishing import configured

AGAIN = 100_000
"""Events that a run verifies once more, in all logs together; the log that has waited longest comes first."""

KEPT = 50
"""Problems that are remembered of a log; the first ones tell where to look."""

_RUNNING, _LONGEST_RUN = "audit-watch", 600

_STATE = """
INSERT INTO audit_verification (organization_id) VALUES (%s)
ON CONFLICT (organization_id) DO UPDATE SET organization_id = excluded.organization_id
RETURNING size, again, began_at, problems, failing_since
"""
_SAVE = """
UPDATE audit_verification SET size = %s, verified_at = %s, again = %s, began_at = %s,
    completed_at = coalesce(%s, completed_at), problems = %s, failing_since = %s
WHERE organization_id = %s
"""


def watch() -> int:
    """Verify a stretch of every log; whoever runs it is told of new problems.

    Returns:
        In how many logs something is wrong.
    """
    if not cache.add(_RUNNING, 1, _LONGEST_RUN):
        return 0  # the run before is not finished yet
    try:
        everywhere, witnessed = verify_keys(), _witnessed()
        for log, problems in refusals().items():
            witnessed.setdefault(log, []).extend(problems)
        failing, left = 0, AGAIN
        for log in _in_turn({*logs_with_checkpoints(), *witnessed}):
            wrong, read = _watch(log, [*everywhere, *witnessed.get(log, [])], again_at_most=left)
            failing, left = failing + wrong, max(0, left - read)
        return failing
    finally:
        cache.delete(_RUNNING)


def _in_turn(logs: set[UUID]) -> list[UUID]:
    """Return the logs as their turn comes to be verified again: begun ones, then those that have waited longest."""
    with sealer_cursor() as cursor:
        cursor.execute("SELECT organization_id FROM audit_verification ORDER BY again = 0, completed_at NULLS FIRST")
        known = [row[0] for row in cursor.fetchall()]
    return [*sorted(logs - set(known)), *(log for log in known if log in logs)]


def _watch(log: UUID, known: Iterable[Problem], *, again_at_most: int) -> tuple[bool, int]:
    """Return whether something is wrong, and how many events were verified once more."""
    now = timezone.now()
    with sealer_cursor() as cursor:
        cursor.execute(_STATE, [log])
        size, again, began_at, stored, failing_since = cursor.fetchone()
    newest = LogVerifier(log, start=size).run()
    repeated = LogVerifier(log, start=again).run(limit=again_at_most)
    complete = again_at_most > 0 and repeated.verified >= newest.verified
    began_at = began_at or now
    remembered = json.loads(stored) if isinstance(stored, str) else stored
    problems = _merged(remembered, [*known, *newest.problems, *repeated.problems], now)
    if complete:
        # What a whole turn did not find again is mended.
        problems = [each for each in problems if each["found_at"] >= began_at.isoformat()]
    new = [each for each in problems if each["text"] not in {old["text"] for old in remembered}]
    if new:
        _tell(log, new)
    elif remembered and not problems:
        _record(log, VERIFICATION_PASSED, Outcome.SUCCESS, {})
    with sealer_cursor() as cursor:
        begun = None if complete or not repeated.verified else began_at
        values = [newest.verified, now, 0 if complete else repeated.verified, begun]
        values += [now if complete else None, json.dumps(problems), (failing_since or now) if problems else None, log]
        cursor.execute(_SAVE, values)
    return bool(problems), repeated.events


def _merged(remembered: list[dict[str, Any]], found: Iterable[Problem], now: datetime) -> list[dict[str, Any]]:
    """Return the problems with those that were found now, each once."""
    by_text = {each["text"]: each for each in remembered}
    for problem in found:
        by_text[problem.text] = problem.as_json() | {"found_at": now.isoformat()}
    return list(by_text.values())[:KEPT]


def _tell(log: UUID, problems: list[dict[str, Any]]) -> None:
    """Write the event, and let those who can reach people reach them; in one transaction."""
    told = {"problems": len(problems), "first": [each["text"] for each in problems[:5]]}
    organization_id = None if log == INSTALLATION else log
    with _scope(log):
        _record(log, VERIFICATION_FAILED, Outcome.FAILED, told)
        texts = [str(each["text"]) for each in problems]
        verification_failed.send(sender=_tell, organization_id=organization_id, problems=texts)


def _record(log: UUID, action: Any, outcome: str, told: dict[str, Any]) -> None:
    with _scope(log):
        record(
            action,
            actor=SYSTEM,
            organization_id=None if log == INSTALLATION else log,
            outcome=outcome,
            target_type="audit log",
            target_label="Audit log",
            after=told,
        )


def _scope(log: UUID) -> Any:
    return transaction.atomic(using=APP) if log == INSTALLATION else tenant_scope(log)


def _witnessed() -> dict[UUID, list[Problem]]:
    """Return what the checkpoints in the witness's file say against the logs."""
    found: dict[UUID, list[Problem]] = {}
    for witness in configured():
        if isinstance(witness, FileWitness):
            try:
                text = witness.newest()
            except WitnessError:
                continue  # publishing tells of it
            for log, problems in compare_with_witness(text).items():
                found.setdefault(log, []).extend(problems)
    return found
