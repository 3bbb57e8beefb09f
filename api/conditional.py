"""ETags of single objects, and the conditions that clients put on them (RFC 9110, section 13)."""

import hashlib
import re
from http import HTTPStatus

from django.http import HttpRequest

from .problems import Problem

_ETAGS = re.compile(r'\s*(?:(?P<any>\*)|(?P<weak>W/)?"(?P<tag>[\x21\x23-\x7e\x80-\xff]*)")\s*(?:,|$)')


def etag_of(representation: bytes) -> str:
    """Return the strong validator of a representation."""
    return f'"{hashlib.sha256(representation).hexdigest()[:32]}"'


def refuse_unless_matches(request: HttpRequest, etag: str | None) -> None:
    """Hold the request to its `If-Match`, with the object locked by the caller; None: there is no object.

    Raises:
        Problem: 412, the object is not what the client saw.
    """
    wanted = request.headers.get("If-Match")
    if wanted is not None and (etag is None or not matches(wanted, etag, weak=False)):
        raise Problem(
            HTTPStatus.PRECONDITION_FAILED,
            "changed_meanwhile",
            "Somebody changed this since you read it, so that nothing was changed now. Read it again (GET), and send "
            "your change with the new ETag as If-Match.",
            headers={"ETag": etag} if etag else {},
        )


def is_unchanged(request: HttpRequest, etag: str) -> bool:
    """Return whether the client holds this representation already (`If-None-Match`)."""
    known = request.headers.get("If-None-Match")
    return known is not None and matches(known, etag, weak=True)


def matches(header: str, etag: str, *, weak: bool) -> bool:
    """Return whether a list of entity tags names `etag`; what cannot be read matches nothing."""
    position = 0
    while position < len(header):
        found = _ETAGS.match(header, position)
        if found is None:
            return False
        if found["any"] or (f'"{found["tag"]}"' == etag and (weak or not found["weak"])):
            return True
        position = found.end()
    return False
