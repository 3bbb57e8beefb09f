"""Who may take the whole log away: what leaves by exports, sinks and pulling holds the events of every project."""

from typing import Any

from audit.querysets import EXPORT
from isolation.actor import Actor
from isolation.exceptions import DomainError


def require_whole_log(actor: Actor, obj: Any = None) -> None:
    """Refuse whoever may not export the log of the organization and of each project in it.

    Args:
        actor: who takes it.
        obj: what the permission is asked of, None for the current organization.

    Raises:
        MissingPermission: without ``audit_log:export`` in the organization.
        DomainError: a role in some project takes it away there.
    """
    actor.require(EXPORT, obj)
    if not actor.authority.allows_everywhere(EXPORT):
        raise DomainError(
            "This holds the log of every project, and there is one whose log you may not export. Download the events "
            "that you see instead.",
            code="above_own_permissions",
        )
