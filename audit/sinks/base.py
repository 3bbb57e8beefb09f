"""What a destination is: how it is set up, what it promises, and how it takes a batch."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from isolation.exceptions import DomainError


class Entry(StrEnum):
    """How an option is typed in."""

    TEXT = "text"
    URL = "url"
    LONG = "long"
    NUMBER = "number"
    FLAG = "flag"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class Option:
    """Something that a destination has to be told.

    Attributes:
        name: in the API and in what is stored.
        label: what people read.
        help: a sentence: where to find it.
        entry: how it is typed in.
        secret: kept encrypted, never shown again.
        required: whether it must not be empty.
        default: what a new sink starts with.
        choices: (value, label) of a `CHOICE`.
        is_address: whether secrets are sent to it, also where it is no URL.
    """

    name: str
    label: str
    help: str = ""
    entry: Entry = Entry.TEXT
    secret: bool = False
    required: bool = True
    default: Any = ""
    choices: tuple[tuple[str, str], ...] = ()
    is_address: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One event on its way.

    Attributes:
        seq: its number in its log.
        id: the event's id; the same each time that it is sent.
        log: its organization, or `isolation.scope.INSTALLATION`.
        time: when it happened.
        action: its action's name.
        text: the record: one line, JSON unless the format is one of text.
        went_well: whether what it tells of succeeded.
        is_checkpoint: whether it is no event but a checkpoint, over the event `seq` and those before it.
    """

    seq: int
    id: str
    log: UUID
    time: datetime
    action: str
    text: str
    went_well: bool = True
    is_checkpoint: bool = False

    @property
    def size(self) -> int:
        """Return about how many bytes it takes."""
        return (len(self.text) if self.text.isascii() else len(self.text.encode())) + 64


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that a receiver took out of a batch and will never accept.

    Attributes:
        position: of the event in the batch.
        reason: in the receiver's words, shortened.
    """

    position: int
    reason: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What a receiver takes at once.

    Attributes:
        events: in a batch.
        bytes: in a batch.
        item: bytes of one event; a larger one is set aside without being sent. None: no limit of its own.
    """

    events: int = 500
    bytes: int = 1_000_000
    item: int | None = None


class Destination(ABC):
    """Speaks one receiver's protocol; made anew for each turn of delivery, and used by one thread.

    Args:
        options: what the sink was told, by the names of `options`; secret ones among them.
        sink_id: the sink's id.
    """

    kind: ClassVar[str]
    label: ClassVar[str]
    summary: ClassVar[str]
    """A sentence for who chooses."""
    steps: ClassVar[tuple[str, ...]]
    """What has to be done there and here, in order, each in a sentence or two."""
    guarantee: ClassVar[str]
    """What an acknowledgement of this receiver is worth, honestly."""
    options: ClassVar[tuple[Option, ...]]
    limits: ClassVar[Limits] = Limits()
    batch_seconds: ClassVar[int] = 1
    """Seconds that a new sink's batch waits for more."""
    takes_text: ClassVar[bool] = False
    """Whether records may be text (CEF, LEEF); the others want JSON."""
    for_operators: ClassVar[bool] = False
    """Whether only the installation can have it: it reaches this machine."""

    def __init__(self, options: Mapping[str, Any], sink_id: UUID) -> None:
        self.given = options
        self.sink_id = sink_id

    @classmethod
    def missing(cls) -> str:
        """Return what has to be installed before it can be used; "" when nothing is."""
        return ""

    @classmethod  # noqa: B027 - most have nothing to refuse
    def check(cls, options: Mapping[str, Any]) -> None:
        """Refuse options that cannot work, without asking the receiver.

        Raises:
            DomainError: with the option's name as its field.
        """

    @classmethod
    def takes_checkpoints(cls, options: Mapping[str, Any]) -> bool:  # noqa: ARG003 - for those with a strict layout
        """Return whether records of its layout may be checkpoints too."""
        return True

    @classmethod
    def made_secrets(cls, given: Mapping[str, Any]) -> dict[str, str]:  # noqa: ARG003 - for those that make one
        """Return the secrets that a new sink needs and that nobody types in.

        Args:
            given: what was typed in.
        """
        return {}

    @classmethod
    def rotated_secrets(cls, old: Mapping[str, str]) -> dict[str, str] | None:  # noqa: ARG003 - the same
        """Return a sink's secrets with a new one of ours in place of the old one; None when it has none of ours."""
        return None

    @classmethod
    def public_key(cls, stored: Mapping[str, str]) -> str:  # noqa: ARG003 - the same
        """Return the key by which the receiver verifies signatures; "" when there are none."""
        return ""

    @abstractmethod
    def send(self, batch: Sequence[Item]) -> list[Rejection]:
        """Send a batch, and return when the receiver has acknowledged it.

        Returns:
            The events that it rejected for good; all others are delivered.

        Raises:
            Later: it cannot take the batch now.
            Blocked: it takes nothing until somebody changes something.
            Refused: it does not accept the batch; with fewer events it might.
        """

    @property
    def window(self) -> int:
        """Return for how many seconds before a failure events are sent again; 0 where acknowledgements are given."""
        return 0

    def settle(self) -> None:  # noqa: B027 - only where nothing is acknowledged
        """End a turn: make as sure as can be that what was sent has arrived.

        Raises:
            Later: nothing of this turn counts as delivered.
        """

    def close(self) -> None:  # noqa: B027 - most keep none
        """Let go of connections."""


def refuse(name: str, text: str) -> DomainError:
    """Return the error of an option that cannot be used."""
    return DomainError(text, field=name, code="invalid")
