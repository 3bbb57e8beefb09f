"""How long a log is kept: what counts now, what is announced, what the installation asks for."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings

from .models import RetentionChange


@dataclass(frozen=True, slots=True)
class Retention:
    """How long events of a log are kept.

    Attributes:
        months: what counts now; None: without end.
        chosen: whether the organization chose it; otherwise it is the installation's default.
        next_months: what was announced and does not count yet.
        next_at: from when on it counts; None: nothing is announced.
        minimum: of the installation.
    """

    months: int | None
    chosen: bool
    next_months: int | None
    next_at: datetime | None
    minimum: int


def default_months() -> int | None:
    """Return for how many months events are kept where nobody chose; None: without end."""
    months: int | None = settings.AUDIT_RETENTION_MONTHS
    return months


def minimum_months() -> int:
    """Return for how many months events are kept at least."""
    return int(settings.AUDIT_RETENTION_MINIMUM_MONTHS)


def retention_of(log: UUID, *, now: datetime) -> Retention:
    """Return how long a log's events are kept; the scope is open."""
    rows = RetentionChange.objects.filter(organization_id=log)
    counts = rows.filter(effective_at__lte=now).first()
    announced = rows.first()
    pending = announced if announced is not None and announced != counts else None
    return Retention(
        months=counts.months if counts else default_months(),
        chosen=counts is not None,
        next_months=pending.months if pending else None,
        next_at=pending.effective_at if pending else None,
        minimum=minimum_months(),
    )
