"""Query parameters: each is named by the operation, read strictly, and an unknown one is an error."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from rest_framework import serializers
from rest_framework.exceptions import ParseError

from .operation import Operation
from .parsers import refuse_unstorable_text
from .problems import FieldError, Problem

MAX_LIMIT = 100
DEFAULT_LIMIT = 50
CURSOR = "cursor"
FIELDS = "fields"
LIMIT = "limit"
ORDERING = "ordering"


class _Ordering(serializers.ChoiceField):
    """One name of the operation's allow-list, with "-" for descending."""


def parameters_of(operation: Operation, method: str) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
    """Return each query parameter that the operation takes, with the field that reads it."""
    found: dict[str, serializers.Field[Any, Any, Any, Any]] = {}
    if operation.listing:
        found |= {name: one.field for name, one in operation.filters.items()}
        directions = [sign + name for name in operation.ordering for sign in ("", "-")]
        found[ORDERING] = _Ordering(
            choices=directions, help_text=f"The order; without it {operation.default_ordering}."
        )
        found[LIMIT] = serializers.IntegerField(
            min_value=1, max_value=MAX_LIMIT, help_text=f"Rows on a page; without it {DEFAULT_LIMIT}."
        )
        found[CURSOR] = serializers.CharField(
            max_length=2000, help_text="Where the page begins: taken from `next` or `previous`."
        )
    elif operation.filters:
        found |= {name: one.field for name, one in operation.filters.items()}
    if operation.response is not None and method == "GET":
        found[FIELDS] = serializers.CharField(
            max_length=2000, help_text="Only these fields of each object, separated by commas."
        )
    return found


def read_query(operation: Operation, method: str, given: QueryDict) -> dict[str, Any]:
    """Return the values of the query parameters that were sent.

    Raises:
        Problem: 400, naming every parameter that is unknown, repeated or wrong.
    """
    known = parameters_of(operation, method)
    errors: list[FieldError] = []
    values: dict[str, Any] = {}
    for name, texts in given.lists():
        field = known.get(name)
        if field is None:
            taken = ", ".join(sorted(known)) or "none"
            errors.append(FieldError(f"Unknown parameter. This address takes: {taken}.", "unknown", parameter=name))
        elif len(texts) > 1:
            errors.append(FieldError("Given more than once. Give it once.", "repeated", parameter=name))
        else:
            try:
                refuse_unstorable_text(texts[0])
                values[name] = field.run_validation(texts[0])
            except serializers.ValidationError as error:
                errors += [FieldError(str(one), one.code, parameter=name) for one in _flat(error.detail)]
            except ParseError as error:
                errors.append(FieldError(str(error.detail), "malformed", parameter=name))
    errors += [
        FieldError("This parameter is needed.", "required", parameter=name)
        for name, one in operation.filters.items()
        if one.required and name not in given
    ]
    if errors:
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "invalid_query",
            "The query string is not accepted; each parameter is named under “errors” with its reason.",
            errors=errors,
        )
    return values


def filtered(rows: "QuerySet[Any]", operation: Operation, values: Mapping[str, Any]) -> "QuerySet[Any]":
    """Return the rows that pass the filters which are plain lookups."""
    lookups = {
        one.name_lookup if one.name_lookup and isinstance(values[name], str) else one.lookup: values[name]
        for name, one in operation.filters.items()
        if one.lookup and name in values
    }
    return rows.filter(**lookups) if lookups else rows


def chosen_fields(operation: Operation, text: str | None) -> frozenset[str] | None:
    """Return the fields that `?fields=` names; None: all of them.

    Raises:
        Problem: 400, a name is not a field of the answer.
    """
    if text is None or operation.response is None:
        return None
    named = frozenset(name.strip() for name in text.split(",") if name.strip())
    known = operation.response().fields.keys()
    unknown = sorted(named - set(known))
    if unknown or not named:
        problem = f"There is no field {', '.join(unknown)}" if unknown else "It names no field"
        detail = f"{problem}. The fields are {', '.join(known)}."
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "invalid_query",
            detail,
            errors=[FieldError(detail, "unknown_field", parameter=FIELDS)],
        )
    return named


def _flat(detail: Any) -> list[Any]:
    if isinstance(detail, Mapping):
        return [one for inner in detail.values() for one in _flat(inner)]
    if isinstance(detail, list | tuple):
        return [one for inner in detail for one in _flat(inner)]
    return [detail]
