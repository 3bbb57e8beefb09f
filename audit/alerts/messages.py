"""What people and programs are told of an alert, wherever it is sent."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from audit.directory import directory
from console.links import root_url
from isolation.scope import INSTALLATION

from .models import Alert
from .registry import RULES


@dataclass(frozen=True, slots=True)
class Message:
    """An alert in words.

    Attributes:
        identifier: the same each time that it is sent.
        title: rule and subject.
        severity: one of `Severity`.
        organization: its identifier; "" for the installation.
        facts: a few pairs of a label and a value.
        told: sentences: what exactly happened.
        why: what it may mean, and what to do.
        link: to its page; "" when there is none.
        raised_at: when.
        data: what programs are told.
    """

    identifier: str
    title: str
    severity: str
    organization: str
    facts: tuple[tuple[str, str], ...]
    told: tuple[str, ...]
    why: str
    link: str
    raised_at: datetime
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def lines(self) -> list[str]:
        """Return everything below the title, for a chat."""
        return [*self.told, *(f"{label}: {value}" for label, value in self.facts), self.why]

    def as_json(self) -> dict[str, Any]:
        """Return what a program is told."""
        return {**self.data, "title": self.title, "organization": self.organization, "link": self.link}


def message_of(alert: Alert) -> Message:
    """Return an alert in words; its organization's scope is open."""
    rule = RULES.get(alert.rule)
    log: UUID = alert.organization_id
    slug = "" if log == INSTALLATION else directory().organizations([log]).get(log, "")
    path = f"o/{slug}/audit/alerts/{alert.pk}/" if slug else f"admin/audit/alerts/{alert.pk}/"
    facts = (
        ("Organization", slug or "This installation"),
        ("Severity", alert.get_severity_display()),
        ("Events", f"{alert.count:,}"),
        ("First event", f"{alert.started_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("Last event", f"{alert.last_time:%Y-%m-%d %H:%M:%S} UTC"),
    )
    return Message(
        identifier=f"msg_{alert.pk.hex}",
        title=str(alert),
        severity=alert.severity,
        organization=slug,
        facts=facts,
        told=tuple(alert.told),
        why=rule.why if rule else "",
        link=f"{settings.PUBLIC_URL}{root_url(path)}" if slug or log == INSTALLATION else "",
        raised_at=alert.raised_at,
        data={
            "id": str(alert.pk),
            "organization_id": str(log),
            "rule": alert.rule,
            "severity": alert.severity,
            "subject": alert.subject_label,
            "count": alert.count,
            "started_at": alert.started_at.isoformat(),
            "last_time": alert.last_time.isoformat(),
            "first_seq": alert.first_seq,
            "last_seq": alert.last_seq,
            "numbers": alert.numbers,
            "told": alert.told,
        },
    )
