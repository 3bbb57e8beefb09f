"""Reads the text of a query. It knows how terms are written, not what their values mean."""

from collections.abc import Collection

from .errors import QueryError
from .terms import Query, Term, Value

LONGEST = 500
"""Characters of a query."""
MOST_TERMS = 20
MOST_VALUES = 20

_PREFIX = "*"


def parse(text: str, names: Collection[str]) -> Query:
    """Return the query that a text is.

    Args:
        text: what was typed.
        names: the qualifiers that there are.

    Raises:
        QueryError: it is no query; the message says where and what is allowed.
    """
    if len(text) > LONGEST:
        raise QueryError(f"A query has {LONGEST} characters at most.", position=LONGEST)
    if "\x00" in text:
        raise QueryError("This character is in no event.", position=text.index("\x00"))
    reader = _Reader(text, names)
    terms: list[Term] = []
    while reader.skip_spaces():
        if len(terms) == MOST_TERMS:
            raise QueryError(f"A query has {MOST_TERMS} conditions at most.", position=reader.at)
        terms.append(reader.term())
    return Query(tuple(terms))


class _Reader:
    """Walks through the text once."""

    def __init__(self, text: str, names: Collection[str]) -> None:
        self.text = text
        self.names = names
        self.at = 0

    def skip_spaces(self) -> bool:
        """Move to the next term; return whether there is one."""
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.at < len(self.text)

    def term(self) -> Term:
        start = self.at
        negated = self._take("-")
        name = self._name()
        values = [self._value(name)]
        while name and self._take(","):
            if len(values) == MOST_VALUES:
                raise QueryError(f"One condition has {MOST_VALUES} values at most.", position=self.at)
            values.append(self._value(name))
        if self.at < len(self.text) and not self.text[self.at].isspace():
            raise QueryError(
                "Put a space before this, or quotes around all of the value.", position=self.at, piece=self._word()
            )
        return Term(name, tuple(values), negated, start)

    def _name(self) -> str:
        """Return the qualifier that stands here, "" before a free word."""
        word = self._word()
        name, colon, _ = word.partition(":")
        if not colon or '"' in name or "," in name:
            return ""
        if name.lower() not in self.names:
            raise QueryError(
                f"There is no qualifier “{name[:40]}”. There are {', '.join(self.names)}. "
                "To search for these very words, put them in quotes.",
                position=self.at,
                piece=word,
            )
        self.at += len(name) + 1
        return name.lower()

    def _value(self, name: str) -> Value:
        start = self.at
        text = self._quoted() if self._take('"') else self._bare(comma_ends=bool(name))
        prefix = self._take(_PREFIX)
        if not text:
            self._refuse_empty(name, start, prefix=prefix)
        return Value(text, prefix, start)

    def _refuse_empty(self, name: str, start: int, *, prefix: bool) -> None:
        if prefix:
            raise QueryError("Write the beginning of the value before the *.", position=start, piece=_PREFIX)
        what = f"Write a value after {name}: (without a space)." if name else "Write a word here."
        raise QueryError(what, position=start)

    def _quoted(self) -> str:
        start = self.at - 1
        text: list[str] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 1
            if char == '"':
                return "".join(text)
            if char == "\\" and self.text[self.at : self.at + 1] in {'"', "\\"}:
                char = self.text[self.at]
                self.at += 1
            text.append(char)
        raise QueryError("The quotes that open here are never closed.", position=start, piece=self.text[start:])

    def _bare(self, *, comma_ends: bool) -> str:
        start = self.at
        while self.at < len(self.text):
            char = self.text[self.at]
            if char.isspace() or char in {'"', _PREFIX} or (char == "," and comma_ends):
                break
            self.at += 1
        return self.text[start : self.at]

    def _word(self) -> str:
        end = self.at
        while end < len(self.text) and not self.text[end].isspace():
            end += 1
        return self.text[self.at : end]

    def _take(self, char: str) -> bool:
        if self.text.startswith(char, self.at):
            self.at += 1
            return True
        return False
