"""Legal holds: what they keep nobody retires, erases, or deletes with the organization."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit import signals
from audit.models import Event, LegalHold
from audit.people import people
from audit.redaction import snapshot
from isolation.actor import Actor
from isolation.exceptions import DomainError
from isolation.identifiers import parse_uuid
from isolation.scope import INSTALLATION

from .retention import require_keeper, required_text

MOST = 100
"""Holds that are in force in one log."""


@transaction.atomic
def set_hold(
    *,
    organization_id: UUID,
    name: str,
    reason: str,
    actor: Actor,
    subject: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> LegalHold:
    """Keep events of a log until the hold is released.

    Args:
        organization_id: whose log; its scope is open. The nil UUID is the installation's (operators).
        name: how people speak of it, such as the number of a case.
        reason: why; owners, auditors and operators read it.
        actor: who sets it.
        subject: only what somebody did and what was done to them: an address, a name, an id; "" for everything.
        since: only events from then on; None: from the beginning.
        until: only events before then; None: no bound.

    Raises:
        MissingPermission: without ``audit_retention:manage``.
        DomainError: something is missing, nobody is known by that name, or there are too many.
    """
    by_operator = require_keeper(actor)
    name, reason = required_text(name, "name", 120), required_text(reason, "reason", 1_000)
    if since is not None and until is not None and since >= until:
        raise DomainError("The period ends before it begins.", field="until", code="invalid")
    if sum(hold.is_in_force for hold in LegalHold.objects.all()) >= MOST:
        raise DomainError(f"A log has {MOST} holds at most. Release one that nobody needs.", code="too_many")
    held = subject_of(subject.strip(), organization_id) if subject.strip() else None
    hold = LegalHold(
        organization_id=organization_id,
        name=name,
        reason=reason,
        actor_id=held,
        actor_label=subject.strip()[:320],
        since=since,
        until=until,
        by_operator=by_operator,
        set_by=actor.label[:320],
    )
    hold.save(force_insert=True)
    hold.refresh_from_db()
    signals.legal_hold_set.announce(hold, actor=actor, after=snapshot(hold), reason=reason)
    return hold


@transaction.atomic
def release_hold(*, hold: LegalHold, reason: str, actor: Actor) -> LegalHold:
    """Release a hold; it goes on for a week, so that whoever misses it can set another.

    Raises:
        MissingPermission: without ``audit_retention:manage``.
        DomainError: an operator set it and somebody else asks, it is released already, or no reason was given.
    """
    by_operator = require_keeper(actor)
    stored: LegalHold = LegalHold.objects.select_for_update().get(pk=hold.pk)
    if stored.by_operator and not by_operator:
        raise DomainError(
            "An operator of this installation set this hold. Ask yours to release it.", code="operators_hold"
        )
    if stored.released_at is not None:
        raise DomainError("The hold is released already.", code="already_released")
    stored.released_by, stored.release_reason = actor.label[:320], required_text(reason, "reason", 1_000)
    stored.released_at = timezone.now()
    stored.save(update_fields=["released_at", "released_by", "release_reason"])
    stored.refresh_from_db()
    signals.legal_hold_released.announce(
        stored,
        actor=actor,
        before={"released_at": None},
        after={"released_at": stored.released_at.isoformat(), "holds_until": stored.ends_at.isoformat()},
        reason=stored.release_reason,
    )
    return stored


def refuse_held(what: str) -> None:
    """Refuse what would take something away that a hold of the open scope keeps.

    Args:
        what: the sentence's end, such as "the organization is deleted".

    Raises:
        DomainError: with code ``legal_hold``.
    """
    hold = next((hold for hold in LegalHold.objects.order_by("set_at") if hold.is_in_force), None)
    if hold is not None:
        goes_on = f" It goes on until {hold.ends_at:%Y-%m-%d %H:%M} UTC." if hold.ends_at else ""
        raise DomainError(
            f"The legal hold “{hold.name}” is in force. It has to be released before {what}.{goes_on}",
            code="legal_hold",
        )


def subject_of(text: str, organization_id: UUID) -> UUID:
    """Return the id under which a log knows somebody or something.

    Raises:
        DomainError: it knows nobody of that name.
    """
    person = people().find(text, None if organization_id == INSTALLATION else organization_id)
    if person is not None:
        return person.id
    if (pk := parse_uuid(text)) is not None:
        return pk
    events = Event.objects.all() if organization_id != INSTALLATION else Event.objects.none()
    found: UUID | None = (
        events.filter(actor_label=text, actor_id__isnull=False).values_list("actor_id", flat=True).first()
    )
    if found is None:
        targets = events.filter(target_label=text).exclude(target_id="").values_list("target_id", flat=True)
        found = next((pk for each in targets[:10] if (pk := parse_uuid(each)) is not None), None)
    if found is None:
        raise DomainError(
            f"The log knows nobody and nothing as {text}. Use the address or the id that events show.",
            field="subject",
            code="unknown",
        )
    return found
