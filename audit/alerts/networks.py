"""From which network somebody acts: its provider where a database knows it, otherwise the addresses around."""

from .facts import Facts
from .locations import Locator
from .rules import Sign


def network_sign(facts: Facts, locator: Locator, did: str) -> Sign | None:
    """Return the sign that an actor came from a network; None for an event without an address.

    Args:
        facts: what the event says.
        locator: knows providers, perhaps.
        did: what they did there, such as ``Signed in``.
    """
    if not facts.network:
        return None
    provider = locator.find(facts.ip).provider
    told = f"{did} from {provider or facts.network} ({facts.ip})."
    return Sign(facts.actor, facts.actor_label, value=provider.partition(" ")[0] or facts.network, told=told)
