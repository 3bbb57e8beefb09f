"""The page of a package that people read: what happened, by what it is about; also printed, without a network."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.template.loader import render_to_string

from audit.catalogue import catalogue
from audit.formats.record import COLUMNS
from audit.models import Event, Outcome
from audit.sealing.keys import key_history
from audit.sentences import sentence

from .about import About
from .proving import checkpoint_at
from .selection import Selection

MOST_ROWS = 200
"""Events that a section shows; the files of the package hold them all."""
MOST_NAMED = 20
_DAYS = 62  # a longer period is shown by month

_BASE = """
FROM audit_leaf l JOIN {events} e ON e.id = l.event_id AND e.time = l.event_time
WHERE l.organization_id = %(log)s AND l.seq >= %(first)s AND l.seq < %(end)s
"""
_COLUMNS = ", ".join(f"host(e.{name})" if name == "ip" else f"e.{name}" for name in COLUMNS)


@dataclass(frozen=True, slots=True)
class Section:
    """One chapter of the report.

    Attributes:
        title: its heading.
        text: what stands in it.
        resources: what the actions are about (``api_key``).
        actions: further actions, by their names.
        condition: in SQL, further events.
    """

    title: str
    text: str
    resources: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    condition: str = ""

    def names(self) -> list[str]:
        """Return the names of its actions."""
        return [each.name for each in catalogue if each.resource in self.resources or each.name in self.actions]


SECTIONS = (
    Section(
        "Sign-ins",
        "Who came in and went, and who was kept out.",
        frozenset({"social", "sso", "sso_session"}),
        frozenset(
            {
                "recovery_codes.used",
                "sign_in_policy.break_glass_used",
                "user.device_added",
                "user.reauthenticated",
                "user.sessions_ended",
                "user.sign_in_failed",
                "user.signed_in",
                "user.signed_out",
            }
        ),
    ),
    Section(
        "Permissions",
        "Members, roles, groups and exceptions: who may do more, or less, than before.",
        frozenset({"exception", "group", "invitation", "member", "project_role", "role", "sign_in_exception"}),
        frozenset({"service_account.project_role_removed", "service_account.project_role_set"}),
    ),
    Section(
        "Keys",
        "The life of API keys, service accounts and their secrets.",
        frozenset({"api_key", "audit_key", "data_key", "platform_key", "scim_token", "service_account"}),
    ),
    Section(
        "Single sign-on and provisioning",
        "Connections to identity providers, and what came through them.",
        frozenset(
            {
                "domain",
                "provisioned_group",
                "provisioned_user",
                "saml_key",
                "scim_connection",
                "scim_token",
                "sign_in_policy",
                "sso_connection",
                "sso_group_mapping",
                "sso_identity",
                "sso_setup_link",
            }
        ),
    ),
    Section(
        "Privileged access",
        "Operators' visits and acts, break-glass, second factors that were taken away, and the log leaving.",
        frozenset({"audit_log", "evidence_export", "installation", "operator", "support"}),
        frozenset({"second_factor.reset", "sign_in_policy.break_glass_used", "user.created", "user.deleted"}),
        "e.actor_kind = 'operator'",
    ),
    Section("Failures", "What was refused, and what did not succeed.", condition="e.outcome IN ('denied', 'failed')"),
)


@dataclass(slots=True)
class Told:
    """A section with its events."""

    section: Section
    count: int
    events: list[Event] = field(default_factory=list)

    @property
    def left_out(self) -> int:
        """Return how many events the section does not show."""
        return self.count - len(self.events)


def report_of(cursor: Any, selection: Selection, about: About) -> str:
    """Return the page, self-contained HTML.

    Args:
        cursor: of the log's role.
        selection: what is exported.
        about: what was asked for.
    """
    reader = _Reader(cursor, selection)
    _size, note, _edge = checkpoint_at(cursor, selection.log, selection.as_of)
    activity = reader.activity()
    context = {
        "about": about,
        "selection": selection,
        "last": selection.end - 1,
        "origin": note.partition("\n")[0],
        "note": note,
        "key": key_history(cursor)[-1],
        "made_at": datetime.now(UTC),
        "periods": _chart(activity),
        "actions": _actions(activity),
        "actors": reader.actors(),
        "outcomes": _outcomes(activity),
        "sections": [reader.told(section) for section in SECTIONS],
        "most": MOST_ROWS,
    }
    return str(render_to_string("audit/report.html", context))


@dataclass(frozen=True, slots=True)
class _Count:
    period: datetime
    action: str
    outcome: str
    count: int


class _Reader:
    """Asks for the selection's events."""

    def __init__(self, cursor: Any, selection: Selection) -> None:
        events, parameters = (
            ("audit_event", {}) if selection.only is None else (f"({selection.only[0]})", selection.only[1])
        )
        self._cursor = cursor
        self._base = _BASE.format(events=events)
        self._parameters = {
            "log": selection.log,
            "first": selection.first,
            "end": selection.end,
            **parameters,
        }

    def activity(self) -> list[_Count]:
        """Return how many events there are, by day or month, action and outcome."""
        self._ask(f"SELECT min(e.time), max(e.time) {self._base}")
        earliest, latest = self._cursor.fetchone()
        unit = "day" if earliest is None or (latest - earliest).days <= _DAYS else "month"
        self._ask(
            f"SELECT date_trunc('{unit}', e.time AT TIME ZONE 'UTC'), e.action, e.outcome, count(*) {self._base}"
            " GROUP BY 1, 2, 3 ORDER BY 1"
        )
        return [_Count(*row) for row in self._cursor.fetchall()]

    def actors(self) -> list[tuple[str, int]]:
        """Return (name, events) of those who did most."""
        self._ask(f"SELECT e.actor_label, count(*) {self._base} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MOST_NAMED}")
        return list(self._cursor.fetchall())

    def told(self, section: Section) -> Told:
        """Return a section with the first of its events."""
        conditions = [section.condition] if section.condition else []
        if names := section.names():
            conditions.append("e.action = ANY(%(names)s)")
        where = f"{self._base} AND ({' OR '.join(conditions)})"
        self._ask(f"SELECT count(*) {where}", names=names)
        told = Told(section, self._cursor.fetchone()[0])
        self._ask(f"SELECT l.seq, {_COLUMNS} {where} ORDER BY l.seq LIMIT {MOST_ROWS}", names=names)
        told.events = list(map(_event, self._cursor.fetchall()))
        return told

    def _ask(self, sql: str, **more: Any) -> None:
        self._cursor.execute(sql, self._parameters | more)


