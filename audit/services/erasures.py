"""Erasing a person from a log (GDPR, article 17): their values go, the events and what proves them stay."""

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from audit import signals
from audit.models import ErasureRequest, Event
from audit.people import Person, people
from audit.redaction import snapshot
from audit.retention.erasing import Plan, is_active, plan_of
from isolation.actor import Actor
from isolation.exceptions import DomainError
from isolation.scope import INSTALLATION

from .holds import subject_of
from .retention import require_keeper, required_text

MOST_NAMES = 50


@dataclass(frozen=True, slots=True)
class Preview:
    """What an erasure would do.

    Attributes:
        person: whom it is about, and by which names the log knows them.
        plan: how many events and values.
    """

    person: Person
    plan: Plan


def preview_erasure(*, organization_id: UUID, person: str, actor: Actor) -> Preview:
    """Return what erasing a person would take away, and change nothing.

    Args:
        organization_id: whose log; its scope is open. The nil UUID is the installation's (operators).
        person: an address, or the id of a login.
        actor: who asks.

    Raises:
        MissingPermission: without ``audit_retention:manage``.
        DomainError: the log knows nobody of that name.
    """
    require_keeper(actor)
    found = _person(person.strip(), organization_id)
    return Preview(found, plan_of(organization_id, found.id, found.names))


@transaction.atomic
def request_erasure(*, organization_id: UUID, person: str, reason: str, actor: Actor) -> ErasureRequest:
    """Have a person erased from a log once the notice is over.

    Raises:
        MissingPermission: without ``audit_retention:manage``.
        DomainError: the log knows nobody of that name, they are an active member, a legal hold keeps what concerns
            them, there is nothing of theirs, or it was asked for already.
    """
    by_operator = require_keeper(actor)
    preview = preview_erasure(organization_id=organization_id, person=person, actor=actor)
    found, plan = preview.person, preview.plan
    if is_active(found.id, organization_id, everywhere=by_operator):
        what = "can still sign in" if by_operator else "is an active member"
        raise DomainError(f"{person.strip()} {what}. Deactivate them first.", field="person", code="still_active")
    if plan.hold:
        raise DomainError(
            f"The legal hold “{plan.hold}” keeps events that concern this person. It has to be released first.",
            field="person",
            code="legal_hold",
        )
    if not plan.fields:
        raise DomainError("There is nothing of theirs in this log.", field="person", code="nothing")
    waiting = ErasureRequest.objects.filter(person_id=found.id, done_at=None, cancelled_at=None)
    if waiting.exists():
        raise DomainError("Their erasure waits for the end of its notice already.", field="person", code="waiting")
    request = ErasureRequest(
        organization_id=organization_id,
        person_id=found.id,
        names=list(found.names),
        reason=required_text(reason, "reason", 1_000),
        notice_days=settings.AUDIT_ERASURE_NOTICE_DAYS,
        by_operator=by_operator,
        requested_by=actor.label[:320],
    )
    request.save(force_insert=True)
    request.refresh_from_db()
    signals.erasure_requested.announce(request, actor=actor, after=snapshot(request), reason=request.reason)
    return request


@transaction.atomic
def cancel_erasure(*, request: ErasureRequest, actor: Actor) -> ErasureRequest:
    """Call an erasure off before its notice is over.

    Raises:
        MissingPermission: without ``audit_retention:manage``.
        DomainError: it is over already.
    """
    require_keeper(actor)
    stored: ErasureRequest = ErasureRequest.objects.select_for_update().get(pk=request.pk)
    if stored.state != "waiting":
        raise DomainError("This erasure is over: nothing can be called off.", code="over")
    stored.cancelled_at, stored.cancelled_by = timezone.now(), actor.label[:320]
    stored.save(update_fields=["cancelled_at", "cancelled_by"])
    stored.refresh_from_db()
    signals.erasure_cancelled.announce(
        stored, actor=actor, before={"cancelled_at": None}, after={"cancelled_at": stored.cancelled_at.isoformat()}
    )
    return stored


def _person(text: str, organization_id: UUID) -> Person:
    """Return whom a text means: a login, or somebody whom only the log still knows.

    Raises:
        DomainError: the log knows nobody of that name.
    """
    if not text:
        raise DomainError("Name them by their address, or by the id of their login.", field="person", code="required")
    person = people().find(text, None if organization_id == INSTALLATION else organization_id)
    names: list[str] = list(person.names) if person else []
    if person is None:
        try:
            pk = subject_of(text, organization_id)
        except DomainError as error:
            raise DomainError(error.message, field="person", code=error.code) from error
        names = [text] if "@" in text else []
    else:
        pk = person.id
    if organization_id != INSTALLATION:
        known = Event.objects.filter(Q(actor_id=pk) | Q(target_id=str(pk), target_type__in=("user", "member")))
        acted = known.filter(actor_id=pk).values_list("actor_label", flat=True).distinct()[:MOST_NAMES]
        suffered = known.filter(target_id=str(pk)).values_list("target_label", flat=True).distinct()[:MOST_NAMES]
        names += [*acted, *suffered]
    return Person(pk, tuple(dict.fromkeys(name for name in names if name and name != "[erased]"))[:MOST_NAMES])
