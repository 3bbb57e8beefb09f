"""Filters (RFC 7644 section 3.4.2.2) as SQL conditions: parsed and checked by scim2-models, never partly dropped.

Names in the SQL are this module's own or the schema's; whatever a client sends is a parameter.
"""

# ruff: noqa: S608 - see above

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import BooleanField
from django.db.models.expressions import RawSQL
from scim2_models import AttributeBinding, InvalidFilterException, ScimFilter, SearchRequest
from scim2_models.path import (
    AttrPath,
    CompareOperator,
    Comparison,
    FilterVisitor,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
    ValuePath,
)
from scim2_models.path.resolution import _resolve_filter_path, coerce_value

from .errors import bad_request
from .resources import ENTERPRISE_USER, POLICY, Group, User

LONGEST_FILTER = 4_000
MOST_TERMS = 200
_WORD = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*")|(?P<mark>[()\[\]])|(?P<word>[^\s()\[\]"]+)|(?P<space>\s+)|(?P<other>.)""", re.DOTALL
)
_OPERATORS = frozenset(CompareOperator)
_LITERAL = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?|true|false|null", re.IGNORECASE)

Condition = tuple[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Column:
    """Where the value of an attribute is.

    Attributes:
        sql: an expression of the outer row, or of an element.
        kind: "text", "uuid", "time" or "boolean".
    """

    sql: str
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Elements:
    """The values of a multi-valued attribute, as rows.

    Attributes:
        rows: what follows FROM, ending in a condition or not.
        where: the condition that ties them to the outer row.
        columns: by the sub-attribute's name; None: `json` makes it.
        json: an expression of the element as JSON.
    """

    rows: str
    where: str = "TRUE"
    columns: dict[str, Column] | None = None
    json: str = ""

    def column(self, name: str) -> Column | None:
        """Return where a sub-attribute's value is."""
        if self.columns is not None:
            return self.columns.get(name)
        return Column(f"{self.json} ->> '{name}'")


def condition(model: type[User] | type[Group], text: str) -> RawSQL:
    """Return the condition of a filter on the rows of its resource type.

    Raises:
        ScimError, SCIMException: 400 invalidFilter: it cannot be read, or names what the resource does not have.
    """
    if len(text) > LONGEST_FILTER:
        raise bad_request(f"A filter has {LONGEST_FILTER} characters at most.", "invalidFilter")
    parsed = ScimFilter[model](with_quotes(text))  # type: ignore[valid-type]
    sql, parameters = _Compiler(model).visit(parsed.ast)
    return RawSQL(f"({sql})", parameters, output_field=BooleanField())  # noqa: S611 - names come from the schema alone


def sort_column(model: type[User] | type[Group], path: str) -> Column:
    """Return by what a list is ordered for `sortBy` (RFC 7644 section 3.4.2.3).

    Of a multi-valued attribute the primary value counts, or else the first.

    Raises:
        ScimError, SCIMException: 400 invalidPath: the resource has no such attribute, or no order by it.
    """
    found = SearchRequest[model].model_validate({"sortBy": path}).sort_binding(model)  # type: ignore[valid-type]
    if found is None or len(path) > LONGEST_FILTER:
        raise bad_request("The list cannot be ordered by this attribute.", "invalidPath")
    place = _Compiler(model).place(found)
    if isinstance(place, Column):
        return place
    column = place.column(_sub_name(found))
    if not place.json or column is None:
        raise bad_request("The list cannot be ordered by this attribute.", "invalidPath")
    first = "(element.item ->> 'primary') = 'true' DESC NULLS LAST"
    return Column(f"(SELECT {column.sql} FROM {place.rows} ORDER BY {first} LIMIT 1)")


def with_quotes(text: str) -> str:
    """Return a filter with quotes around values that were sent without them, as Entra ID's examples have it."""
    parts: list[str] = []
    after_operator = False
    terms = 0
    for found in _WORD.finditer(text):
        word = found["word"]
        if word is not None and after_operator:
            parts.append(word.lower() if _LITERAL.fullmatch(word) else ScimFilter.quote(word))
        else:
            parts.append(found[0])
        if found["space"] is None:
            after_operator = word is not None and not after_operator and word.lower() in _OPERATORS
            terms += after_operator
    if terms > MOST_TERMS:
        raise bad_request(f"A filter has {MOST_TERMS} comparisons at most.", "invalidFilter")
    return "".join(parts)


