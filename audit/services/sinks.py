"""Changes to sinks: where an organization's events are delivered."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from django.db import IntegrityError, connections, transaction
from django.db.models.functions import Now

from audit import signals
from audit.formats import PROVABLE_FORMATS, TEXT_FORMATS
from audit.masking.rules import refuse_missing, rules_of
from audit.masking.selection import checked as checked_fields
from audit.models import RecordFormat, Sink, SinkCursor
from audit.places import LogPlaces
from audit.query import QueryError, conditions_of, parse
from audit.query.qualifiers import names
from audit.querysets import SINKS_MANAGE
from audit.redaction import snapshot
from audit.sealing.logs import head, sealed_at
from audit.sinks.base import Destination
from audit.sinks.options import changed_options, sorted_out
from audit.sinks.registry import DESTINATIONS
from isolation.actor import Actor
from isolation.exceptions import DomainError
from isolation.scope import APP

from .redaction import ensured_policy
from .whole_log import require_whole_log

MOST = 50
"""Sinks of one organization."""
LONGEST_NAME = 80
LARGEST_BATCH_EVENTS, SMALLEST_BATCH_BYTES = 10_000, 1_000
LONGEST_BATCH_SECONDS = 3_600

COMMON = frozenset(
    {
        "name",
        "format",
        "query",
        "redaction",
        "sent_fields",
        "has_proofs",
        "sends_checkpoints",
        "batch_events",
        "batch_bytes",
        "batch_seconds",
    }
)
"""The settings that every destination has."""


@dataclass(frozen=True, slots=True)
class Made:
    """A new sink, and what is shown only now.

    Attributes:
        sink: the sink.
        secret: the signing secret that was made for it; "" when it has none of ours.
    """

    sink: Sink
    secret: str


@transaction.atomic
def create_sink(
    *,
    organization_id: UUID,
    kind: str,
    name: str,
    options: Mapping[str, Any],
    actor: Actor,
    from_beginning: bool = False,
    **values: Any,
) -> Made:
    """Add a destination; delivery begins at once.

    Args:
        organization_id: whose events; its scope is open.
        kind: of the destination, one of `DESTINATIONS`.
        name: what people read.
        options: what the destination has to be told, by the names of its options.
        actor: who adds it.
        from_beginning: whether it receives what is in the log already; otherwise what is sealed from now on.
        values: those of `COMMON`.

    Raises:
        MissingPermission: without ``sinks:manage`` and ``audit_log:export``.
        DomainError: a value is refused, or there are too many sinks.
    """
    sink = Sink(id=uuid4(), organization_id=organization_id, name=name, kind=kind, created_by=actor.label[:320])
    require_both(actor, sink)
    receiver = known(kind)
    if receiver.for_operators and not sink.receives_every_log:
        text = f"{receiver.label} is for sinks of the installation alone."
        raise DomainError(text, field="kind", code="operators_only")
    if Sink.objects.count() >= MOST:
        raise DomainError(f"There are {MOST} sinks. Remove one that you do not need.", code="too_many")
    plain, secret = sorted_out(receiver, options)
    made = receiver.made_secrets(secret)
    receiver.check({**plain, **secret, **made})
    sink.options = plain
    sink.batch_events = min(receiver.limits.events, LARGEST_BATCH_EVENTS)
    sink.batch_bytes = receiver.limits.bytes
    sink.batch_seconds = receiver.batch_seconds
    _set(sink, {"name": name, **values}, receiver, actor)
    if secret or made:
        sink.secrets = json.dumps({**secret, **made})
    _store(sink, new=True)
    sealed = head(organization_id)
    start = 0 if from_beginning else sealed
    SinkCursor.objects.create(
        organization_id=organization_id,
        sink=sink,
        log=organization_id,
        next_seq=start,
        head=sealed,
        waiting_since=sealed_at(organization_id, start),
    )
    if sink.receives_every_log:
        _add_logs(sink, from_beginning=from_beginning)
    signals.sink_created.announce(sink, actor=actor, after=snapshot(sink))
    return Made(sink, made.get("secret", ""))


@transaction.atomic
def update_sink(*, sink: Sink, actor: Actor, options: Mapping[str, Any] | None = None, **values: Any) -> Sink:
    """Change a sink; what is delivered from now on follows.

    Args:
        sink: the sink.
        actor: who changes it.
        options: those that change; a secret one that is empty stays. With another address, secrets that somebody typed
            in have to be typed in again: they are not sent to a place for which they were not given.
        values: those of `COMMON`.

    Raises:
        MissingPermission: without ``sinks:manage`` and ``audit_log:export``.
        DomainError: a value is refused.
    """
    require_both(actor, sink)
    stored = locked(sink)
    before = snapshot(stored)
    receiver = known(stored.kind)
    if options is not None:
        old = stored.revealed()
        stored.options, secrets = changed_options(receiver, stored.options, old, options)
        if secrets != old:
            stored.secrets = json.dumps(secrets)
    _set(stored, values, receiver, actor)
    if snapshot(stored) == before:
        return stored
    _store(stored, new=False)
    wake_up(stored)
    signals.sink_updated.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


@transaction.atomic
def delete_sink(*, sink: Sink, actor: Actor) -> None:
    """Remove a sink; what it has received stays where it is.

    Raises:
        MissingPermission: without ``sinks:manage``.
    """
    require_manage(actor, sink)
    stored = locked(sink)
    signals.sink_deleted.announce(stored, actor=actor, before=snapshot(stored))
    stored.delete()


@transaction.atomic
def set_sink_active(*, sink: Sink, is_active: bool, actor: Actor) -> Sink:
    """Pause or resume a sink. Nothing is lost meanwhile: it goes on where it stopped.

    Raises:
        MissingPermission: without ``sinks:manage``; to resume, also ``audit_log:export``.
    """
    if is_active:
        require_both(actor, sink)
    else:
        require_manage(actor, sink)
    stored = locked(sink)
    if stored.is_active == is_active:
        return stored
    before = snapshot(stored)
    stored.is_active = is_active
    stored.save(update_fields=["is_active"])
    if is_active:
        wake_up(stored)
    signal = signals.sink_resumed if is_active else signals.sink_paused
    signal.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


@transaction.atomic
def rotate_sink_secret(*, sink: Sink, actor: Actor) -> str:
    """Make a new signing secret and return it; the old one signs as well for a day.

    Raises:
        MissingPermission: without ``sinks:manage``.
        DomainError: this destination's signatures are not ours to make.
    """
    require_manage(actor, sink)
    stored = locked(sink)
    changed = known(stored.kind).rotated_secrets(stored.revealed())
    if changed is None:
        raise DomainError("This destination has no signing secret. Change its secret in its settings.", code="invalid")
    before = snapshot(stored)
    stored.secrets = json.dumps(changed)
    stored.save(update_fields=["secrets"])
    signals.sink_secret_rotated.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return changed["secret"]


def require_manage(actor: Actor, sink: Sink) -> None:
    """Refuse whoever may not change a sink.

    Args:
        actor: who wants to.
        sink: which one; those of the installation are for who runs it, and has shown lately who they are.

    Raises:
        MissingPermission: without ``sinks:manage``.
        FreshSignInNeeded: they signed in long ago.
    """
    actor.require(SINKS_MANAGE, sink)
    if sink.receives_every_log:
        actor.require_fresh_sign_in()


def require_both(actor: Actor, sink: Sink) -> None:
    """Refuse whoever may not send events away: a sink is an export that goes on.

    Args:
        actor: who wants it.
        sink: where they would go; one of the installation is for those who run it.

    Raises:
        MissingPermission: without ``sinks:manage`` and ``audit_log:export``.
        DomainError: a role in some project takes the export of its log away.
    """
    require_manage(actor, sink)
    require_whole_log(actor, sink)


def known(kind: str) -> type[Destination]:
    """Return a kind's destination.

    Raises:
        DomainError: there is none, or something has to be installed first.
    """
    found = DESTINATIONS.get(kind)
    if found is None:
        raise DomainError(f"There is no destination {kind!r}.", field="kind", code="invalid")
    if missing := found.missing():
        raise DomainError(missing, field="kind", code="missing")
    return found


def locked(sink: Sink) -> Sink:
    """Return a sink as it is stored, locked until the transaction ends."""
    stored: Sink = Sink.objects.select_for_update().get(pk=sink.pk)
    return stored


def wake_up(sink: Sink, *, always: bool = False) -> None:
    """Let a sink have its turn soon.

    Args:
        sink: the sink.
        always: also where no event waits.
    """
    cursors = SinkCursor.objects.filter(sink=sink)
    cursors.update(retry_at=Now())
    if always:
        cursors.filter(waiting_since=None).update(waiting_since=Now())


def _add_logs(sink: Sink, *, from_beginning: bool) -> None:
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT audit_add_sink_logs(%s, %s)", [sink.pk, from_beginning])


def _set(sink: Sink, values: Mapping[str, Any], receiver: type[Destination], actor: Actor) -> None:
    if unknown := values.keys() - COMMON:
        raise TypeError(f"a sink has no {', '.join(sorted(unknown))}")
    for name, value in values.items():
        setattr(sink, name, value)
    sink.name = " ".join(sink.name.split())
    if not sink.name or len(sink.name) > LONGEST_NAME or not sink.name.isprintable():
        raise DomainError(f"Give it a name of 1 to {LONGEST_NAME} characters.", field="name", code="invalid")
    if sink.format not in RecordFormat.values:
        raise DomainError(f"There is no format {sink.format!r}.", field="format", code="invalid")
    if sink.format in TEXT_FORMATS and not receiver.takes_text:
        text = f"{receiver.label} takes JSON, and {sink.get_format_display()} is none. Choose another format."
        raise DomainError(text, field="format", code="invalid")
    sends_leaves = sink.has_proofs and sink.format in PROVABLE_FORMATS
    sink.sent_fields = checked_fields(sink.sent_fields, sends_leaves=sends_leaves)
    _check_batches(sink, receiver)
    if "query" in values:
        sink.query = _query(sink.query, actor)
    if "redaction" in values:
        sink.redaction = _redaction(sink, actor)


def _check_batches(sink: Sink, receiver: type[Destination]) -> None:
    most = min(LARGEST_BATCH_EVENTS, receiver.limits.events)
    if not 1 <= sink.batch_events <= most:
        raise DomainError(f"A batch has 1 to {most:,} events here.", field="batch_events", code="invalid")
    if not SMALLEST_BATCH_BYTES <= sink.batch_bytes <= receiver.limits.bytes:
        text = f"A batch has {SMALLEST_BATCH_BYTES:,} to {receiver.limits.bytes:,} bytes here."
        raise DomainError(text, field="batch_bytes", code="invalid")
    if not 0 <= sink.batch_seconds <= LONGEST_BATCH_SECONDS:
        raise DomainError("A batch waits an hour at most.", field="batch_seconds", code="invalid")


def _redaction(sink: Sink, actor: Actor) -> dict[str, Any]:
    checked = rules_of(sink.redaction, b"")
    refuse_missing(checked)
    if not checked:
        return {}
    ensured_policy(sink.organization_id, actor)  # it holds the key of the hashes
    return {"fields": dict(checked.fields), "detectors": dict(checked.detectors)}


def _query(text: str, actor: Actor) -> str:
    try:
        query = parse(text, names(across=False))
        conditions_of(query, LogPlaces(actor))
    except QueryError as error:
        raise DomainError(str(error), field="query", code="invalid") from error
    if any(term.name == "time" for term in query.terms):
        raise DomainError("A sink receives events as they come: leave the time out.", field="query", code="invalid")
    return text.strip()


def _store(sink: Sink, *, new: bool) -> None:
    try:
        with transaction.atomic():
            sink.save(force_insert=new, force_update=not new)
    except IntegrityError as error:
        if "audit_sink_name" not in str(error):
            raise
        raise DomainError("There is a sink with this name already.", field="name", code="taken") from error
