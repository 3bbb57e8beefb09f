"""Carries out erasures whose notice is over: personal values and their salts go, leaves and tree stay."""

import logging
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connections

from audit.catalogue import Action, catalogue
from audit.people import people
from isolation.scope import APP, INSTALLATION, OPERATOR, operator_scope, tenant_scope

from .retiring import sealing_cursor

logger = logging.getLogger("gatehouse.audit")

# The database writes this event itself, see migrations/retention.sql.
CARRIED_OUT = catalogue.add(Action("erasure.carried_out", "Erased a person from the audit log"))

_PLAN = "SELECT count(*), coalesce(sum(cardinality(places)), 0) FROM audit_erasure_plan(%s, %s, %s)"
_DUE = """
SELECT id, organization_id, person_id, by_operator FROM audit_erasurerequest
WHERE done_at IS NULL AND cancelled_at IS NULL AND due_at <= now() ORDER BY due_at, id
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an erasure would take away.

    Attributes:
        events: of how many events.
        fields: how many personal values.
        hold: the name of a legal hold that keeps some of it; "": none does.
    """

    events: int
    fields: int
    hold: str


def plan_of(log: UUID, person_id: UUID, names: tuple[str, ...]) -> Plan:
    """Return what an erasure would take away; the log's scope is open.

    Of the installation's log, which no tenant reads, an operator or the system asks.
    """
    if log == INSTALLATION:
        with operator_scope("What an erasure would take away from the installation's log"):
            return _plan_of(OPERATOR, log, person_id, names)
    return _plan_of(APP, log, person_id, names)


def _plan_of(alias: str, log: UUID, person_id: UUID, names: tuple[str, ...]) -> Plan:
    with connections[alias].cursor() as cursor:
        cursor.execute(_PLAN, [log, person_id, list(names)])
        events, fields = cursor.fetchone()
        cursor.execute("SELECT audit_hold_against_erasure(%s, %s, %s)", [log, person_id, list(names)])
        (hold,) = cursor.fetchone()
    return Plan(int(events), int(fields), hold or "")


def carry_out() -> int:
    """Carry out every erasure that is due; one that a hold or a person's return keeps waits for another turn.

    Returns:
        How many were carried out.
    """
    with sealing_cursor() as cursor:
        cursor.execute(_DUE)
        due = cursor.fetchall()
    return sum(_carry_out(*each) for each in due)


def is_active(person_id: UUID, log: UUID, *, everywhere: bool) -> bool:
    """Return whether a person still works here: is an active member, or, asked everywhere, can sign in at all."""
    return people().is_active(person_id, None if everywhere or log == INSTALLATION else log)


def _carry_out(pk: UUID, log: UUID, person_id: UUID, by_operator: Any) -> bool:
    with tenant_scope(log):
        if is_active(person_id, log, everywhere=bool(by_operator)):
            logger.warning("The erasure %s waits: whom it is about is an active member again.", pk)
            return False
    try:
        with sealing_cursor() as cursor:
            cursor.execute("SELECT events, fields FROM audit_erase(%s)", [pk])
            return cursor.fetchone() is not None
    except DatabaseError as error:
        logger.warning("The erasure %s waits: %s", pk, str(error).partition("\n")[0])
        return False
