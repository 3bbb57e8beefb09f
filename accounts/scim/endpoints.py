"""What is at which address below the base URL (RFC 7644 section 3.2)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from types import ModuleType
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from accounts.models import IdentityProvider
from api.conditional import matches
from api.parsers import UnstorableText, refuse_unstorable_text

from . import bulk, discovery, groups, users
from .context import ScimContext
from .errors import ScimError, bad_request, error_of, not_found
from .listing import Page, Query, page_of, query_of, search_of
from .projection import Projection, listed, projection
from .resources import Group, User
from .versions import tag_of

_KINDS: dict[str, tuple[ModuleType, Any]] = {"users": (users, User), "groups": (groups, Group)}

_REFUSALS = {"cursor": "invalidCursor", "filter": "invalidFilter", "sortBy": "invalidPath"}

InScope = Callable[[Callable[[ScimContext], Any]], Any]


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of which address.

    Attributes:
        method: the HTTP method; HEAD is GET.
        names: the address, part by part; names of endpoints are in lower case.
        parameters: the query.
        if_none_match: the versions that the client holds, "" for none.
    """

    method: str
    names: tuple[str, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)
    if_none_match: str = ""

    @classmethod
    def of(cls, request: HttpRequest, path: str) -> "Call":
        """Return what a request asks; a slash at the end changes nothing."""
        parts = [part for part in path.split("/") if part]
        names = tuple(
            part.lower() if number == 0 or part.lower() in {".search", "token"} else part
            for number, part in enumerate(parts)
        )
        method = "GET" if request.method == "HEAD" else str(request.method)
        return cls(method, names, request.GET.dict(), request.headers.get("If-None-Match", ""))


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back.

    Attributes:
        status: the HTTP status.
        body: JSON values; None for an empty body.
        headers: besides the usual ones.
    """

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[[ScimContext, Call, Any], Answer]


def answer_of(call: Call, body: Any, in_scope: InScope) -> Answer:
    """Return the answer to a call.

    Args:
        call: the call.
        body: the parsed body, None without one.
        in_scope: runs a function in the scope of the organization.

    Raises:
        ScimError, SCIMException, ValidationError, ParseError, DomainError: the call is refused; `errors.error_of`.
    """
    _refuse_unstorable(call)
    handler = handler_of(call)
    if handler is None:
        return Answer(HTTPStatus.OK, bulk.run_bulk(body, lambda *one: _bulk_operation(in_scope, *one)))
    answer: Answer = in_scope(lambda context: handler(context, call, body))
    return answer


def handler_of(call: Call) -> Handler | None:
    """Return what answers a call; None for a bulk request, whose operations have a scope each.

    Raises:
        ScimError: 404, there is nothing at the address, or 405, it does not take the method.
    """
    name, *rest = call.names or ("",)
    handlers: dict[str, Handler | None]
    match name, rest:
        case (("users" | "groups"), []):
            handlers = {"GET": _list, "POST": _create}
        case (("users" | "groups"), [".search"]):
            handlers = {"POST": _search}
        case (("users" | "groups"), [_]):
            handlers = {"GET": _read, "PUT": _replace, "PATCH": _patch, "DELETE": _delete}
        case ".search", []:
            handlers = {"POST": _search_all}
        case "bulk", []:
            handlers = {"POST": None}
        case (("serviceproviderconfig" | "resourcetypes" | "schemas"), _) if len(rest) <= (
            name != "serviceproviderconfig"
        ):
            handlers = {"GET": _discover}
        case _:
            raise ScimError(HTTPStatus.NOT_FOUND, "There is nothing at this address.")
    if call.method not in handlers:
        allowed = ", ".join(sorted(handlers))
        raise ScimError(HTTPStatus.METHOD_NOT_ALLOWED, f"This address takes {allowed}.", headers={"Allow": allowed})
    return handlers[call.method]


def _refuse_unstorable(call: Call) -> None:
    """Refuse what the database could not even compare with.

    Raises:
        ScimError: 404 for an address, 400 for a parameter.
    """
    try:
        refuse_unstorable_text("".join(call.names))
    except UnstorableText:
        raise not_found() from None
    for name, value in call.parameters.items():
        try:
            refuse_unstorable_text(value)
        except UnstorableText as error:
            raise bad_request(str(error.detail), _REFUSALS.get(name, "invalidValue")) from None


# Resources --------------------------------------------------------------------------------------------


def _list(context: ScimContext, call: Call, body: Any) -> Answer:
    return _listed(context, call.names[0], query_of(call.parameters))


def _search(context: ScimContext, call: Call, body: Any) -> Answer:
    return _listed(context, call.names[0], search_of(body))


def _listed(context: ScimContext, name: str, query: Query) -> Answer:
    module, model = _KINDS[name]
    page = page_of(module.rows(context), model, query)
    return Answer(HTTPStatus.OK, page.response(module.resources(context, page.rows, query.projection)))


def _search_all(context: ScimContext, call: Call, body: Any) -> Answer:
    """Return users, then groups, that a query finds; one that asks for what a type does not have finds none of it."""
    query = search_of(body)
    if query.cursor is not None:
        raise bad_request("Cursors are for /Users and /Groups. Use startIndex here.", "invalidCursor")
    total = 0
    resources: list[dict[str, Any]] = []
    refusals: list[Exception] = []
    for module, model in _KINDS.values():
        window = replace(query, start=max(1, query.start - total), count=max(0, query.count - len(resources)))
        try:
            page: Page = page_of(module.rows(context), model, window)
        except Exception as error:
            refusals.append(error_of(error) or error)
            if len(refusals) == len(_KINDS) or error_of(error) is None:
                raise
            continue
        resources += module.resources(context, page.rows, query.projection)
        total += page.total
    return Answer(HTTPStatus.OK, Page([], total, query.start).response(resources))


def _create(context: ScimContext, call: Call, body: Any) -> Answer:
    module, _ = _KINDS[call.names[0]]
    return _shown(context, call, module, module.create(context, body), HTTPStatus.CREATED)


def _read(context: ScimContext, call: Call, body: Any) -> Answer:
    module, _ = _KINDS[call.names[0]]
    row = module.find(context, _pk(call.names[1]))
    if call.if_none_match and matches(call.if_none_match, f'"{row.version}"', weak=True):
        return Answer(HTTPStatus.NOT_MODIFIED, headers={"ETag": tag_of(row.version)})
    return _shown(context, call, module, row, HTTPStatus.OK)


def _replace(context: ScimContext, call: Call, body: Any) -> Answer:
    module, _ = _KINDS[call.names[0]]
    return _shown(context, call, module, module.replace(context, _pk(call.names[1]), body), HTTPStatus.OK)


def _patch(context: ScimContext, call: Call, body: Any) -> Answer:
    module, _ = _KINDS[call.names[0]]
    row = module.patch(context, _pk(call.names[1]), body)
    if module is groups and "attributes" not in call.parameters:
        # Entra ID asks for it: the answer to one new member must not list thousands.
        return Answer(HTTPStatus.NO_CONTENT, headers={"ETag": tag_of(row.version)})
    return _shown(context, call, module, row, HTTPStatus.OK)


def _delete(context: ScimContext, call: Call, body: Any) -> Answer:
    module, _ = _KINDS[call.names[0]]
    module.delete(context, _pk(call.names[1]))
    return Answer(HTTPStatus.NO_CONTENT)


def _shown(context: ScimContext, call: Call, module: ModuleType, row: Any, status: int) -> Answer:
    wanted: Projection = projection(
        listed(call.parameters.get("attributes")), listed(call.parameters.get("excludedAttributes"))
    )
    (resource,) = module.resources(context, [row], wanted)
    headers = {"Location": context.location(module.ENDPOINT, resource["id"]), "ETag": tag_of(row.version)}
    return Answer(status, resource, headers)


def _pk(text: str) -> UUID:
    """Return the id that an address names; anything else names nothing."""
    try:
        found = UUID(text)
    except ValueError:
        raise not_found() from None
    if str(found) != text:
        raise not_found()
    return found


# What the server says about itself ----------------------------------------------------------------------


def _discover(context: ScimContext, call: Call, body: Any) -> Answer:
    if "filter" in call.parameters:  # RFC 7644 section 4
        raise ScimError(HTTPStatus.FORBIDDEN, "What the server says about itself is not filtered.")
    name, *rest = call.names
    if name == "serviceproviderconfig":
        # Canaille's client takes no attribute that it does not know, and then pushes nothing at all.
        tells_pagination = context.connection.provider != IdentityProvider.CANAILLE
        body = discovery.service_provider_config(context.base_url, tells_pagination=tells_pagination)
        return Answer(HTTPStatus.OK, body)
    resources = (discovery.resource_types if name == "resourcetypes" else discovery.schemas)(context.base_url)
    return Answer(HTTPStatus.OK, discovery.one(resources, rest[0]) if rest else discovery.listed(resources))


# Bulk ---------------------------------------------------------------------------------------------------


def _bulk_operation(in_scope: InScope, method: str, path: str, data: Any, version: str) -> bulk.BulkAnswer:
    """Carry one operation of a bulk request out as if it came alone."""
    parts = tuple(part for part in path.split("/") if part)
    names = (parts[0].lower(), *parts[1:]) if parts else ()
    try:
        answer = _single(in_scope, method, names, data, version)
    except Exception as error:
        told = error_of(error)
        if told is None:
            raise
        location = in_scope(lambda context: context.location(*parts)) if len(parts) == 2 else ""  # noqa: PLR2004 - kind, id
        return bulk.BulkAnswer(told.status, location, error=told)
    pk = names[1] if len(names) > 1 else answer.body["id"]
    location = answer.headers.get("Location") or in_scope(
        lambda context: context.location(_KINDS[names[0]][0].ENDPOINT, pk)
    )
    return bulk.BulkAnswer(answer.status, location, answer.headers.get("ETag", ""), pk)


def _single(in_scope: InScope, method: str, names: tuple[str, ...], data: Any, version: str) -> Answer:
    if not names or names[0] not in _KINDS or len(names) != (1 if method == "POST" else 2):
        raise bad_request("“path” is /Users or /Groups, with an id except for POST.", "invalidPath")
    if data is None and method != "DELETE":
        raise bad_request(f"An operation with {method} has data.")
    call = Call(method, names)
    return answer_of(call, data, lambda run: in_scope(lambda context: run(replace(context, if_match=version))))
