"""What a query means: conditions on columns, a range of time, and whether an index answers it.

Each condition is an equality or a range: row-level security keeps PostgreSQL from using an index for anything else.
Labels are compared bytewise (collation C), as their indexes are: only there a beginning is a range.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from ipaddress import ip_address, ip_network
from typing import Protocol
from uuid import UUID

from django.db.models import F, Q
from django.db.models import Value as Literal
from django.db.models.functions import Collate
from django.db.models.lookups import Exact, GreaterThanOrEqual, LessThan
from django.utils import timezone

from audit.catalogue import catalogue
from isolation.identifiers import is_uuid, parse_uuid

from .errors import QueryError
from .qualifiers import DOORS, OUTCOMES, QUALIFIERS
from .terms import Query, Term, Value
from .times import Span, span_of

WITHOUT_ANCHOR = timedelta(days=90)
"""How far back a query looks that no index answers, unless it names a time."""

_AFTER_EVERYTHING = "\U0010ffff"
_SUCCESS = "success"


class Places(Protocol):
    """Knows the projects and organizations that may be named."""

    across: bool

    def projects(self, text: str, *, prefix: bool) -> Sequence[UUID]:
        """Return the ids of the projects with this name or identifier."""

    def organization(self, text: str) -> UUID | None:
        """Return the id of the organization with this identifier."""

    def types(self) -> Sequence[str]:
        """Return the sorts of things that events are about."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """A query, ready to be asked.

    Attributes:
        condition: on the columns, without the time.
        span: the time asked for.
        limited: whether `span` was narrowed to `WITHOUT_ANCHOR`, because no index answers the condition.
    """

    condition: Q
    span: Span
    limited: bool = False


def conditions_of(query: Query, places: Places, now: datetime | None = None, *, spanned: bool = False) -> Conditions:
    """Return what a query means.

    Args:
        query: what `parse` returned.
        places: the names that may be used.
        now: what "7d" counts from.
        spanned: whether a time is given beside the query.

    Raises:
        QueryError: a value cannot be meant.
    """
    now = now or timezone.now()
    condition, span, anchored = Q(), Span(), False
    for term in query.terms:
        if term.name == "time":
            span = span.within(_span(term, now))
            continue
        condition &= _condition(term, places)
        anchored = anchored or _is_anchored(term, places)
    if span.is_empty:
        raise QueryError("These times have nothing in common.", position=_place_of(query, "time"), piece="time:")
    if condition and not anchored and not spanned and span.since is None:
        limit = Span(since=(span.until or now) - WITHOUT_ANCHOR)
        return Conditions(condition, span.within(limit), limited=True)
    return Conditions(condition, span)


def begins(column: str, text: str) -> Q:
    """Return the condition that a label begins with a text, in any of the ways in which it may be stored."""
    label = Collate(F(column), "C")
    condition = Q()
    for spelling in _spellings(text):
        after = Literal(spelling + _AFTER_EVERYTHING)
        condition |= Q(GreaterThanOrEqual(label, Literal(spelling))) & Q(LessThan(label, after))
    return condition


def equals(column: str, text: str) -> Q:
    """Return the condition that a label is a text."""
    condition = Q()
    for spelling in _spellings(text):
        condition |= Q(Exact(Collate(F(column), "C"), Literal(spelling)))
    return condition


def _spellings(text: str) -> list[str]:
    return sorted({text, text.lower()})  # addresses are stored in lower case, other labels are not


def _is_anchored(term: Term, places: Places) -> bool:
    if term.negated:
        return term.name == "outcome" and all(value.text.lower() == _SUCCESS for value in term.values)
    if not term.name:
        return not places.across
    if term.name == "outcome":
        return not places.across and _SUCCESS not in {value.text.lower() for value in term.values}
    qualifier = QUALIFIERS[term.name]
    return qualifier.everywhere if places.across else qualifier.anchored


def _place_of(query: Query, name: str) -> int:
    return next((term.position for term in query.terms if term.name == name), 0)


def _span(term: Term, now: datetime) -> Span:
    if term.negated:
        raise QueryError(
            "A time cannot be left out: name the one that you want.", position=term.position, piece="-time"
        )
    if len(term.values) > 1:
        raise QueryError("Name one range of time.", position=term.values[1].position, piece=term.values[1].text)
    return span_of(term.values[0], now)


def _condition(term: Term, places: Places) -> Q:
    if term.name == "outcome":
        return _outcome(term)
    read = _READERS[term.name]
    condition = Q()
    for value in term.values:
        condition |= read(value, places)
    return ~condition if term.negated else condition


def _outcome(term: Term) -> Q:
    """Return the outcomes that are wanted, never those that are not: an index finds what went wrong."""
    chosen = {_one_of(value, OUTCOMES, "outcome") for value in term.values}
    wanted = [outcome for outcome in OUTCOMES if (outcome in chosen) != term.negated]
    return Q(outcome__in=wanted) if wanted else Q(pk__in=())


def _word(value: Value, places: Places) -> Q:
    return begins("actor_label", value.text) | begins("target_label", value.text)


def _actor(value: Value, places: Places) -> Q:
    if value.prefix:
        return begins("actor_label", value.text)
    pk = _uuid(value.text)
    return Q(actor_id=pk) if pk else equals("actor_label", value.text)


def _target(value: Value, places: Places) -> Q:
    if value.prefix:
        return begins("target_label", value.text)
    pk = _uuid(value.text)
    if pk:
        return Q(target_id=str(pk))
    return equals("target_label", value.text) | Q(target_id=value.text)


def _action(value: Value, places: Places) -> Q:
    text = value.text.lower()
    names = [action.name for action in catalogue]
    if value.prefix:
        found = [name for name in names if name.startswith(text)]
        if found:
            return Q(action__in=found)
    elif text in names:
        return Q(action=text)
    resources = sorted({action.resource for action in catalogue})
    if text in resources:
        hint = f"Write {text}.* for all of its actions, or one of them."
    else:
        close = get_close_matches(text, [*names, *resources], n=1)
        hint = f"Did you mean {close[0]}?" if close else "Events show the name of their action, such as member.added."
    raise QueryError(f"There is no such action. {hint}", position=value.position, piece=value.text)


def _project(value: Value, places: Places) -> Q:
    pk = None if value.prefix else _uuid(value.text)
    found = [pk] if pk else places.projects(value.text, prefix=value.prefix)
    if not found:
        raise QueryError(
            "There is no such project that you can see. Write its name or identifier; its id when it is gone.",
            position=value.position,
            piece=value.text,
        )
    return Q(project_id__in=found)


def _organization(value: Value, places: Places) -> Q:
    found = None if value.prefix else _uuid(value.text) or places.organization(value.text.lower())
    if found is None:
        raise QueryError(
            "There is no such organization. Write its identifier, such as acme; its id when it is gone.",
            position=value.position,
            piece=value.text,
        )
    return Q(organization_id=found)


def _ip(value: Value, places: Places) -> Q:
    text = value.text
    wrong = QueryError(
        "This is no address. Write one, as 203.0.113.7 or 2001:db8::7, or a network, as 203.0.113.0/24.",
        position=value.position,
        piece=text,
    )
    if value.prefix or "%" in text:
        raise wrong
    try:
        if "/" not in text:
            return Q(ip=str(ip_address(text)))
        network = ip_network(text, strict=False)
    except ValueError:
        raise wrong from None
    return Q(ip__gte=str(network.network_address), ip__lte=str(network.broadcast_address))


def _via(value: Value, places: Places) -> Q:
    return Q(via=_one_of(value, DOORS, "door"))


def _type(value: Value, places: Places) -> Q:
    wanted = value.text.casefold()
    known = [name for name in places.types() if name.casefold().startswith(wanted)]
    if value.prefix:
        if not known:
            raise QueryError("Nothing that events are about begins so.", position=value.position, piece=value.text)
        return Q(target_type__in=known)
    return Q(target_type__in={value.text, *(name for name in known if name.casefold() == wanted)})


def _text_of(column: str) -> Callable[[Value, Places], Q]:
    def read(value: Value, places: Places) -> Q:
        if value.prefix:
            raise QueryError("Write all of it: a beginning is not looked for here.", position=value.position, piece="*")
        return Q(**{column: value.text})

    return read


_READERS: dict[str, Callable[[Value, Places], Q]] = {
    "": _word,
    "actor": _actor,
    "action": _action,
    "target": _target,
    "project": _project,
    "organization": _organization,
    "ip": _ip,
    "via": _via,
    "type": _type,
    "request": _text_of("request_id"),
    "session": _text_of("session"),
}


def _one_of(value: Value, allowed: Sequence[str], what: str) -> str:
    text = value.text.lower()
    if value.prefix or text not in allowed:
        raise QueryError(
            f"There is no such {what}. There are {', '.join(allowed)}.", position=value.position, piece=value.text
        )
    return text


def _uuid(text: str) -> UUID | None:
    return parse_uuid(text) if is_uuid(text.lower()) else None
