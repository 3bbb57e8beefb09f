"""The published JSON Schema, and what it says about a document in words and with its lines."""

import json
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path as FilePath
from typing import Any

from jsonschema import Draft202012Validator

from .problems import BlueprintError, Path, Problem
from .reader import Source

FILE = FilePath(__file__).with_name("schema.json")
DIALECT = "https://json-schema.org/draft/2020-12/schema"
SECTIONS = (
    "projects",
    "roles",
    "members",
    "groups",
    "service_accounts",
    "keys",
    "domains",
    "sso_connections",
    "sso_setup_links",
    "sign_in_policy",
    "sinks",
    "provider_credentials",
    "usage_limits",
)
REFERENCES = {"secret", "password", "client_secret", "secrets", "token"}
KEY_KINDS = ("project", "organization", "service_account")

_NAMES = {
    "object": "a map (name: value)",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}
_LONGEST_LIST = 8


def published() -> dict[str, Any]:
    """Return the checked-in schema."""
    schema: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return schema


def check(source: Source) -> None:
    """Refuse a document that the schema does not allow.

    Raises:
        BlueprintError: with every problem, in the order of the document.
    """
    errors = _validator().iter_errors(source.data)
    problems = [problem for error in errors for problem in _problems(error, source)]
    if problems:
        raise BlueprintError(sorted(set(problems), key=_position))


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(published())


def _position(problem: Problem) -> tuple[int, ...]:
    return tuple(int(part) for part in problem.where.rsplit(":", 2)[1:] if part.isdigit())


def _problems(error: Any, source: Source) -> Iterator[Problem]:
    path: Path = tuple(error.absolute_path)
    if error.context:  # anyOf: role key or null
        yield from _problems(error.context[0], source)
    elif error.validator == "additionalProperties":
        allowed = list(error.schema["properties"])
        for name in sorted(set(error.instance) - set(allowed)):
            yield source.problem((*path, name), closest("field", name, allowed), at_key=True)
    elif error.parent is None and "propertyNames" in error.schema_path:
        yield source.problem((*path, error.instance), _sentence(error), at_key=True)
    elif REFERENCES & set(path[:-1]):
        yield source.problem(path, "Name a variable or a file that holds the secret, never the secret itself.")
    else:
        yield source.problem(path, _sentence(error))


def _sentence(error: Any) -> str:
    say = _SENTENCES.get(str(error.validator))
    return say(error) if say else f"This is not allowed here: {error.validator}."


def closest(what: str, name: Any, allowed: Sequence[Any]) -> str:
    """Return that a name is not known, with the nearest one that is."""
    close = get_close_matches(str(name), [str(candidate) for candidate in allowed], n=1, cutoff=0.6)
    if close:
        return f"There is no {what} {name}. Did you mean {close[0]}?"
    if len(allowed) <= _LONGEST_LIST:
        return f"There is no {what} {name}. Use {', '.join(map(str, allowed))}."
    return f"There is no {what} {name}. See docs/blueprint.md."


def _type(error: Any) -> str:
    wanted = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
    hint = ""
    if "object" in wanted and error.instance is None:
        hint = " Write {} for an empty one."
    elif wanted == ["string"] and not isinstance(error.instance, dict | list | None):
        hint = " Put it in quotes."
    return f"This must be {' or '.join(_NAMES[name] for name in wanted)}.{hint}"


def _enum(error: Any) -> str:
    allowed = list(error.validator_value)
    if isinstance(error.instance, dict | list):
        return f"This must be one of {', '.join(allowed)}."
    what = "permission" if "api_keys:read" in allowed else "choice"
    return closest(what, error.instance, allowed)


def _pattern(error: Any) -> str:
    value = str(error.instance)
    pattern = str(error.validator_value)
    if "@" in pattern:
        return f"{value or 'This'} is no e-mail address."
    if pattern == r"\S":
        return "This must not be empty."
    if pattern.startswith("^[a-z0-9]"):
        return f"{value} is no identifier: use lower-case letters, digits and hyphens, 63 at most."
    return f"{value} does not match {pattern}."


def _properties(error: Any) -> str:
    return f"Give one of {', '.join(error.schema['properties'])}, and only one."


def _required(error: Any) -> str:
    missing = [name for name in error.validator_value if name not in error.instance]
    return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing."


_SENTENCES: dict[str, Callable[[Any], str]] = {
    "type": _type,
    "enum": _enum,
    "const": lambda error: f"This must be {error.validator_value}.",
    "required": _required,
    "pattern": _pattern,
    "maxLength": lambda error: f"Use {error.validator_value} characters at most.",
    "minItems": lambda _: "Name at least one.",
    "uniqueItems": lambda _: "Something stands in this list twice.",
    "minimum": lambda error: f"Use {error.validator_value} or more.",
    "maximum": lambda error: f"Use {error.validator_value} or less.",
    "minProperties": _properties,
    "maxProperties": _properties,
}
