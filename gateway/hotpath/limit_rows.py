"""What a limit, a row of ``gateway_usagelimit``, means for a request."""

from fnmatch import fnmatchcase
from typing import Any

from .proxy_request import ProxyRequest
from .usage import storable

LimitRow = dict[str, Any]
ESTIMATED = frozenset({"tokens", "cost"})
"""What is reserved by an estimate, and settled afterwards."""


def is_on_model(limit: LimitRow) -> bool:
    """Return whether a limit counts the use of models."""
    return bool(limit["subject_kind"] == "model")


def counts_each(limit: LimitRow) -> bool:
    """Return whether every subject of its kind is counted on its own."""
    return limit["subject_kind"] != "organization" and not limit["subject"]


def subject_of(limit: LimitRow, request: ProxyRequest) -> str | None:
    """Return whose use a limit counts for a request; None when it does not fit."""
    chosen: str = limit["subject"]
    match limit["subject_kind"]:
        case "organization":
            return ""
        case "model":
            model = storable(request.model)
            # A model that nobody names could be any of them.
            return (chosen or model) if not chosen or not model or fnmatchcase(model, chosen) else None
        case "project":
            value = request.project_id
        case "api_key":
            value = request.api_key_id or ""
        case _:
            value = request.actor_id
    return value if value and chosen in {"", value} else None
