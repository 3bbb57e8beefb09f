"""The qualifiers: what each is about, and how it is explained."""

from dataclasses import dataclass

from audit.models import Outcome
from isolation.context import Via


@dataclass(frozen=True, slots=True)
class Qualifier:
    """A name before a colon.

    Attributes:
        name: as it is typed.
        help: what it finds, in a few words.
        example: one use of it.
        anchored: whether an index finds its values among all events of an organization; a query of others alone looks
            at a limited time only.
        everywhere: the same among the events of all organizations.
        operators: whether it is there for operators only.
    """

    name: str
    help: str
    example: str
    anchored: bool = False
    everywhere: bool = False
    operators: bool = False


QUALIFIERS: dict[str, Qualifier] = {
    qualifier.name: qualifier
    for qualifier in (
        Qualifier("actor", "who did it: an address, a key's name, or an id", "actor:ada@example.org", anchored=True),
        Qualifier("action", "what was done; member.* for all about members", "action:api_key.*", anchored=True),
        Qualifier("target", "what it was done to: its name or its id", "target:grace@example.org", anchored=True),
        Qualifier("project", "in a project: its name, identifier or id", "project:chatbot", anchored=True),
        Qualifier("outcome", "how it ended: success, denied, failed", "outcome:denied,failed"),
        Qualifier("time", "when, in UTC: a day, a range, the last 7d", "time:2026-01-01..2026-01-31"),
        Qualifier("ip", "from an address or a network", "ip:203.0.113.0/24", anchored=True),
        Qualifier("via", "through which door", "via:api,cli"),
        Qualifier("type", "what sort of thing it was done to", 'type:member,"API key"'),
        Qualifier("request", "in one request", "request:3f1c0c8f7d5a", anchored=True, everywhere=True),
        Qualifier("session", "in one session", "session:9f2c", anchored=True, everywhere=True),
        Qualifier("organization", "in one organization's log", "organization:acme", everywhere=True, operators=True),
    )
}

OUTCOMES = tuple(Outcome.values)
DOORS = tuple(via.value for via in Via)


def names(*, across: bool) -> tuple[str, ...]:
    """Return the qualifiers of a log; `across` for operators, whose log spans organizations."""
    return tuple(name for name, qualifier in QUALIFIERS.items() if across or not qualifier.operators)
