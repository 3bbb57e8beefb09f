"""Which attributes of a resource are returned (RFC 7644 section 3.9)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scim2_models import Context, Path

from .errors import bad_request
from .resources import CORE_GROUP, CORE_USER, ENTERPRISE_USER, POLICY, User

_ALWAYS = frozenset({"schemas", "id"})
_MOST_PATHS = 200
_FILTER = re.compile(r"\[[^\]]*\]")
_COMMA = re.compile(r",(?![^\[]*\])")
_CORE = tuple(f"{urn.lower()}:" for urn in (CORE_USER, CORE_GROUP))
_EXTENSION = ENTERPRISE_USER.lower()

AttributeNames = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Projection:
    """What a client asked for; names are in lower case, outermost first.

    Attributes:
        included: only these are returned; None: all.
        excluded: these are left out.
        selections: by the name of an included attribute, the path with the filter that its values must meet.
    """

    included: tuple[AttributeNames, ...] | None = None
    excluded: tuple[AttributeNames, ...] = ()
    selections: Mapping[str, str] = field(default_factory=dict)

    def wants(self, name: str) -> bool:
        """Return whether a top-level attribute is returned at all: what is not need not be loaded."""
        key = name.lower()
        if self.included is not None:
            return any(path[0] == key for path in self.included)
        return (key,) not in self.excluded

    def apply(self, resource: dict[str, Any]) -> dict[str, Any]:
        """Return the resource without what was not asked for."""
        if self.included is not None:
            kept = {name: value for name, value in resource.items() if name.lower() in _ALWAYS}
            for name, value in resource.items():
                rests = [path[1:] for path in self.included if path[0] == name.lower()]
                if rests and name not in kept:
                    chosen = _selected(value, self.selections.get(name.lower()))
                    part = chosen if () in rests else _only(chosen, rests)
                    if part not in ({}, []):
                        kept[name] = part
            return kept
        if not self.excluded:
            return resource
        kept = {}
        for name, value in resource.items():
            rests = [path[1:] for path in self.excluded if path[0] == name.lower()]
            if name.lower() in _ALWAYS or not rests:
                kept[name] = value
            elif () not in rests:
                kept[name] = _without(value, rests)
        return kept


EVERYTHING = Projection()


def projection(attributes: Iterable[str], excluded: Iterable[str]) -> Projection:
    """Return what the parameters `attributes` and `excludedAttributes` ask for.

    Raises:
        ScimError: 400, too many names.
    """
    wanted, unwanted = list(attributes), list(excluded)
    selections = {path.partition("[")[0].strip().lower(): path for path in wanted if "[" in path}
    if len(wanted) + len(unwanted) > _MOST_PATHS:
        raise bad_request(f"Name {_MOST_PATHS} attributes at most.")
    return Projection(tuple(map(_names, wanted)) if wanted else None, tuple(map(_names, unwanted)), selections)


def listed(text: str | None) -> list[str]:
    """Return the names of a comma-separated parameter; commas inside a value filter do not separate."""
    if not text:
        return []
    return [name.strip() for name in _COMMA.split(text) if name.strip()]


def _names(path: str) -> AttributeNames:
    path = _FILTER.sub("", path).strip().lower()
    for prefix in _CORE:
        path = path.removeprefix(prefix)
    if path == _EXTENSION:
        return (path,)
    if path.startswith((f"{_EXTENSION}:", f"{_EXTENSION}.")):
        return (_EXTENSION, *path[len(_EXTENSION) + 1 :].split("."))
    return tuple(path.split("."))


def _selected(value: Any, path: str | None) -> Any:
    """Return the values of a multi-valued attribute that a path such as ``emails[type eq "work"]`` names.

    Raises:
        SCIMException: 400, the path cannot be read.
    """
    if path is None or not isinstance(value, list):
        return value
    name = path.partition("[")[0].strip()
    chosen = Path[User](path.partition("]")[0] + "]")
    holder = User.model_validate({name: value}, scim_ctx=Context.DEFAULT, scim_policy=POLICY)
    return [entry.model_dump(scim_ctx=Context.DEFAULT) for entry in chosen.get(holder) or []]


def _only(value: Any, rests: Sequence[AttributeNames]) -> Any:
    if isinstance(value, list):
        return [part for item in value if (part := _only(item, rests)) != {}]
    if not isinstance(value, dict):
        return {}
    kept = {}
    for name, inner in value.items():
        deeper = [rest[1:] for rest in rests if rest and rest[0] == name.lower()]
        if deeper:
            kept[name] = inner if () in deeper else _only(inner, deeper)
    return kept


def _without(value: Any, rests: Sequence[AttributeNames]) -> Any:
    if isinstance(value, list):
        return [_without(item, rests) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, inner in value.items():
        deeper = [rest[1:] for rest in rests if rest and rest[0] == name.lower()]
        if () not in deeper:
            kept[name] = _without(inner, deeper) if deeper else inner
    return kept
