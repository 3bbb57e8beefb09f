"""The logs of organizations that are gone: their names are kept, and operators open them with a reason."""

from uuid import UUID

from django.db import transaction

from audit import signals
from audit.models import DeletedLog
from isolation.actor import Actor
from isolation.exceptions import DomainError

from .retention import required_text


def keep_name(*, organization_id: UUID, slug: str, name: str) -> None:
    """Keep the name of an organization that is being deleted for good; its scope is open.

    The event that tells of the deletion stands for the row.
    """
    DeletedLog(organization_id=organization_id, slug=slug, name=name).save(force_insert=True)


@transaction.atomic
def open_log(*, log: DeletedLog, reason: str, actor: Actor) -> None:
    """Write that an operator reads the log of a deleted organization, into that log; its scope is open.

    Raises:
        DomainError: somebody else asks, or no reason was given.
    """
    if not actor.runs_installation:
        raise DomainError("Only an operator of this installation can do this.", code="operators_only")
    signals.deleted_log_opened.announce(log, actor=actor, reason=required_text(reason, "reason", 300))
