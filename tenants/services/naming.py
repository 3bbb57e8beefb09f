"""Names and identifiers: what is accepted, and the naming patterns that operators and organizations set."""

import math
import re

from django.core.exceptions import ValidationError

from isolation.exceptions import DomainError
from tenants.models.organization import SLUG

_LONGEST = 120
# A name is shown in mails, logs and pages: no control characters, and no marks that turn the reading direction.
_UNSHOWABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_LONGEST_IDENTIFIER = 63
# Ways in which the matcher may have to try one identifier before it gives up: under a second.
_MOST_WAYS = 2_000_000
_TOKEN = re.compile(
    r"""(?P<single>\[\^?\]?(?:\\.|[^\]\\])*\]|\\\D)
    |(?P<special>\(\?(?!:)|\\\d)
    |(?P<optional>\?[?+]?)
    |(?P<exact>\{\d+\}[?+]?)
    |(?P<repeat>(?:[*+]|\{\d*,\d*\})[?+]?)
    |(?P<alternative>\|)
    |(?P<close>\))
    |(?P<other>\(\?:|.)""",
    re.VERBOSE | re.DOTALL,
)


def check_name(name: str, *, field: str = "name", longest: int = _LONGEST) -> str:
    """Return the name without outer white space.

    Args:
        name: the name.
        field: the form field to blame.
        longest: how many characters it may have.

    Raises:
        DomainError: empty, too long, or with characters that cannot be shown.
    """
    name = name.strip()
    if not name:
        raise DomainError("Give it a name.", field=field, code="required")
    if len(name) > longest:
        raise DomainError(f"Use {longest} characters at most.", field=field, code="too_long")
    if _UNSHOWABLE.search(name):
        raise DomainError("The name has characters that cannot be shown.", field=field, code="invalid")
    return name


def tidy_name(name: str) -> str:
    """Return a person's name on one line, without what cannot be shown; mails to others begin with it."""
    return " ".join(_UNSHOWABLE.sub(" ", name).split())


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
        SLUG(slug.replace("\n", " "))  # "$" would let a last line break pass
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
        DomainError: it does not compile, or a crafted identifier could keep the matcher busy.
    """
    pattern = pattern.strip()
    try:
        re.compile(pattern)
    except re.error as error:
        raise DomainError(f"This is not a regular expression: {error}.", field=field, code="invalid") from error
    _refuse_slow(pattern, field)
    return pattern


def _refuse_slow(pattern: str, field: str) -> None:
    """Refuse a pattern that an identifier of 63 characters could match in too many ways.

    Python's matcher tries them all before it gives up, and holds the whole process meanwhile. Repeating only single
    characters, k repetitions share 63 characters in at most C(63 + k, k) ways; each alternative and each optional part
    doubles that at most.
    """
    repeats = choices = 0
    before = ""
    for token in _TOKEN.finditer(pattern):
        kind = str(token.lastgroup)
        if kind == "special":
            problem = "Use no look-ahead, no flags, no named groups and no references"
            raise DomainError(f"{problem}, only (...) and (?:...).", field=field, code="invalid")
        if kind in {"exact", "repeat"} and before == "close":
            problem = "Do not repeat a repetition, as in (a+)+, nor a group at all"
            raise DomainError(f"{problem}; a group may be optional: (-[a-z]+)?.", field=field, code="invalid")
        repeats += kind == "repeat"
        choices += kind in {"optional", "alternative"}
        before = kind
    if math.comb(_LONGEST_IDENTIFIER + repeats, repeats) * 2**choices > _MOST_WAYS:
        problem = "There are too many repetitions and alternatives in this pattern"
        raise DomainError(f"{problem}: keep to three repetitions and five alternatives.", field=field, code="invalid")