class _Compiler(FilterVisitor[Condition]):
    """Turns the tree of a filter into a condition.

    Args:
        model: the resource type, or the type of a multi-valued attribute's values.
        elements: set inside a value path: whose sub-attributes the names are.
    """

    def __init__(self, model: Any, elements: Elements | None = None) -> None:
        self._model = model
        self._elements = elements
        self._columns, self._multiple = (_USERS if model is User else _GROUPS) if elements is None else ({}, {})

    def visit_logical_expr(self, node: LogicalExpr) -> Condition:
        terms = [self.visit(term) for term in node.terms]
        joint = " AND " if node.op is LogicalOperator.and_ else " OR "
        return "(" + joint.join(sql for sql, _ in terms) + ")", [value for _, values in terms for value in values]

    def visit_not(self, node: Not) -> Condition:
        sql, values = self.visit(node.expr)
        return f"(({sql}) IS NOT TRUE)", values

    def visit_present(self, node: Present) -> Condition:
        found = self._resolve(node.attr_path)
        place = self.place(found)
        if isinstance(place, Column):
            if place.kind == "text":
                return f"coalesce({place.sql}, '') <> ''", []
            return f"({place.sql}) IS NOT NULL", []
        column = place.column(_sub_name(found)) if found.sub_field_name else None
        test = f"coalesce({column.sql}, '') <> ''" if column and column.kind == "text" else "TRUE"
        return _exists(place, test), []

    def visit_comparison(self, node: Comparison) -> Condition:
        found = self._resolve(node.attr_path, comparing=True)
        value = coerce_value(found, node.value, node.op)
        if isinstance(value, str):
            value = POLICY.comparison_key(found, value)
        place = self.place(found)
        if isinstance(place, Column):
            return _compare(place, node.op, value)
        column = place.column(_sub_name(found))
        if column is None:
            raise _unsupported(found.urn)
        if node.op is CompareOperator.ne:  # no value may be equal
            sql, values = _compare(column, CompareOperator.eq, value)
            return f"NOT {_exists(place, sql)}", values
        sql, values = _compare(column, node.op, value)
        return _exists(place, sql), values

    def visit_value_path(self, node: ValuePath) -> Condition:
        found = self._resolve(node.attr_path)
        place = self.place(found)
        if isinstance(place, Column) or self._elements is not None:
            raise _unsupported(found.urn)
        sql, values = _Compiler(found.field_type, place).visit(node.val_filter)
        return _exists(place, sql), values

    def _resolve(self, path: AttrPath, *, comparing: bool = False) -> AttributeBinding:
        """Return what a path names.

        Raises:
            InvalidFilterException: it names nothing.
        """
        if self._elements is not None:
            resolved = _resolve_filter_path(self._model, path, strict=True, for_comparison=comparing)
        else:
            bound = ScimFilter[self._model]("id pr")  # type: ignore[name-defined]
            resolved = bound.resolve_comparison(path) if comparing else bound.resolve(path)
        assert resolved is not None  # noqa: S101 - a strict resolution raises instead
        return resolved

    def place(self, found: AttributeBinding) -> Column | Elements:
        """Return where an attribute's value is, or its values are.

        Raises:
            InvalidFilterException: it is not stored, or not to be asked for.
        """
        path = found.urn.rpartition(":")[2] if ":" in found.urn else found.urn
        if self._elements is not None:
            column = self._elements.column(path)
            if column is None:
                raise _unsupported(found.urn)
            return column
        name, _, sub = path.partition(".")
        if name in self._multiple:
            return self._multiple[name]
        if path in self._columns:
            return self._columns[path]
        if self._model is not User or name in {"meta", "password", "schemas", *self._columns}:
            raise _unsupported(found.urn)
        where = [ENTERPRISE_USER, name] if found.urn.startswith(f"{ENTERPRISE_USER}:") else [name]
        if found.is_multivalued:
            listed = f"jsonb_path_query({_JSON} #> {_path(where)}, '$[*]')"
            return Elements(f"{listed} AS element(item)", json="element.item")
        if sub:
            return Column(f"{_JSON} #>> {_path([*where, sub])}")
        return Column(f"{_JSON} #>> {_path(where)}")


def _sub_name(found: AttributeBinding) -> str:
    return found.urn.rpartition(".")[2]


def _exists(elements: Elements, test: str) -> str:
    return f"EXISTS (SELECT FROM {elements.rows} WHERE {elements.where} AND ({test}))"


def _path(names: list[str]) -> str:
    """Return a text array of names, which are the schema's own."""
    return "ARRAY[" + ", ".join(f"'{name}'" for name in names) + "]::text[]"


def _compare(column: Column, op: CompareOperator, value: Any) -> Condition:
    """Return one comparison of a single value."""
    sql = column.sql
    if value is None:
        return f"({sql}) IS {'NOT ' if op is CompareOperator.ne else ''}NULL", []
    if column.kind == "uuid" and op in {CompareOperator.eq, CompareOperator.ne}:
        return _compare_id(sql, op, value)
    if column.kind in {"boolean", "time"} and isinstance(value, bool | datetime):
        return _COMPARISONS[op](sql), [value]
    if column.kind == "uuid":
        sql = f"({sql})::text"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if op in _TEXT_COMPARISONS:
        return _TEXT_COMPARISONS[op](sql), [text]
    return _COMPARISONS[op](f'({sql}) COLLATE "C"'), [text]


