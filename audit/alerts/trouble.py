"""Rules about the log itself and what carries it."""

from datetime import timedelta

from .facts import Facts
from .locations import Locator
from .models import Severity
from .rules import Kind, Rule, Sign

UNATTRIBUTED = "unattributed_change.found"


def _each(facts: Facts, _locator: Locator) -> Sign | None:
    return Sign(facts.target or facts.action, facts.target_label)


def _failing(facts: Facts, _locator: Locator) -> Sign | None:
    return Sign(facts.target, facts.target_label, told=str(facts.after.get("reason", ""))[:300])


def _altered(facts: Facts, _locator: Locator) -> Sign | None:
    first = facts.after.get("first")
    told = str(first[0])[:300] if isinstance(first, list) and first else ""
    return Sign("audit log", facts.target_label or "Audit log", told=told)


RULES = (
    Rule(
        key="unattributed_change",
        title="Unattributed change",
        what="Rows were changed in the database around the application, so that no event says by whom.",
        why="Maintenance in the database, or somebody who has its password. The event names table and rows.",
        kind=Kind.EACH,
        severity=Severity.CRITICAL,
        read=_each,
        actions=frozenset({UNATTRIBUTED}),
    ),
    Rule(
        key="verification_failed",
        title="Audit log altered",
        what="The verification in the background finds that the log is not what was sealed.",
        why="Somebody with access to the database changed it, or a backup was put back. Keep every checkpoint and "
        "backup that you have.",
        kind=Kind.EACH,
        severity=Severity.CRITICAL,
        read=_altered,
        has_own_mail=True,
        actions=frozenset({"audit_log.verification_failed"}),
        window=timedelta(hours=24),
    ),
    Rule(
        key="cosigning_refused",
        title="Witnessed log contradicts itself",
        what="A log of another installation that is cosigned here signed what contradicts what it signed before.",
        why="Its past was changed, or an old backup was put back. Tell whoever runs it, but not through it.",
        kind=Kind.EACH,
        severity=Severity.CRITICAL,
        read=_failing,
        actions=frozenset({"witnessed_log.refused"}),
        window=timedelta(hours=24),
    ),
    Rule(
        key="sink_failing",
        title="Sink failing",
        what="A SIEM receives no events any more, or receives them more slowly than they come, or missed some that "
        "were retired meanwhile.",
        why="Nothing is lost for as long as the log keeps it, but whoever watches there sees nothing new. The sink's "
        "page says what to do.",
        kind=Kind.EACH,
        severity=Severity.MEDIUM,
        read=_failing,
        has_own_mail=True,
        actions=frozenset({"sink.failing", "sink.missed_events"}),
        window=timedelta(hours=24),
    ),
)
