"""What a query can do wrong."""


class QueryError(ValueError):
    """A query cannot be meant as it stands.

    Args:
        message: a sentence that says what is wrong and what is allowed.
        position: where, counted from 0 in the text.
        piece: the piece of the text that it is about.
    """

    def __init__(self, message: str, *, position: int, piece: str = "") -> None:
        self.message, self.position, self.piece = message, position, piece[:40]
        what = f", “{self.piece}”" if piece else ""
        super().__init__(f"At character {position + 1}{what}: {message}")
