"""Turns what a handler returned into the body and headers of the response."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from .conditional import etag_of
from .operation import Operation
from .pagination import page_of
from .query import CURSOR, FIELDS, chosen_fields, filtered
from .renderers import CompactJSONRenderer

if TYPE_CHECKING:
    from .views import ApiView

_CREATED = 201


def body_of(view: "ApiView", declared: Operation, result: Any) -> tuple[Any, dict[str, str]]:
    """Return (the body as JSON values, headers): a page of a queryset, or one object with its ETag."""
    if declared.response is None:
        return None, {}
    if declared.listing:
        return _page(view, declared, result)
    body = shown(view, declared, result)
    headers: dict[str, str] = {}
    if declared.status == _CREATED and "id" in body:
        headers["Location"] = f"{view.request.path}/{body['id']}"
    reads = view.operation_of("get")
    if reads is not None and reads.response is declared.response and not reads.listing:
        headers["ETag"] = etag_of(_versioned(declared, body))
    return _cut(body, chosen_fields(declared, view.query.get(FIELDS))), headers


def shown(view: "ApiView", declared: Operation, row: Any, *, many: bool = False) -> Any:
    """Return what the operation's serializer makes of a row."""
    assert declared.response is not None  # noqa: S101 - only called for operations with an answer
    return declared.response(row, many=many, context={"view": view}).data


def representation(view: "ApiView", declared: Operation, row: Any) -> bytes:
    """Return an object as it is sent in full, but for what changes by itself: its ETag is made from this."""
    return _versioned(declared, shown(view, declared, row))


def _page(view: "ApiView", declared: Operation, rows: Any) -> tuple[Any, dict[str, str]]:
    fields = chosen_fields(declared, view.query.get(FIELDS))
    page = page_of(filtered(rows, declared, view.query), declared, view.query)
    links = {"next": _url(view, page.next), "previous": _url(view, page.previous)}
    relations = {"next": "next", "previous": "prev"}
    header = ", ".join(f'<{url}>; rel="{relations[name]}"' for name, url in links.items() if url)
    data = [_cut(row, fields) for row in shown(view, declared, page.rows, many=True)]
    return {"data": data, **links}, {"Link": header} if header else {}


def _url(view: "ApiView", cursor: str | None) -> str | None:
    if cursor is None:
        return None
    query = view.request.query_params.dict() | {CURSOR: cursor}
    return view.request.build_absolute_uri(f"{view.request.path}?{urlencode(query)}")


def _versioned(declared: Operation, body: Any) -> bytes:
    unversioned: frozenset[str] = getattr(declared.response, "unversioned", frozenset())
    return CompactJSONRenderer().render({name: value for name, value in body.items() if name not in unversioned})


def _cut(row: Any, fields: frozenset[str] | None) -> Any:
    return row if fields is None else {name: value for name, value in row.items() if name in fields}
