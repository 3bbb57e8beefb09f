"""Changes to how long a log is kept."""

from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from audit import signals
from audit.models import RetentionChange
from audit.querysets import MANAGE_RETENTION
from audit.redaction import snapshot
from audit.retention.models import MOST_MONTHS
from audit.retention.policy import minimum_months, retention_of
from isolation.actor import Actor
from isolation.exceptions import DomainError


@transaction.atomic
def change_retention(*, organization_id: UUID, months: int | None, actor: Actor) -> RetentionChange:
    """Keep an organization's events for another time; a shorter one counts after the notice, a longer one at once.

    Choosing what counts now calls off what was announced.

    Args:
        organization_id: whose log; its scope is open. The nil UUID is the installation's (operators).
        months: after the end of its month an event is kept for so many; None: without end.
        actor: who changes it.

    Raises:
        MissingPermission: without ``audit_retention:manage``.
        DomainError: it is less than the installation's minimum, or what counts already.
    """
    require_keeper(actor)
    now, minimum = timezone.now(), minimum_months()
    if months is not None and not minimum <= months <= MOST_MONTHS:
        raise DomainError(
            f"Choose {minimum} to {MOST_MONTHS} months, or nothing: {minimum} is the least in this installation.",
            field="months",
            code="out_of_range",
        )
    before = retention_of(organization_id, now=now)
    if before.next_at is None and before.months == months and before.chosen:
        raise DomainError("That is how long events are kept already.", field="months", code="unchanged")
    if before.next_at is not None and before.next_months == months:
        raise DomainError("That is announced already.", field="months", code="unchanged")
    change = RetentionChange(
        organization_id=organization_id,
        months=months,
        notice_days=settings.AUDIT_RETENTION_NOTICE_DAYS,
        changed_by=actor.label[:320],
    )
    change.save(force_insert=True)
    change.refresh_from_db()
    signals.retention_announced.announce(change, actor=actor, before={"months": before.months}, after=snapshot(change))
    return change


def require_keeper(actor: Actor) -> bool:
    """Refuse whoever may not decide what is kept of the open scope's log.

    Returns:
        Whether it is somebody who runs the installation.

    Raises:
        MissingPermission: without ``audit_retention:manage``.
        FreshSignInNeeded: they signed in long ago.
    """
    if actor.runs_installation:
        actor.require_fresh_sign_in()
        return True
    actor.require(MANAGE_RETENTION)
    return False


def required_text(text: str, field: str, longest: int) -> str:
    """Return what was typed, on one line.

    Raises:
        DomainError: it is empty, or too long.
    """
    text = " ".join(text.split())
    if not text:
        asked = "Give it a name, such as the number of the case." if field == "name" else "Say why: the log keeps it."
        raise DomainError(asked, field=field, code="required")
    if len(text) > longest or not text.isprintable():
        raise DomainError(f"Use {longest} characters at most.", field=field, code="invalid")
    return text
