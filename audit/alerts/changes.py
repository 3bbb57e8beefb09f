"""Rules about changes after which somebody may do more, or has to show less of who they are."""

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

from .facts import Facts
from .locations import Locator
from .models import Severity
from .rules import FIRST_EVENTS, Kind, Rule, Sign

STRONG = ("Owner", "Admin")
"""The built-in roles whose holders hand out rights; an organization's own roles cannot have their names."""

_GIVEN = frozenset(
    {
        "group.role_set",
        "member.added",
        "member.role_changed",
        "project_role.set",
        "service_account.created",
        "service_account.project_role_set",
        "service_account.updated",
    }
)
_OPERATORS = frozenset({"user.created", "user.updated"})


def _privilege(facts: Facts, _locator: Locator) -> Sign | None:
    told = ""
    if facts.action in _GIVEN:
        role, former = facts.after.get("role"), facts.before.get("role")
        if role in STRONG and former != STRONG[0] and facts.seq >= FIRST_EVENTS:
            told = f"{_short(facts.target_label)} has the role {role} now."
    elif facts.action in _OPERATORS:
        if facts.after.get("is_operator") is True and facts.seq >= FIRST_EVENTS:
            told = f"{_short(facts.target_label)} is an operator of this installation now."
    elif facts.action == "role.updated":
        added = sorted(_names(facts.after.get("custom_permissions")) - _names(facts.before.get("custom_permissions")))
        if added:
            told = f"The role {_short(facts.target_label)} allows more now: {', '.join(added[:5])}."
    elif facts.action == "sso_connection.owners_allowed":
        value = _short(facts.after.get("owner_value", ""))
        told = f"Whoever comes with “{value}” through {_short(facts.target_label)} becomes an owner."
    elif facts.action == "exception.granted":
        told = f"{_short(facts.after.get('holder', ''))} was given {facts.after.get('permission', 'a permission')}."
    return Sign(facts.target, facts.target_label, told=told) if told else None


def _weakened(facts: Facts, _locator: Locator) -> Sign | None:
    if facts.action == "sign_in_policy.updated":
        loosened = list(loosenings(facts.before, facts.after))
        return Sign(facts.target, facts.target_label, told=" ".join(loosened)) if loosened else None
    return Sign(facts.target, facts.target_label, told=f"{_WEAKENING[facts.action]}: {_short(facts.target_label)}.")


_WEAKENING = {
    "second_factor.reset": "All second steps were removed",
    "sign_in_exception.added": "Somebody was excepted from single sign-on",
    "sso_connection.deleted": "A connection to an identity provider was deleted",
    "sso_connection.disabled": "A connection to an identity provider was switched off",
}


def _break_glass(facts: Facts, _locator: Locator) -> Sign | None:
    return Sign(facts.actor, facts.actor_label, told=f"{_short(facts.actor_label)} came in without single sign-on.")


_ORDERS: dict[str, tuple[tuple[str, ...], str]] = {
    "sso_required": (("nobody", "domains", "everybody"), "Single sign-on is required of fewer people."),
    "sso_as_second_factor": (("always", "when_said", "never"), "Single sign-on counts as two steps more easily."),
}
_LIMITS = {
    "session_hours": "Sessions may last longer.",
    "idle_minutes": "Sessions survive a longer pause.",
    "concurrent_sessions": "More sessions at a time are allowed.",
}


def loosenings(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each way in which a sign-in policy asks less than before.

    Args:
        before: the fields that changed, before; those of a new policy are missing: it asked nothing.
        after: the same after.
    """
    for name, (order, sentence) in _ORDERS.items():
        if name in after and _place(order, after[name]) < _place(order, before.get(name, order[0])):
            yield sentence
    if before.get("second_factor_required") is True and after.get("second_factor_required") is False:
        yield "Two-step sign-in is not required any more."
    for name, sentence in _LIMITS.items():
        old, new = before.get(name), after.get(name)
        if name in after and old is not None and (new is None or new > old):
            yield sentence
    networks, allowed = (_networks(each.get("allowed_networks")) for each in (before, after))
    if "allowed_networks" in after and networks and not (allowed and all(_within(each, networks) for each in allowed)):
        yield "People may come from more networks."


def _place(order: tuple[str, ...], value: Any) -> int:
    return order.index(value) if value in order else 0


def _networks(value: Any) -> list[Any]:
    return [ip_network(each, strict=False) for each in _names(value)]


def _within(network: Any, others: list[Any]) -> bool:
    return any(network.version == other.version and network.subnet_of(other) for other in others)


def _names(value: Any) -> set[str]:
    return {str(each) for each in value} if isinstance(value, list) else set()


def _short(text: Any) -> str:
    return str(text)[:120]


RULES = (
    Rule(
        key="privilege_granted",
        title="Privilege granted",
        what="Somebody becomes Owner, Admin or an operator, an identity provider may make owners, a custom role allows "
        "more, or an exception is granted.",
        why="Whoever takes over a login gives themselves or a helper more first. Make sure that you know who did it "
        "and why; otherwise take it back.",
        kind=Kind.EACH,
        severity=Severity.MEDIUM,
        read=_privilege,
        actions=_GIVEN | _OPERATORS | {"role.updated", "exception.granted", "sso_connection.owners_allowed"},
    ),
    Rule(
        key="sign_in_weakened",
        title="Sign-in weakened",
        what="The sign-in policy asks less than before, single sign-on is switched off or deleted, somebody is "
        "excepted from it, or somebody's second steps are removed.",
        why="An intruder opens the door for next time. Make sure that it was meant; the event shows what was before.",
        kind=Kind.EACH,
        severity=Severity.HIGH,
        read=_weakened,
        actions=frozenset({"sign_in_policy.updated", *_WEAKENING}),
    ),
    Rule(
        key="break_glass_used",
        title="Break-glass used",
        what="The break-glass owner comes in by password although single sign-on is required.",
        why="It is there for the day on which the identity provider fails. On any other day it is somebody else.",
        kind=Kind.EACH,
        severity=Severity.CRITICAL,
        read=_break_glass,
        has_own_mail=True,
        actions=frozenset({"sign_in_policy.break_glass_used"}),
        window=timedelta(hours=12),
    ),
)
