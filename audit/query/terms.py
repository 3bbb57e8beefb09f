"""What a query is made of; `str()` writes it the way it is typed."""

import re
from dataclasses import dataclass, field

_BARE_WORD = re.compile(r"[\w@.+/#][\w@.+/#-]*")
_BARE_VALUE = re.compile(r"[\w@.+/#:<>=-]+")


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a term.

    Attributes:
        text: what was typed, without quotes.
        prefix: whether it is the beginning only (``member.*``).
        position: where it stands in the text.
    """

    text: str
    prefix: bool = False
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Term:
    """One condition: any of its values; with `negated`, none of them.

    Attributes:
        name: the qualifier, "" for a free word.
        values: at least one.
        negated: whether a "-" stands before it.
        position: where it begins in the text.
    """

    name: str
    values: tuple[Value, ...]
    negated: bool = False
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        bare = _BARE_VALUE if self.name else _BARE_WORD
        values = ",".join(_written(value, bare) for value in self.values)
        return f"{'-' if self.negated else ''}{self.name}{':' if self.name else ''}{values}"


@dataclass(frozen=True, slots=True)
class Query:
    """Conditions that all have to hold."""

    terms: tuple[Term, ...] = ()

    def __str__(self) -> str:
        return " ".join(str(term) for term in self.terms)

    def __bool__(self) -> bool:
        return bool(self.terms)

    def without(self, name: str) -> "Query":
        """Return the query without its terms of one qualifier."""
        return Query(tuple(term for term in self.terms if term.name != name))

    def having(self, name: str, text: str) -> "Query":
        """Return the query with one more term, of one value."""
        return Query((*self.terms, Term(name, (Value(text),))))

    def asks_for(self, name: str) -> bool:
        """Return whether a term of the qualifier is there, not negated."""
        return any(term.name == name and not term.negated for term in self.terms)


def _written(value: Value, bare: re.Pattern[str]) -> str:
    text = value.text
    if not bare.fullmatch(text):
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        text = f'"{escaped}"'
    return f"{text}*" if value.prefix else text
