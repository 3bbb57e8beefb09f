"""Versions of resources (RFC 7644 section 3.14): weak entity tags, counted up with each change."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from api.conditional import matches

from .errors import ScimError


def tag_of(version: int) -> str:
    """Return the entity tag of a version."""
    return f'W/"{version}"'


def refuse_other_version(if_match: str, version: int) -> None:
    """Hold a change to its `If-Match`; the row is locked.

    Raises:
        ScimError: 412, somebody changed the resource since the client read it.
    """
    if if_match and not matches(if_match, f'"{version}"', weak=True):
        raise ScimError(
            HTTPStatus.PRECONDITION_FAILED,
            "The resource has changed since you read it, and nothing was changed now. Read it again.",
            headers={"ETag": tag_of(version)},
        )


def meta(kind: str, row: Any, location: str) -> dict[str, str]:
    """Return the metadata of a resource (RFC 7643 section 3.1)."""
    return {
        "resourceType": kind,
        "created": _moment(row.created_at),
        "lastModified": _moment(row.updated_at),
        "location": location,
        "version": tag_of(row.version),
    }


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