def _compare_id(sql: str, op: CompareOperator, value: Any) -> Condition:
    try:
        wanted = UUID(str(value))
    except ValueError:
        return ("FALSE" if op is CompareOperator.eq else "TRUE"), []
    if str(wanted) != str(value):  # an id is compared to the letter
        return ("FALSE" if op is CompareOperator.eq else "TRUE"), []
    return _COMPARISONS[op](sql), [wanted]


def _unsupported(urn: str) -> InvalidFilterException:
    return InvalidFilterException(detail=f"A filter cannot ask for {urn.rpartition(':')[2]} here.")


_COMPARISONS: dict[CompareOperator, Callable[[str], str]] = {
    CompareOperator.eq: lambda sql: f"{sql} = %s",
    CompareOperator.ne: lambda sql: f"{sql} IS DISTINCT FROM %s",
    CompareOperator.gt: lambda sql: f"{sql} > %s",
    CompareOperator.ge: lambda sql: f"{sql} >= %s",
    CompareOperator.lt: lambda sql: f"{sql} < %s",
    CompareOperator.le: lambda sql: f"{sql} <= %s",
}
# No LIKE: whatever stands in the value is meant literally.
_TEXT_COMPARISONS: dict[CompareOperator, Callable[[str], str]] = {
    CompareOperator.eq: lambda sql: f"{sql} = %s",
    CompareOperator.ne: lambda sql: f"{sql} IS DISTINCT FROM %s",
    CompareOperator.co: lambda sql: f"strpos({sql}, %s) > 0",
    CompareOperator.sw: lambda sql: f"starts_with({sql}, %s)",
    CompareOperator.ew: lambda sql: f"reverse({sql}) ^@ reverse(%s)",
}
_U, _G = "accounts_provisioneduser", "accounts_provisionedgroup"
_JSON = f"{_U}.comparable"
_USERS: tuple[dict[str, Column], dict[str, Elements]] = (
    {
        "id": Column(f"{_U}.id", "uuid"),
        "externalId": Column(f"nullif({_U}.external_id, '')"),
        "userName": Column(f"{_U}.user_name_key"),
        "active": Column(f"{_U}.active", "boolean"),
        "meta.created": Column(f"{_U}.created_at", "time"),
        "meta.lastModified": Column(f"{_U}.updated_at", "time"),
        "meta.resourceType": Column("'User'"),
        "meta.version": Column(f"'w/\"' || {_U}.version || '\"'"),
    },
    {
        "groups": Elements(
            f"{_G} found",
            f"found.organization_id = {_U}.organization_id AND (found.group_id IN (SELECT place.group_id FROM"
            f" tenants_groupmember place WHERE place.organization_id = {_U}.organization_id AND place.membership_id ="
            f" {_U}.membership_id) OR found.id IN (SELECT place.provisioned_group_id FROM accounts_waitinggroupmember"
            f" place WHERE place.organization_id = {_U}.organization_id AND place.provisioned_user_id = {_U}.id))",
            {
                "value": Column("found.group_id", "uuid"),
                "display": Column("found.display_name_key"),
                "type": Column("'direct'"),
            },
        )
    },
)
_GROUPS: tuple[dict[str, Column], dict[str, Elements]] = (
    {
        "id": Column(f"{_G}.group_id", "uuid"),
        "externalId": Column(f"nullif({_G}.external_id, '')"),
        "displayName": Column(f"{_G}.display_name_key"),
        "meta.created": Column(f"{_G}.created_at", "time"),
        "meta.lastModified": Column(f"{_G}.updated_at", "time"),
        "meta.resourceType": Column("'Group'"),
        "meta.version": Column(f"'w/\"' || {_G}.version || '\"'"),
    },
    {
        "members": Elements(
            f"{_U} found",
            f"found.organization_id = {_G}.organization_id AND (found.membership_id IN (SELECT place.membership_id FROM"
            f" tenants_groupmember place WHERE place.organization_id = {_G}.organization_id AND place.group_id ="
            f" {_G}.group_id) OR found.id IN (SELECT place.provisioned_user_id FROM accounts_waitinggroupmember place"
            f" WHERE place.organization_id = {_G}.organization_id AND place.provisioned_group_id = {_G}.id))",
            {
                "value": Column("found.id", "uuid"),
                "display": Column("found.user_name_key"),
                "type": Column("'user'"),
            },
        )
    },
)
