"""What is looked for: each rule, with defaults that are on without any set-up."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from uuid import UUID

from isolation.scope import INSTALLATION

from .facts import Facts
from .locations import Locator
from .models import Severity

FIRST_EVENTS = 5
"""With the first events of its log an organization's founder is given their place; nobody needs to hear of it."""


class Kind(Enum):
    """How events become an alert. The threshold means something else for each.

    Attributes:
        unit: what the threshold counts.
        most: the highest threshold that can be chosen.
        has_window: whether the time in which it counts can be chosen.
    """

    EACH = ("", 1, False)
    """Every single event; further ones of the same subject join its alert."""
    COUNT = ("events", 1_000, True)
    """So many events of a subject within the window."""
    DISTINCT = ("different ones", 1_000, True)
    """So many different values of a subject within the window."""
    SUM = ("in total", 100_000_000, True)
    """So much in total within the window."""
    NEW = ("days after which it counts as new again", 365, False)
    """A value that the subject was not seen with for so many days; the very first one is learnt."""
    SILENCE = ("days of silence", 365, False)
    """The subject comes back after so many days."""
    TRAVEL = ("km/h", 20_000, False)
    """Two places of a subject that nobody travels between in that time."""

    def __init__(self, unit: str, most: int, has_window: bool) -> None:  # noqa: FBT001 - members are tuples
        self.unit, self.most, self.has_window = unit, most, has_window


@dataclass(frozen=True, slots=True)
class Sign:
    """What an event says to a rule.

    Attributes:
        subject: what the alert would be about; events with the same one are counted together.
        label: the same for people.
        value: what is counted once, or known again.
        amount: how much it counts.
        told: a sentence about this event, "" when the event says it itself.
        position: latitude and longitude, for `Kind.TRAVEL`.
    """

    subject: str
    label: str
    value: str = ""
    amount: int = 1
    told: str = ""
    position: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is looked for.

    Attributes:
        key: its name in the API; for ever.
        title: a few words.
        what: a sentence: when it raises an alert.
        why: what it may mean, and what to do then.
        kind: how events become an alert.
        severity: how much it matters.
        read: returns the `Sign` of an event that counts.
        actions: the only actions that `read` is asked about; None: every one.
        threshold: the default.
        window: the default; for kinds without a threshold of time: how long further events join an alert.
        unit: what the threshold counts, instead of the kind's own words.
        has_own_mail: whether people get a mail of its own about it anyway: then alerts go to channels only.
        in_installation: whether it watches the installation's own log without set-up; there everybody signs in.
        missing: returns what has to be done before it can find anything; "" when nothing.
    """

    key: str
    title: str
    what: str
    why: str
    kind: Kind
    severity: Severity
    read: Callable[[Facts, Locator], Sign | None]
    actions: frozenset[str] | None
    threshold: int = 1
    window: timedelta = timedelta(hours=1)
    unit: str = ""
    has_own_mail: bool = False
    in_installation: bool = True
    missing: Callable[[], str] = lambda: ""

    @property
    def counts(self) -> str:
        """Return what the threshold counts."""
        return self.unit or self.kind.unit

    @property
    def is_told(self) -> bool:
        """Return whether people are told without set-up; what is of low severity waits on the page."""
        return self.severity != Severity.LOW

    def watches(self, log: UUID) -> bool:
        """Return whether it watches a log without set-up."""
        return self.in_installation or log != INSTALLATION

    def looks_at(self, action: str) -> bool:
        """Return whether `read` is asked about events of an action."""
        return self.actions is None or action in self.actions
