"""How a rule is set in one log: the defaults of the code, and what people changed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from .models import EMAIL, AlertRule
from .registry import RULES
from .rules import Rule


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a rule is set.

    Attributes:
        rule: the rule.
        is_active: whether it watches at all.
        threshold, window: see `Kind`.
        muted_until: what happens before counts, and tells nobody.
        channels: `EMAIL` and ids of channels; None: what the rule says of itself.
        is_changed: whether anything differs from the defaults.
    """

    rule: Rule
    is_active: bool
    threshold: int
    window: timedelta
    muted_until: datetime | None = None
    channels: tuple[str, ...] | None = None
    is_changed: bool = False

    @property
    def key(self) -> str:
        """Return the rule's name."""
        return self.rule.key

    def is_muted_at(self, time: datetime) -> bool:
        """Return whether an alert about something of that time tells nobody."""
        return self.muted_until is not None and time < self.muted_until

    def recipients(self, channels: Iterable[UUID]) -> list[UUID | None]:
        """Return where its alerts go: ids of channels, None for e-mail.

        Args:
            channels: those that there are.
        """
        if self.channels is None and not self.rule.is_told:
            return []
        if self.channels is None:
            return [*channels] if self.rule.has_own_mail else [None, *channels]
        found: list[UUID | None] = [each for each in channels if str(each) in self.channels]
        return [None, *found] if EMAIL in self.channels else found


def tuning_of(rule: Rule, log: UUID, row: AlertRule | None) -> Tuning:
    """Return how a rule is set.

    Args:
        rule: the rule.
        log: the organization, or `INSTALLATION`.
        row: what was changed, None for nothing.
    """
    if row is None:
        return Tuning(rule, rule.watches(log), rule.threshold, rule.window)
    return Tuning(
        rule,
        row.is_active,
        row.threshold if row.threshold is not None else rule.threshold,
        timedelta(minutes=row.window_minutes) if row.window_minutes is not None else rule.window,
        row.muted_until,
        tuple(row.channels) if row.channels is not None else None,
        is_changed=True,
    )


def tunings(log: UUID) -> dict[str, Tuning]:
    """Return how each rule is set in a log, whose scope is open."""
    rows = {row.rule: row for row in AlertRule.objects.all()}
    return {key: tuning_of(rule, log, rows.get(key)) for key, rule in RULES.items()}
