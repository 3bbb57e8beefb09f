"""A form that makes something can be sent once: reloading its answer makes no second row.

The id of the new row is chosen when the form is drawn, and signed. Sent again, by a reload, the back button or a double
click, it names a row that exists already; of two at the same moment the database lets one in.
"""

from uuid import UUID, uuid4

from django.core import signing
from django.http import HttpRequest

from isolation.exceptions import DomainError

FIELD = "once"
_SALT = "console.once"
_MAX_AGE = 24 * 60 * 60


def token(request: HttpRequest, purpose: str) -> str:
    """Return the signed id for one more row.

    Args:
        request: the running request; the token is its user's alone.
        purpose: which form it is.
    """
    return signing.dumps(f"{_holder(request, purpose)} {uuid4()}", salt=_SALT)


def kept_token(request: HttpRequest, purpose: str) -> tuple[str, UUID]:
    """Return the token that the posted form carries, as long as it counts, otherwise a new one; and its row's id.

    For a form that shows the id of the row that it will make.
    """
    try:
        return request.POST[FIELD], row_id(request, purpose)
    except (KeyError, DomainError):
        made = token(request, purpose)
        return made, _row_id(made, _holder(request, purpose))


def row_id(request: HttpRequest, purpose: str) -> UUID:
    """Return the id that the posted form carries.

    Raises:
        DomainError: it carries none, another form's or an old one; the page that says so carries a fresh one.
    """
    return _row_id(request.POST.get(FIELD, ""), _holder(request, purpose))


def _row_id(text: str, wanted_holder: str) -> UUID:
    try:
        holder, _, value = str(signing.loads(text, salt=_SALT, max_age=_MAX_AGE)).rpartition(" ")
    except signing.BadSignature:
        holder = value = ""
    if holder != wanted_holder:
        raise DomainError("This page was open for too long. Look it over and send it again.", code="stale_form")
    return UUID(value)


def _holder(request: HttpRequest, purpose: str) -> str:
    organization = getattr(request, "organization", None)
    return f"{purpose} {getattr(organization, 'pk', '')} {request.user.pk}"