def _event(row: tuple[Any, ...]) -> Event:
    seq, *values = row
    found = dict(zip(COLUMNS, values, strict=True))
    for name in ("before", "after"):
        value = found[name] if not isinstance(found[name], str) else json.loads(found[name])
        found[name] = value if isinstance(value, dict) else {}
    event = Event(**found)
    event.seq, event.told = seq, sentence(event)  # type: ignore[attr-defined]
    return event


def _chart(activity: list[_Count]) -> list[dict[str, Any]]:
    totals: Counter[datetime] = Counter()
    for each in activity:
        totals[each.period] += each.count
    highest = max(totals.values(), default=1)
    by_month = len(totals) > 1 and all(period.day == 1 for period in totals)
    return [
        {
            "label": f"{period:%Y-%m}" if by_month else f"{period:%Y-%m-%d}",
            "count": count,
            "share": round(count * 100 / highest, 1),
        }
        for period, count in sorted(totals.items())
    ]


def _actions(activity: list[_Count]) -> list[tuple[str, str, int]]:
    totals: Counter[str] = Counter()
    for each in activity:
        totals[each.action] += each.count
    return [(name, catalogue.label(name), count) for name, count in totals.most_common(MOST_NAMED)]


def _outcomes(activity: list[_Count]) -> Iterator[tuple[str, int]]:
    totals: Counter[str] = Counter()
    for each in activity:
        totals[each.outcome] += each.count
    return ((str(outcome.label), totals[outcome]) for outcome in Outcome)
