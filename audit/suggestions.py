"""What a query may go on with, while it is typed: qualifiers, and values that are there for this actor."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db.models import CharField, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Collate
from django.db.models.lookups import GreaterThan

from .catalogue import catalogue
from .directory import directory
from .models import Outcome
from .patience import SUGGESTIONS, TookTooLong, patience
from .places import LogPlaces
from .query import LONGEST, Term, Value
from .query.conditions import begins
from .query.qualifiers import DOORS, QUALIFIERS, names
from .statements import connection, sql_of

MOST = 10
_LABELS = {"actor": "actor_label", "target": "target_label"}
_TIMES = (
    ("today", "since midnight, UTC"),
    ("yesterday", "the day before"),
    ("24h", "the last 24 hours"),
    ("7d", "the last 7 days"),
    ("30d", "the last 30 days"),
)
_LAST_WORD = re.compile(r'(?:[^\s"]|"(?:[^"\\]|\\.)*(?:"|$))*$')


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One way to go on.

    Attributes:
        text: what takes the place of the unfinished word; a space after it when the condition is complete.
        label: what is read.
        help: what it means.
    """

    text: str
    label: str
    help: str = ""


def suggestions(typed: str, places: LogPlaces, events: "QuerySet[Any]") -> tuple[int, list[Suggestion]]:
    """Return (where the unfinished word begins, how it may go on).

    Args:
        typed: the query up to the caret.
        places: the names that the actor may use.
        events: the events that the actor may see: actors and targets are taken from them.
    """
    if len(typed) > LONGEST or "\x00" in typed:
        return len(typed), []
    word = _LAST_WORD.search(typed)
    start = word.start() if word else len(typed)
    text = typed[start:]
    minus = "-" if text.startswith("-") else ""
    name, colon, rest = text.removeprefix("-").partition(":")
    if not colon:
        return start, list(islice(_of_word(minus, name, places, events), MOST))
    name = name.lower()
    if name not in names(across=places.across):
        return start, []
    *done, last = rest.split(",") if '"' not in rest else [rest]
    before = f"{minus}{name}:{''.join(f'{value},' for value in done)}"
    found = islice(_of_value(name, last.strip('"'), places, events), MOST)
    return start, [
        Suggestion(f"{before}{_value(name, value, prefix=prefix)} ", f"{value}{'*' if prefix else ''}", help_text)
        for value, help_text, prefix in found
    ]


def _of_word(minus: str, word: str, places: LogPlaces, events: "QuerySet[Any]") -> Iterator[Suggestion]:
    for name in names(across=places.across):
        if name.startswith(word.lower()) and not (minus and name == "time"):
            yield Suggestion(f"{minus}{name}:", f"{minus}{name}:", QUALIFIERS[name].help)
    if word and not word.startswith('"'):
        for name in _LABELS:
            for label in _labels(name, word, events):
                yield Suggestion(f"{minus}{name}:{_value(name, label)} ", f"{minus}{name}:{label}")


def _of_value(name: str, text: str, places: LogPlaces, events: "QuerySet[Any]") -> Iterator[tuple[str, str, bool]]:
    """Yield (value, what it means, whether it is a beginning)."""
    match name:
        case "actor" | "target":
            yield from ((label, "", False) for label in _labels(name, text, events))
        case "action":
            yield from _actions(text.lower().removesuffix("*"))
        case "project":
            found = directory().suggest_projects(places.actor, places.permission, text)
            yield from ((slug, title, False) for slug, title in found)
        case "organization":
            yield from ((slug, title, False) for slug, title in directory().suggest_organizations(text))
        case "time":
            yield from ((value, meaning, False) for value, meaning in _TIMES if value.startswith(text.lower()))
        case "outcome" | "via" | "type":
            choices = {"outcome": Outcome.values, "via": DOORS, "type": places.types()}[name]
            yield from ((value, "", False) for value in _beginning(choices, text))


def _actions(text: str) -> Iterator[tuple[str, str, bool]]:
    resources = sorted({action.resource for action in catalogue})
    for resource in resources:
        if resource.startswith(text):
            yield f"{resource}.", f"everything about {resource.replace('_', ' ')}", True
    for action in catalogue:
        if action.name.startswith(text) or (text and text in action.label.lower()):
            yield action.name, action.label, False


def _beginning(choices: Iterable[str], text: str) -> Iterator[str]:
    return (choice for choice in choices if choice.casefold().startswith(text.casefold()))


def _value(name: str, text: str, *, prefix: bool = False) -> str:
    return str(Term(name, (Value(text, prefix),))).partition(":")[2]


def _labels(name: str, text: str, events: "QuerySet[Any]") -> list[str]:
    """Return a few labels that begin with a text, each found by one step in the index, not by reading its events."""
    if not text:
        return []
    column = _LABELS[name]
    label = Collate(column, "C")
    rows = events.filter(begins(column, text)).annotate(found=label).order_by("found").values_list("found")
    after = rows.filter(GreaterThan(label, RawSQL("step.label", (), output_field=CharField())))[:1]
    beginning, going_on = sql_of(rows[:1]), sql_of(after)
    if beginning is None or going_on is None:
        return []
    (first_sql, first), (next_sql, following) = beginning, going_on
    try:
        with patience(SUGGESTIONS), connection().cursor() as cursor:
            cursor.execute(
                f"WITH RECURSIVE step(label) AS (({first_sql}) UNION ALL"  # noqa: S608 - the ORM wrote both parts
                f" SELECT following.label FROM step CROSS JOIN LATERAL ({next_sql}) AS following(label))"
                " SELECT label FROM step LIMIT %s",
                [*first, *following, MOST],
            )
            return [str(found) for (found,) in cursor.fetchall()]
    except TookTooLong:
        return []
