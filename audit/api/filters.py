"""What the log is narrowed to by query parameters; the same conditions as in the console's viewer."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from rest_framework import serializers

from api.operation import Filter
from api.problems import FieldError, Problem
from audit.catalogue import catalogue
from audit.models import Outcome
from audit.places import LogPlaces
from audit.query import LONGEST, QueryError, conditions_of, parse
from audit.query.qualifiers import names
from audit.querysets import READ
from audit.selectors import EventFilter
from isolation.actor import Actor


class ActionField(serializers.CharField):
    """An action's name, or a resource followed by ``.*``."""

    default_error_messages = {"unknown": "There is no such action. Events name theirs, such as member.role_changed."}

    def to_internal_value(self, data: Any) -> str:
        """Return the name.

        Raises:
            ValidationError: no action has it.
        """
        text = str(super().to_internal_value(data))
        names = {action.name for action in catalogue} | {f"{action.resource}.*" for action in catalogue}
        if text not in names:
            self.fail("unknown")
        return text


FILTERS: dict[str, Filter] = {
    "q": Filter(
        serializers.CharField(
            max_length=LONGEST,
            help_text="A query as in the console, such as `action:member.* -actor:ada@acme.example`.",
        )
    ),
    "since": Filter(serializers.DateTimeField(help_text="From this time on.")),
    "until": Filter(serializers.DateTimeField(help_text="Before this time.")),
    "actor": Filter(serializers.CharField(max_length=320, help_text="An address or a key, or how it begins.")),
    "actor_id": Filter(serializers.UUIDField(help_text="The id of the person or key.")),
    "action": Filter(ActionField(max_length=80, help_text="An action, or `member.*` for all about members.")),
    "target": Filter(serializers.CharField(max_length=320, help_text="The target's whole name, or its id.")),
    "outcome": Filter(serializers.ChoiceField(choices=Outcome.values, help_text="How it ended.")),
    "project": Filter(serializers.UUIDField(help_text="In this project, by its id.")),
    "request_id": Filter(serializers.CharField(max_length=64, help_text="In this request.")),
}


def event_filter(query: Mapping[str, Any], actor: Actor, permission: str = READ) -> EventFilter:
    """Return the filter of a checked query.

    Args:
        query: the checked parameters.
        actor: who asks; they name projects that they may read.
        permission: what they need there.

    Raises:
        Problem: 400, the range ends before it begins, or `q` cannot be meant.
    """
    values = {name: query[name] for name in FILTERS if name in query}
    if "since" in values and "until" in values and values["since"] >= values["until"]:
        raise _invalid("until", "This is not later than since. Name the earlier time as since.")
    if "project" in values:
        values["project_id"] = values.pop("project")
    if text := values.pop("q", ""):
        try:
            values["query"] = parse(text, names(across=False))
            places = LogPlaces(actor, permission)
            values["conditions"] = conditions_of(values["query"], places, spanned="since" in values)
        except QueryError as error:
            raise _invalid("q", str(error)) from error
        if values["conditions"].limited:
            raise _invalid("q", "No index answers this over all time. Add a time, such as time:90d, or since.")
    return EventFilter(**values)


def _invalid(parameter: str, detail: str) -> Problem:
    errors = [FieldError(detail, "invalid", parameter=parameter)]
    return Problem(HTTPStatus.BAD_REQUEST, "invalid_query", detail, errors=errors)
