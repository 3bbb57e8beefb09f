"""The background's verification: what is new at once, the whole log again and again, and who is told."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from isolation.actor import SYSTEM
from isolation.scope import APP, tenant_scope

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

AGAIN = 20_000
"""Events of each log that a run verifies once more."""

KEPT = 50
"""Problems that are remembered of a log; the first ones tell where to look."""

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
    everywhere = verify_keys()
    witnessed = _witnessed()
    failing = 0
    for log in logs_with_checkpoints():
        failing += _watch(log, [*everywhere, *witnessed.get(log, [])])
    for log in witnessed.keys() - set(logs_with_checkpoints()):
        failing += _watch(log, witnessed[log])
    return failing


def _watch(log: UUID, known: Iterable[Problem]) -> bool:
    now = timezone.now()
    with sealer_cursor() as cursor:
        cursor.execute(_STATE, [log])
        size, again, began_at, stored, failing_since = cursor.fetchone()
    newest = LogVerifier(log, start=size).run()
    repeated = LogVerifier(log, start=again).run(limit=AGAIN)
    complete = repeated.verified >= newest.verified
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
        values = [newest.verified, now, 0 if complete else repeated.verified, None if complete else began_at]
        values += [now if complete else None, json.dumps(problems), (failing_since or now) if problems else None, log]
        cursor.execute(_SAVE, values)
    return bool(problems)


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
