"""What a witness is."""

from dataclasses import dataclass
from typing import Protocol


class WitnessError(Exception):
    """A witness did not keep what it was sent; the message says why."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a witness keeps.

    Attributes:
        key: a name for it, unique in the installation, in the order of time for each log.
        text: the signed note.
    """

    key: str
    text: str


class Witness(Protocol):
    """Keeps notes."""

    name: str
    """Under it the database remembers how far the witness is."""

    def keep(self, notes: list[Note]) -> None:
        """Keep notes, in their order.

        Raises:
            WitnessError: they may not have been kept; they are sent again.
        """
