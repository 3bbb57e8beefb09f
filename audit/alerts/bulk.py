"""Rules about much of something in a short time: deletions, exports, deactivations by a directory."""

from datetime import timedelta

from isolation.actor import ActorKind

from .facts import Facts
from .locations import Locator
from .models import Severity
from .rules import Kind, Rule, Sign

_DELETIONS = frozenset(
    {
        "api_key.revoked",
        "domain.removed",
        "group.deleted",
        "member.deactivated",
        "member.removed",
        "project.deletion_requested",
        "role.deleted",
        "scim_connection.deleted",
        "scim_token.revoked",
        "service_account.deleted",
        "sink.deleted",
        "sso_connection.deleted",
        "user.deactivated",
        "user.deleted",
    }
)
_BY_THEMSELVES = frozenset({ActorKind.SCIM_CONNECTION.value, ActorKind.SYSTEM.value})
_DEPROVISIONED = frozenset({"member.deactivated", "member.removed"})
_EXPORTED = frozenset({"audit_log.exported", "evidence_export.downloaded"})


def _deleted(facts: Facts, _locator: Locator) -> Sign | None:
    return None if facts.actor_kind in _BY_THEMSELVES else Sign(facts.actor, facts.actor_label)


def _exported(facts: Facts, _locator: Locator) -> Sign | None:
    events = facts.after.get("events")
    amount = events if isinstance(events, int) and not isinstance(events, bool) else 0
    return Sign(facts.actor, facts.actor_label, amount=max(1, amount))


def _deprovisioned(facts: Facts, _locator: Locator) -> Sign | None:
    if facts.actor_kind != ActorKind.SCIM_CONNECTION.value:
        return None
    return Sign(facts.actor, facts.actor_label, value=facts.target)


RULES = (
    Rule(
        key="mass_deletion",
        title="Mass deletion",
        what="One person or key deletes, removes or revokes many things in a short time. A directory's own "
        "deactivations have a rule of their own.",
        why="A clean-up, a script that went wrong, or somebody who wants to do harm. Deleted projects can be restored "
        "for some days.",
        kind=Kind.COUNT,
        severity=Severity.HIGH,
        read=_deleted,
        actions=_DELETIONS,
        threshold=10,
        window=timedelta(minutes=10),
        unit="deletions",
    ),
    Rule(
        key="mass_export",
        title="Mass export",
        what="One person or key takes very many events of the audit log away.",
        why="An auditor's work, or somebody who takes the log with them. The event names the filter.",
        kind=Kind.SUM,
        severity=Severity.MEDIUM,
        read=_exported,
        actions=_EXPORTED,
        threshold=50_000,
        window=timedelta(hours=24),
        unit="exported events",
    ),
    Rule(
        key="mass_deprovisioning",
        title="Mass deactivation by a directory",
        what="An identity provider deactivates or removes many members by SCIM in a short time.",
        why="A group was unassigned there by mistake, or its token is in other hands. Pause it there first.",
        kind=Kind.DISTINCT,
        severity=Severity.HIGH,
        read=_deprovisioned,
        actions=_DEPROVISIONED,
        threshold=10,
        window=timedelta(hours=1),
        unit="different members",
    ),
)
