"""What the log is narrowed to by query parameters; the same conditions as in the console's viewer."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from rest_framework import serializers

from api.operation import Filter
from api.problems import FieldError, Problem
from audit.catalogue import catalogue
from audit.models import Outcome
from audit.selectors import EventFilter


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


def event_filter(query: Mapping[str, Any]) -> EventFilter:
    """Return the filter of a checked query.

    Raises:
        Problem: 400, the range ends before it begins.
    """
    values = {name: query[name] for name in FILTERS if name in query}
    if "since" in values and "until" in values and values["since"] >= values["until"]:
        detail = "This is not later than since. Name the earlier time as since."
        errors = [FieldError(detail, "invalid", parameter="until")]
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid_query", detail, errors=errors)
    if "project" in values:
        values["project_id"] = values.pop("project")
    return EventFilter(**values)
