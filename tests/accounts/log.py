"""Reads the installation's audit log for the tests."""

from typing import Any

from audit.models import Event
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import operator_scope


def of_installation(action: str = "", **conditions: Any) -> list[Event]:
    """Return the installation's own events, oldest first."""
    if action:
        conditions["action"] = action
    with acting_as(SYSTEM), operator_scope("Tests"):
        return list(Event.objects.filter(organization_id=None, **conditions).order_by("time", "id"))
