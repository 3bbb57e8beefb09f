"""Mappings that the operator writes: where each value of a request, an answer and an event of a stream comes from.

    {"legacy": {
        "path": "/generate",
        "request": {"inputs": "messages.-1.content", "parameters.max_new_tokens": "max_tokens"},
        "response": {"choices.0.message.content": "generated_text", "usage.completion_tokens": "details.tokens"},
        "event": {"choices.0.delta.content": "token.text"},
        "constants": {"response": {"object": "chat.completion"}}
    }}

The left side is the place in what is made, the right side the place in what came; a place is names and list positions
with dots between them. What came and is not named does not go on.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.transformer.events import Event
from gateway.transformer.events import event as _event

_MISSING = object()
_KNOWN = frozenset({"path", "request", "response", "event", "constants"})
_PARTS = ("request", "response", "event")
MOST_POSITIONS = 1000


class WrongMapping(ValueError):  # noqa: N818 - reads as the statement it is
    """A mapping in the operator's file that cannot work; its text says which and why."""


@dataclass(frozen=True, slots=True)
class Configured:
    """One mapping of the operator's file.

    Attributes:
        target: the path of the provider, or "" for the client's own.
        rules: for each part the pairs of places.
        constants: for each part what is always there.
    """

    target: str
    rules: Mapping[str, Mapping[str, str]]
    constants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def path(self, path: str) -> str:
        """Return the provider's path."""
        return self.target or path

    def request(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the request in the provider's shape."""
        return self._made("request", body)

    def response(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the answer in the client's shape."""
        return self._made("response", body)

    def error(self, body: dict[str, Any], status: int) -> dict[str, Any]:
        """Return the error as it came: its shape is nobody's."""
        return body

    def stream(self, model: str) -> "ConfiguredStream":
        """Return what turns the events of one answer."""
        return ConfiguredStream(self)

    def event(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return an event's data in the client's shape."""
        return self._made("event", body)

    def _made(self, part: str, body: dict[str, Any]) -> dict[str, Any]:
        if part not in self.rules:
            return body
        made: dict[str, Any] = {}
        for place, value in self.constants.get(part, {}).items():
            _put(made, place.split("."), value)
        for place, source in self.rules[part].items():
            value = _taken(body, source.split("."))
            if value is not _MISSING:
                _put(made, place.split("."), value)
        return made


class ConfiguredStream:
    """One streamed answer.

    Args:
        mapping: whose rules turn its events.
    """

    def __init__(self, mapping: Configured) -> None:
        self._mapping = mapping
        self._is_over = False

    def feed(self, event: Event) -> Iterator[bytes]:
        """Yield what an event becomes."""
        found = event.document()
        if found is not None:
            yield _event(self._mapping.event(found), event.name)
        elif event.data:
            self._is_over = True
            yield event.raw

    def end(self) -> Iterator[bytes]:
        """Yield the end, unless the provider said it."""
        if not self._is_over:
            yield _event("[DONE]")


def read_mappings(path: Path) -> dict[str, Configured]:
    """Return the mappings of a file by name.

    Args:
        path: of the JSON file.

    Raises:
        WrongMapping: the file cannot be read, or a mapping is not as described.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WrongMapping(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(found, dict):
        raise WrongMapping(f"{path} holds no object of mappings by name.")
    return {name: _configured(name, value) for name, value in found.items()}


def _configured(name: str, value: Any) -> Configured:
    if not isinstance(value, dict) or set(value) - _KNOWN:
        raise WrongMapping(f"The mapping {name!r} has parts besides {', '.join(sorted(_KNOWN))}.")
    rules = {part: value[part] for part in _PARTS if part in value}
    constants = value.get("constants", {})
    if not isinstance(constants, dict) or set(constants) - set(_PARTS):
        raise WrongMapping(f"The constants of the mapping {name!r} are by part: {', '.join(_PARTS)}.")
    for part, pairs in [*rules.items(), *constants.items()]:
        if not isinstance(pairs, dict) or not all(_is_place(place) for place in pairs):
            raise WrongMapping(f"The part {part!r} of the mapping {name!r} is no object of places.")
    for part, pairs in rules.items():
        if not all(isinstance(source, str) and _is_place(source) for source in pairs.values()):
            raise WrongMapping(f"The part {part!r} of the mapping {name!r} names a place that is none.")
    target = value.get("path", "")
    if not isinstance(target, str) or (target and not target.startswith("/")):
        raise WrongMapping(f"The path of the mapping {name!r} does not begin with a slash.")
    return Configured(target, rules, constants)


def _is_place(place: str) -> bool:
    names = place.split(".")
    return all(names) and all(abs(int(name)) < MOST_POSITIONS for name in names if _is_position(name))


def _is_position(name: str) -> bool:
    return name.removeprefix("-").isdecimal()


def _taken(value: Any, names: list[str]) -> Any:
    for name in names:
        if isinstance(value, dict):
            value = value.get(name, _MISSING)
        elif isinstance(value, list) and _is_position(name):
            position = int(name)
            value = value[position] if -len(value) <= position < len(value) else _MISSING
        else:
            return _MISSING
    return value


def _put(made: Any, names: list[str], value: Any) -> None:
    for name, following in zip(names, [*names[1:], None], strict=True):
        last = following is None
        empty: Any = [] if following is not None and _is_position(following) else {}
        if isinstance(made, list):
            position = max(int(name), 0) if _is_position(name) else 0
            while len(made) <= position:
                made.append(None)
            if last:
                made[position] = value
            elif made[position] is None:
                made[position] = empty
            made = made[position]
        else:
            if last:
                made[name] = value
            made = made.setdefault(name, empty)
