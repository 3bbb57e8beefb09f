"""What pages say of rows that an identity provider manages; the app that knows the providers adds who it is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from tenants.models import Source

MANAGERS: list[Callable[[HttpRequest, Any], tuple[str, str]]] = []
"""Apps above this one add functions that return (name, address) of what manages a row, ("", "") when unknown."""


@dataclass(frozen=True, slots=True)
class Managed:
    """A row's hint.

    Attributes:
        text: what cannot be done here.
        by: what manages it, or "".
        url: where that is looked after, or "".
    """

    text: str
    by: str
    url: str


def is_managed(row: Any) -> bool:
    """Return whether an identity provider manages a member or a group."""
    return bool(row.source == Source.SCIM)


def is_by_hand(row: Any) -> bool:
    """Return whether people manage a member or a group."""
    return not is_managed(row)


def managed_hint(request: HttpRequest, row: Any, text: str) -> Managed | None:
    """Return the hint for a member or group; None for one that is managed by hand."""
    if row is None or not is_managed(row):
        return None
    for manager in MANAGERS:
        by, url = manager(request, row)
        if by or url:
            return Managed(text, by, url)
    return Managed(text, "", "")
