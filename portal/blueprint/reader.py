"""Reads a YAML file into plain values, and keeps where each of them stands.

PyYAML composes the nodes; how they become values is decided here: words are texts (``no`` is not False), a key stands
once, aliases cannot grow without end, and nothing but maps, lists, texts, whole numbers, true, false and null exists.
Only a project's metadata, which is any JSON, has fractions and long numbers besides.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path as FilePath
from typing import Any

import yaml

from .problems import BlueprintError, Path, Problem

MOST_BYTES = 2 * 1024 * 1024
MOST_VALUES = 200_000
DEEPEST = 25  # metadata of 20 levels, below the five that lead to it

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
# What YAML 1.1, and so the export, takes for a number: 1e5 is a text. More digits Python does not read.
_LONG_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,4299})")
_FRACTION = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+][0-9]+)?")
_LARGEST_FRACTION = 10**16  # from here on Python writes an exponent, and PostgreSQL a whole number
_WORDS: dict[str, Any] = {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
    "null": None,
    "Null": None,
    "NULL": None,
    "~": None,
    "": None,
}
_TAGS = {f"tag:yaml.org,2002:{name}": name for name in ("map", "seq", "str")}


@dataclass
class Source:
    """A document and where it came from.

    Attributes:
        name: the file's name, as it is printed.
        data: the document.
        keys: for each path below a map, line and column of its key.
        values: for each path, line and column of its value.
        names: for a document that is no file, the name of the variable behind a path.
        secrets: for such a document, what its references lead to.
    """

    name: str
    data: Any
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)
    names: dict[Path, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)

    def problem(self, path: Path, message: str, *, at_key: bool = False) -> Problem:
        """Return a problem with the place that is nearest to the path.

        Args:
            path: what the problem is about; it need not be in the document.
            message: the sentence.
            at_key: whether the key is wrong, and not its value.
        """
        for length in range(len(path), -1, -1):
            near = path[:length]
            if near in self.names:
                return Problem(self.names[near], (), message)
            marks = (self.keys, self.values) if at_key or length < len(path) else (self.values, self.keys)
            mark = marks[0].get(near) or marks[1].get(near)
            if mark:
                return Problem(f"{self.name}:{mark[0]}:{mark[1]}", path, message)
        return Problem(self.name, path, message)


def read(file: FilePath) -> Source:
    """Return the document of a file.

    Raises:
        BlueprintError: it cannot be read, or is not the YAML that is wanted here.
    """
    name = str(file)
    try:
        with file.open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "no such file"
        raise BlueprintError([Problem(name, (), f"This file cannot be read: {reason}.")]) from error
    if len(raw) > MOST_BYTES:
        raise BlueprintError([Problem(name, (), f"The file is larger than {MOST_BYTES // 2**20} MiB.")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BlueprintError([Problem(f"{name}:{line}", (), "This is not UTF-8 text.")]) from error
    return parse(text, name=name)


def parse(text: str, *, name: str) -> Source:
    """Return the document of a text.

    Args:
        text: YAML.
        name: what errors call it.

    Raises:
        BlueprintError: it is not the YAML that is wanted here.
    """
    try:
        node = _compose(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        said = " ".join(part for part in (error.context, error.problem) if part)
        raise BlueprintError([Problem(where, (), f"This is not YAML: {said}.")]) from error
    except yaml.YAMLError as error:  # the reader's: a character that no YAML may have
        position = getattr(error, "position", 0)
        where = f"{name}:{text.count(chr(10), 0, position) + 1}"
        raise BlueprintError([Problem(where, (), "There is a character that YAML does not allow.")]) from error
    except (ValueError, OverflowError) as error:  # "\UFFFFFFFF"
        raise BlueprintError([Problem(name, (), "There is an escaped character that does not exist.")]) from error
    except RecursionError as error:
        raise BlueprintError([Problem(name, (), f"This is nested deeper than {DEEPEST} levels.")]) from error
    if node is None:
        raise BlueprintError([Problem(name, (), "The file is empty. Begin with: version: 1")])
    source = Source(name, None)
    _Reading(source).document(node)
    return source


def _compose(text: str) -> yaml.Node | None:
    """Return the root node; words stay words, because no resolver guesses."""
    loader = _Loader(text)
    try:
        node: yaml.Node | None = loader.get_single_node()
    finally:
        loader.dispose()
    return node


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}


class _Reading:
    """Turns nodes into values; the first problem ends it, because what follows is seldom true."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._left = MOST_VALUES

    def document(self, node: yaml.Node) -> None:
        self._source.data = self._value(node, ())

    def _value(self, node: yaml.Node, path: Path) -> Any:
        self._source.values[path] = _mark(node)
        self._left -= 1
        if self._left < 0:
            self._refuse(path, f"There are more than {MOST_VALUES} values, those that aliases repeat included.")
        if len(path) > DEEPEST:
            self._refuse(path[:DEEPEST], f"This is nested deeper than {DEEPEST} levels.")
        kind = _TAGS.get(node.tag)
        if isinstance(node, yaml.MappingNode) and kind == "map":
            return {key: self._value(child, (*path, key)) for key, child in self._entries(node, path)}
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            return [self._value(child, (*path, number)) for number, child in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and kind == "str":
            return self._scalar(node, path)
        self._refuse(path, f"The tag {node.tag} is not allowed here. Remove it.")
        raise AssertionError  # not reached

    def _entries(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[str, yaml.Node]]:
        seen: dict[str, int] = {}
        for key_node, child in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._source.values[(*path, "?")] = _mark(key_node)
                self._refuse((*path, "?"), "A key is a word, not a list or a map.")
            key = str(key_node.value)
            place = (*path, key)
            mark = _mark(key_node)
            if key in seen:
                self._source.keys[place] = mark
                self._refuse(place, f"This stands twice: first in line {seen[key]}. Keep one of them.", at_key=True)
            self._source.keys[place] = mark
            self._refuse_unstorable(key, place, at_key=True)
            if key == "<<" and key_node.style is None:
                self._refuse(place, "Merging maps by << is not supported. Write the entries out.", at_key=True)
            seen[key] = mark[0]
            yield key, child

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text = str(node.value)
        if node.style is None:
            if text in _WORDS:
                return _WORDS[text]
            if _NUMBER.fullmatch(text):
                return int(text)
            if _is_metadata(path) and _LONG_NUMBER.fullmatch(text):
                return int(text)
            if _is_metadata(path) and _FRACTION.fullmatch(text):
                return self._fraction(text, path)
        self._refuse_unstorable(text, path)
        return text

    def _fraction(self, text: str, path: Path) -> float | int:
        """Return a number in the form in which it comes back from the database."""
        number = float(text) + 0.0  # -0.0 comes back as 0.0
        if not math.isfinite(number):
            self._refuse(path, f"{text} is too large for a number. Put it in quotes.")
        return number if abs(number) < _LARGEST_FRACTION else int(Decimal(repr(number)))

    def _refuse_unstorable(self, text: str, path: Path, *, at_key: bool = False) -> None:
        """Refuse what PostgreSQL cannot store: NUL, and half a surrogate pair."""
        for character in text:
            if character == "\0" or "\ud800" <= character <= "\udfff":
                self._refuse(path, f"The character U+{ord(character):04X} cannot be stored. Remove it.", at_key=at_key)

    def _refuse(self, path: Path, message: str, *, at_key: bool = False) -> None:
        raise BlueprintError([self._source.problem(path, message, at_key=at_key)])


def _is_metadata(path: Path) -> bool:
    """Return whether a place is in a project's metadata: organizations.acme.projects.chatbot.metadata and below."""
    return len(path) > 5 and (path[0], path[2], path[4]) == ("organizations", "projects", "metadata")  # noqa: PLR2004 - counts the line above


def _mark(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
