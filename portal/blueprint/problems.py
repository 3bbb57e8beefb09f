"""What is wrong with a blueprint, and where it says so."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from isolation.exceptions import DomainError

Path: TypeAlias = tuple[str | int, ...]

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        where: "acme.yaml:12:7", or the name of a variable.
        path: what it is about, from the top of the document; () is the document as a whole.
        message: a sentence that says what to do instead.
    """

    where: str
    path: Path
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (shown(self.where), spelled(self.path), shown(self.message)) if part)


class BlueprintError(DomainError):
    """A blueprint is refused, and nothing was changed by it.

    Args:
        problems: at least one, in the order of the document.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems[:_MOST_SHOWN]]
        if len(self.problems) > _MOST_SHOWN:
            lines.append(f"… and {len(self.problems) - _MOST_SHOWN} more.")
        super().__init__("\n".join(lines), code="blueprint")


def spelled(path: Path) -> str:
    """Return a path as people write it: organizations.acme.roles.reviewer.permissions[2]."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f'["{shown(part)}"]'
    return text


def shown(text: str) -> str:
    """Return a text that can be printed to a terminal: what would move the cursor or turn the line is escaped."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
