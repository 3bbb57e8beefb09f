"""What an export says about itself: in a package's manifest, and at the top of its report."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from audit.models import EvidenceExport

from .selection import Selection, Wanted


@dataclass(frozen=True, slots=True)
class About:
    """What was asked for, and what that became.

    Attributes:
        log: what people call it.
        query: as it was typed.
        since, until: the period; None for no bound.
        events: how many there are.
        requester: who asked.
        reason: why.
        created_at: when.
    """

    log: str
    query: str
    since: datetime | None
    until: datetime | None
    events: int
    requester: str
    reason: str
    created_at: datetime

    def manifest(self) -> dict[str, Any]:
        """Return the members of the manifest."""
        period = {"since": self.since, "until": self.until}
        said = {name: f"{time:%Y-%m-%dT%H:%M:%S.%fZ}" for name, time in period.items() if time}
        return {"events": self.events, "selection": {"query": self.query, **said}}


def about_of(export: EvidenceExport, selection: Selection, wanted: Wanted) -> About:
    """Return what an export says about itself."""
    return About(
        log=export.log_name or str(export.organization_id),
        query=export.query,
        since=wanted.span.since,
        until=wanted.span.until,
        events=export.events,
        requester=export.requester,
        reason=export.reason,
        created_at=export.created_at,
    )
