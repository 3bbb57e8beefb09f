"""Rules about API keys and service accounts, as far as the log tells of them: what they change, and what is refused."""

from datetime import timedelta

from audit.models import Outcome

from .facts import KEYS, Facts
from .locations import Locator
from .models import Severity
from .networks import network_sign
from .rules import Kind, Rule, Sign


def _network(facts: Facts, locator: Locator) -> Sign | None:
    return network_sign(facts, locator, "Used") if facts.actor_kind in KEYS else None


def _used(facts: Facts, _locator: Locator) -> Sign | None:
    return Sign(facts.actor, facts.actor_label) if facts.actor_kind in KEYS else None


def _leaked(facts: Facts, _locator: Locator) -> Sign | None:
    return Sign(facts.target, facts.target_label, told=f"{facts.target_label[:120]} was found by others and revoked.")


def _refused(facts: Facts, _locator: Locator) -> Sign | None:
    if facts.actor_kind not in KEYS or facts.outcome == Outcome.SUCCESS:
        return None
    return Sign(facts.actor, facts.actor_label)


_SEEN = "Only what the log tells counts: what a key changes, exports or is refused, not each request that it makes."

RULES = (
    Rule(
        key="key_new_network",
        title="Key used from a new network",
        what=f"An API key or service account acts from a network that it has not acted from lately. {_SEEN}",
        why="The program has moved, or the key is in other hands. Rotate it when you cannot tell, and limit it to its "
        "networks.",
        kind=Kind.NEW,
        severity=Severity.MEDIUM,
        read=_network,
        actions=None,
        threshold=90,
        window=timedelta(hours=24),
    ),
    Rule(
        key="key_after_silence",
        title="Key used after a long silence",
        what=f"An API key or service account acts again after a long time. {_SEEN}",
        why="A forgotten key was found by somebody. Revoke it when nobody misses it.",
        kind=Kind.SILENCE,
        severity=Severity.MEDIUM,
        read=_used,
        actions=None,
        threshold=45,
        window=timedelta(hours=24),
    ),
    Rule(
        key="key_leaked",
        title="Key leaked",
        what="An API key or SCIM token was found in public, reported and revoked.",
        why="It opened your data until then. Look what it did, in its timeline, and give its program another key.",
        kind=Kind.EACH,
        severity=Severity.CRITICAL,
        read=_leaked,
        has_own_mail=True,
        actions=frozenset({"api_key.leaked", "scim_token.leaked"}),
    ),
    Rule(
        key="key_errors",
        title="Many refusals of one key",
        what="An API key or service account is refused again and again.",
        why="A program has lost a right that it needs, or somebody tries out what a key opens.",
        kind=Kind.COUNT,
        severity=Severity.MEDIUM,
        read=_refused,
        actions=None,
        threshold=30,
        window=timedelta(minutes=10),
        unit="refusals",
    ),
)
