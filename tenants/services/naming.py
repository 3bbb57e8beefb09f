"""Names and identifiers: what is accepted, and the naming patterns that operators and organizations set."""

import re

from django.core.exceptions import ValidationError

from isolation.exceptions import DomainError
from tenants.models.organization import SLUG

_LONGEST = 120
# A name is shown in mails, logs and pages: no control characters, and no marks that turn the reading direction.
_UNSHOWABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def check_name(name: str, *, field: str = "name") -> str:
    """Return the name without outer white space.

    Raises:
        DomainError: empty, too long, or with characters that cannot be shown.
    """
    name = name.strip()
    if not name:
        raise DomainError("Give it a name.", field=field, code="required")
    if len(name) > _LONGEST:
        raise DomainError(f"Use {_LONGEST} characters at most.", field=field, code="too_long")
    if _UNSHOWABLE.search(name):
        raise DomainError("The name has characters that cannot be shown.", field=field, code="invalid")
    return name


def check_slug(slug: str, pattern: str = "", hint: str = "") -> str:
    """Return the identifier when it is well formed and follows the naming pattern.

    Args:
        slug: the identifier.
        pattern: a regular expression that must match all of it; empty: anything.
        hint: an example, for the error.

    Raises:
        DomainError: on the field ``slug``.
    """
    try:
        SLUG(slug)
    except ValidationError as error:
        raise DomainError(error.messages[0], field="slug", code="invalid") from error
    if pattern and not re.fullmatch(pattern, slug):
        example = f" such as {hint}" if hint else f" of the form {pattern}"
        raise DomainError(
            f"Here, identifiers follow a pattern: choose one{example}.", field="slug", code="naming_pattern"
        )
    return slug


def check_pattern(pattern: str, *, field: str) -> str:
    """Return the regular expression when it compiles and cannot run wild.

    Raises:
        DomainError: it does not compile, or repeats a repetition (which can take minutes on a crafted identifier).
    """
    pattern = pattern.strip()
    try:
        re.compile(pattern)
    except re.error as error:
        raise DomainError(f"This is not a regular expression: {error}.", field=field, code="invalid") from error
    if re.search(r"[*+}]\)*[*+{]", pattern):
        raise DomainError("Do not repeat a repetition, as in (a+)+.", field=field, code="invalid")
    return pattern
