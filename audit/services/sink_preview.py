"""A real event as a sink would send it, for whoever sets it up."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from audit.masking.policies import rules_for
from audit.masking.rules import Rules
from audit.models import Event, Sink
from audit.querysets import EXPORT, SINKS_READ
from audit.sealing.logs import head, newest
from audit.sinks.base import Item, Limits
from audit.sinks.records import record, stretch
from isolation.actor import Actor
from isolation.scope import tenant_scope

LOOKED_AT = 200
"""So many of the newest events are looked at."""

_ALL = Limits(events=LOOKED_AT, bytes=1 << 40)


def preview_event(*, sink: Sink, actor: Actor, log: UUID | None = None) -> Item | None:
    """Return the newest event that a sink receives, exactly as it is sent; None when none of the newest is for it.

    Args:
        sink: the sink.
        actor: who looks; they see events only that they may export.
        log: of a sink of the installation: which log; None for the sink's own organization.

    Raises:
        MissingPermission: without ``sinks:read`` and ``audit_log:export``.
    """
    actor.require(SINKS_READ, sink)
    actor.require(EXPORT, sink)
    place = log or sink.organization_id
    sealed = head(place)
    items = stretch(sink, place, max(0, sealed - LOOKED_AT), sealed, _ALL).items
    if items and not sink.receives_every_log:
        times = [item.time for item in items]
        own = Event.objects.filter(pk__in=[item.id for item in items], time__gte=min(times), time__lte=max(times))
        seen = {str(pk) for pk in own.visible_to(actor, EXPORT).values_list("pk", flat=True)}
        items = [item for item in items if item.id in seen]
    return items[-1] if items else None


def preview_redaction(*, sink: Sink, rules: Mapping[str, Any], actor: Actor) -> tuple[str, str] | None:
    """Return the newest event before and after redaction, as indented JSON; None when none is sealed.

    After it, fields that the sink does not send are missing as well.

    Args:
        sink: whose organization's log it is from; it need not be stored.
        rules: those to try, together with the organization's.
        actor: who looks.

    Raises:
        MissingPermission: without ``sinks:read`` and ``audit_log:export``.
        DomainError: a rule is unknown.
    """
    actor.require(SINKS_READ, sink)
    actor.require(EXPORT, sink)
    if not actor.authority.allows_everywhere(EXPORT):
        return None  # the newest event may be of a project that they do not see
    log = sink.organization_id
    plain = Sink(organization_id=log, has_proofs=False)
    chosen = Sink(organization_id=log, has_proofs=False, sent_fields=sink.sent_fields)
    with tenant_scope(log):
        tried = rules_for(log, dict(rules))
    event = newest(log)
    if event is None:
        return None
    return _pretty(record(event, plain, Rules())), _pretty(record(event, chosen, tried))


def _pretty(text: str) -> str:
    return json.dumps(json.loads(text)["event"], indent=2, ensure_ascii=False)
