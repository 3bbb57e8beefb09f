"""What an endpoint says about itself, once: the view base acts on it and the OpenAPI document is drawn from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

from rest_framework import serializers

PUBLIC = "public"
"""In place of a permission: whoever asks, without a credential."""
AUTHENTICATED = "authenticated"
"""In place of a permission: whoever has a credential."""
MEMBER = "member"
"""In place of a permission: whoever belongs to the organization, with whatever role."""
NO_PERMISSION = frozenset({PUBLIC, AUTHENTICATED, MEMBER})

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Filter:
    """A query parameter that narrows a list.

    Attributes:
        field: reads and checks the value; its `help_text` describes it.
        lookup: the ORM lookup it becomes; empty: the handler looks at `self.query` itself.
        required: whether it must be given.
        name_lookup: the lookup for a value of an `IdOrNameField` that is a name.
    """

    field: serializers.Field[Any, Any, Any, Any]
    lookup: str = ""
    required: bool = False
    name_lookup: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address.

    Attributes:
        id: the operationId of the OpenAPI document, unique, for ever.
        summary: a few words.
        permission: a catalogue name, or one of `NO_PERMISSION`.
        anywhere: True for a permission that may be held in some projects only: the handler narrows what it shows by
            `visible_to(actor)`; False: it is asked of the view's `place` before the handler runs.
        also: further permissions without which the service refuses.
        request: the serializer of the body, or None.
        response: the serializer of the answer; None: 204 without a body.
        status: of a success.
        listing: whether the handler returns a queryset, of which a page is sent.
        filters: by the name of the query parameter; lists only.
        ordering: by the name a client uses, a column that is never NULL; lists only.
        default_ordering: one of those names, with "-" for descending.
        media_types: what is sent instead of JSON, when the handler makes its own response.
        problems: statuses of errors beside those that every operation has.
        example: an example of the answer (of one row, for a list).
        request_example: an example of the body.
    """

    id: str
    summary: str
    permission: str
    anywhere: bool = False
    also: Sequence[str] = ()
    request: type[serializers.Serializer[Any]] | None = None
    response: type[serializers.Serializer[Any]] | None = None
    status: int = HTTPStatus.OK
    listing: bool = False
    filters: Mapping[str, Filter] = field(default_factory=dict)
    ordering: Mapping[str, str] = field(default_factory=dict)
    default_ordering: str = ""
    media_types: Sequence[str] = ()
    problems: Sequence[int] = ()
    example: Any = None
    request_example: Any = None


def operation(id_: str, summary: str, *, permission: str, **facts: Any) -> Callable[[F], F]:
    """Declare a handler (`get`, `post`, …) of an `ApiView`; see `Operation` for the facts.

    The handler's docstring is the description in the OpenAPI document.
    """
    declared = Operation(id_, summary, str(permission), **facts)

    def declare(handler: F) -> F:
        handler.operation = declared  # type: ignore[attr-defined]
        return handler

    return declare


def listing(id_: str, summary: str, *, permission: str, **facts: Any) -> Callable[[F], F]:
    """Declare a handler that returns a queryset, of which one page is sent."""
    return operation(id_, summary, permission=permission, listing=True, **facts)
