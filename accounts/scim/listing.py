"""Lists: filter, order and pages, by index (RFC 7644 section 3.4.2.4) or by cursor (RFC 9865)."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.expressions import OrderBy, RawSQL
from django.db.models.fields import TextField

from .dialects import names_schema
from .errors import bad_request
from .filters import Column, condition, sort_column
from .projection import EVERYTHING, Projection, listed, projection
from .resources import Group, User

LIST_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
SEARCH_REQUEST = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
DEFAULT_COUNT = 100
MOST_RESULTS = 1_000
_FARTHEST = 2**31
_NUMBER = re.compile(r"[+-]?\d{1,99}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Query:
    """What a client wants to see of a list.

    Attributes:
        filter: the text of a filter, "" for none.
        sort_by: an attribute path, "" for the order of creation.
        descending: whether the order is turned round.
        start: the 1-based index of the first result.
        count: how many results at most, already capped.
        cursor: where the page begins; "" for the first one, None for pages by index.
        projection: which attributes are returned.
    """

    filter: str = ""
    sort_by: str = ""
    descending: bool = False
    start: int = 1
    count: int = DEFAULT_COUNT
    cursor: str | None = None
    projection: Projection = EVERYTHING


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of a page.

    Attributes:
        rows: in order.
        total: how many there are on all pages.
        start: the index of the first row, None for pages by cursor.
        next_cursor: where the next page begins, None on the last one and for pages by index.
    """

    rows: list[Any]
    total: int
    start: int | None
    next_cursor: str | None = None

    def response(self, resources: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the ListResponse."""
        body = {"schemas": [LIST_RESPONSE], "totalResults": self.total, "itemsPerPage": len(resources)}
        if self.start is not None:
            body["startIndex"] = self.start
        if self.next_cursor is not None:
            body["nextCursor"] = self.next_cursor
        return {**body, "Resources": resources}


def query_of(parameters: Mapping[str, str]) -> Query:
    """Return what the parameters of an address ask for.

    Raises:
        ScimError: 400, a value is malformed.
    """
    return Query(
        filter=parameters.get("filter", "").strip(),
        sort_by=parameters.get("sortBy", "").strip(),
        descending=_descending(parameters.get("sortOrder", "")),
        start=max(1, _number(parameters.get("startIndex"), "startIndex", 1)),
        count=_count(_number(parameters.get("count"), "count", DEFAULT_COUNT)),
        cursor=parameters.get("cursor"),
        projection=projection(listed(parameters.get("attributes")), listed(parameters.get("excludedAttributes"))),
    )


def search_of(body: Any) -> Query:
    """Return what a SearchRequest asks for (RFC 7644 section 3.4.3).

    Raises:
        ScimError: 400, it is none, or a value is malformed.
    """
    if not names_schema(body, SEARCH_REQUEST):
        raise bad_request(f"A SearchRequest is an object with the schema {SEARCH_REQUEST}.", "invalidSyntax")
    given = {name.lower(): value for name, value in body.items()}
    names = {name: given.get(name.lower()) or [] for name in ("attributes", "excludedAttributes")}
    for name, value in names.items():
        if isinstance(value, str):
            names[name] = listed(value)
        elif not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise bad_request(f"{name} is a list of attribute names.")
    texts = {}
    for name in ("filter", "sortBy", "sortOrder", "cursor"):
        texts[name] = given.get(name.lower())
        if texts[name] is not None and not isinstance(texts[name], str):
            raise bad_request(f"{name} is a text.")
    return Query(
        filter=(texts["filter"] or "").strip(),
        sort_by=(texts["sortBy"] or "").strip(),
        descending=_descending(texts["sortOrder"] or ""),
        start=max(1, _number(given.get("startindex"), "startIndex", 1)),
        count=_count(_number(given.get("count"), "count", DEFAULT_COUNT)),
        cursor=texts["cursor"],
        projection=projection(names["attributes"], names["excludedAttributes"]),
    )


def page_of(rows: "QuerySet[Any]", model: type[User] | type[Group], query: Query) -> Page:
    """Return the page of `rows` that a query asks for, by two statements.

    Args:
        rows: what the connection may see, unordered.
        model: the resource type.
        query: the query.

    Raises:
        ScimError: 400: filter, order or cursor cannot be read.
    """
    if query.filter:
        rows = rows.filter(condition(model, query.filter))
    total = rows.order_by().count()
    if query.cursor is not None:
        return _after(rows, model, query, total)
    first = query.start - 1
    if query.count == 0 or first >= total:
        return Page([], total, query.start)
    ordered = rows.order_by(*_order(model, query))
    return Page(list(ordered[first : first + query.count]), total, query.start)


def _order(model: type[User] | type[Group], query: Query) -> list[Any]:
    last = ["-created_at", "-pk"] if query.descending and not query.sort_by else ["created_at", "pk"]
    if not query.sort_by:
        return last
    column: Column = sort_column(model, query.sort_by)
    collated = f'({column.sql})::text COLLATE "C"' if column.kind in {"text", "uuid"} else column.sql
    expression = RawSQL(collated, [], output_field=TextField())  # noqa: S611 - names come from the schema alone
    if query.descending:
        return [OrderBy(expression, descending=True, nulls_first=True), *last]
    return [OrderBy(expression, nulls_last=True), *last]


def _after(rows: Any, model: type[User] | type[Group], query: Query, total: int) -> Page:
    """Return the page behind a cursor: the place of the last row, or, in another order, how many came before."""
    asked = f"{query.filter}\n{query.sort_by}\n{query.descending}"
    place = _decoded(query.cursor or "", asked)
    ordered = rows.order_by(*_order(model, query))
    skipped = 0
    if isinstance(place, int):
        skipped = place
    elif place is not None:
        moment, pk = place
        behind = Q(created_at__gt=moment) | Q(created_at=moment, pk__gt=pk)
        if query.descending:
            behind = Q(created_at__lt=moment) | Q(created_at=moment, pk__lt=pk)
        ordered = ordered.filter(behind)
    if query.count == 0:
        return Page([], total, None)
    found = list(ordered[skipped : skipped + query.count + 1])
    page = found[: query.count]
    if len(found) == len(page):
        return Page(page, total, None)
    if query.sort_by:
        return Page(page, total, None, _encoded(skipped + len(page), asked))
    return Page(page, total, None, _encoded([page[-1].created_at.isoformat(), str(page[-1].pk)], asked))


def _encoded(place: Any, asked: str) -> str:
    text = json.dumps([place, binascii.crc32(asked.encode())])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decoded(cursor: str, asked: str) -> int | tuple[datetime, UUID] | None:
    if not cursor:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        place, digest = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        found = place if isinstance(place, int) else (datetime.fromisoformat(place[0]), UUID(place[1]))
    except (ValueError, TypeError, AttributeError, LookupError):
        found, digest = -1, None
    if digest != binascii.crc32(asked.encode()) or (isinstance(found, int) and not 0 <= found <= _FARTHEST):
        raise bad_request("This cursor was not made for this query. Begin again with an empty one.", "invalidCursor")
    return found


def _descending(order: str) -> bool:
    if order.lower() not in {"", "ascending", "descending"}:
        raise bad_request("sortOrder is “ascending” or “descending”.")
    return order.lower() == "descending"


def _number(value: Any, name: str, default: int) -> int:
    if value is None or value == "":
        return default
    if isinstance(value, bool) or not _NUMBER.fullmatch(str(value)):
        raise bad_request(f"{name} is a whole number.")
    return max(-1, min(_FARTHEST, int(value)))


def _count(count: int) -> int:
    return min(max(0, count), MOST_RESULTS)
