"""Rules about budgets of LLM usage."""

from datetime import timedelta

from .facts import Facts
from .locations import Locator
from .models import Severity
from .rules import Kind, Rule, Sign


def _reached(facts: Facts, _locator: Locator) -> Sign | None:
    percent, subject = facts.after.get("percent"), str(facts.after.get("subject", ""))[:120]
    about = f"{facts.target_label[:160]} ({subject})" if subject else facts.target_label[:160]
    return Sign(f"{facts.target}:{subject}:{percent}", about, told=f"{percent} % of this limit are used.")


RULES = (
    Rule(
        key="usage_limit_reached",
        title="Usage budget reached",
        what="A budget of LLM usage for a day or a month has come to 80 or to 100 percent.",
        why="At 100 percent further requests are refused until the next day or month begins. Look on the page Usage "
        "who uses so much, and raise the limit if that is right.",
        kind=Kind.EACH,
        severity=Severity.MEDIUM,
        read=_reached,
        actions=frozenset({"usage_limit.reached"}),
        window=timedelta(hours=24),
    ),
)
