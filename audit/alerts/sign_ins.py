"""Rules about who signs in, from where, and who tries to."""

from datetime import timedelta
from functools import lru_cache

from .facts import Facts
from .locations import Locator, missing_places
from .models import Severity
from .networks import network_sign
from .rules import Kind, Rule, Sign

SIGNED_IN, FAILED = "user.signed_in", "user.sign_in_failed"
_LONGEST_USER_AGENT = 400


def _failed(facts: Facts, _locator: Locator) -> Sign | None:
    return Sign(facts.target, facts.target_label) if facts.target else None


def _sprayed(facts: Facts, _locator: Locator) -> Sign | None:
    if not facts.network or not facts.target:
        return None
    return Sign(facts.network, facts.network, value=facts.target)


def _country(facts: Facts, locator: Locator) -> Sign | None:
    found = locator.find(facts.ip)
    if not found.country:
        return None
    told = f"Signed in from {found.name or found.country} ({facts.ip})."
    return Sign(facts.actor, facts.actor_label, value=found.country, told=told)


def _network(facts: Facts, locator: Locator) -> Sign | None:
    return network_sign(facts, locator, "Signed in")


def _device(facts: Facts, _locator: Locator) -> Sign | None:
    browser = _browser(facts.user_agent[:_LONGEST_USER_AGENT])
    if not browser:
        return None
    return Sign(facts.actor, facts.actor_label, value=browser, told=f"Signed in with {browser}.")


def _travel(facts: Facts, locator: Locator) -> Sign | None:
    found = locator.find(facts.ip)
    if found.position is None:
        return None
    place = found.name or found.country or facts.ip
    return Sign(facts.actor, facts.actor_label, value=place, position=found.position)


@lru_cache(maxsize=1_024)
def _browser(user_agent: str) -> str:
    """Return browser and system without their versions, which change all the time; "" when neither is known."""
    from ua_parser import parse  # noqa: PLC0415 - its tables take a while to load, and most processes need none

    found = parse(user_agent)
    families = [each.family for each in (found.user_agent, found.os) if each is not None]
    return " on ".join(family[:60] for family in families)


RULES = (
    Rule(
        key="sign_in_burst",
        title="Burst of failed sign-ins",
        what="Somebody's login, or an address without one, is tried with wrong passwords again and again.",
        why="A password is being guessed, or a program still has an old one. Ask the person; when it was not them, "
        "have them change the password and set up a second step.",
        kind=Kind.COUNT,
        severity=Severity.MEDIUM,
        read=_failed,
        actions=frozenset({FAILED}),
        threshold=10,
        window=timedelta(minutes=10),
        unit="failed sign-ins",
    ),
    Rule(
        key="password_spray",
        title="Password spray",
        what="From one network, sign-ins of many different people fail.",
        why="Somebody tries few passwords with many logins, so that no login alone shows it. Require two steps or "
        "single sign-on in the sign-in policy, and look who signed in from that network.",
        kind=Kind.DISTINCT,
        severity=Severity.HIGH,
        read=_sprayed,
        actions=frozenset({FAILED}),
        threshold=8,
        window=timedelta(hours=1),
        unit="different people",
    ),
    Rule(
        key="new_country",
        title="Sign-in from a new country",
        what="Somebody signs in from a country that they have not signed in from lately.",
        why="They travel, or use a VPN, or somebody else has their password. Ask them; when it was not them, end their "
        "sessions.",
        kind=Kind.NEW,
        severity=Severity.MEDIUM,
        read=_country,
        actions=frozenset({SIGNED_IN}),
        threshold=90,
        window=timedelta(hours=24),
        in_installation=False,
        missing=missing_places,
    ),
    Rule(
        key="new_network",
        title="Sign-in from a new network",
        what="Somebody signs in from a provider's network that they have not signed in from lately: its AS number "
        "where GEOIP_ASN_DATABASE knows it, otherwise the /24 or /48 of the address.",
        why="Phones and trains change networks all day, so this one is of low severity and tells nobody by itself. "
        "It helps when you look into something else.",
        kind=Kind.NEW,
        severity=Severity.LOW,
        read=_network,
        actions=frozenset({SIGNED_IN}),
        threshold=90,
        window=timedelta(hours=24),
        in_installation=False,
    ),
    Rule(
        key="new_device",
        title="Sign-in with a new kind of browser",
        what="Somebody signs in with a browser and system that they have not signed in with lately.",
        why="They have a new device, or it is not them. What a browser says of itself is easily copied; people are "
        "also told themselves, by mail, of each browser that is new.",
        kind=Kind.NEW,
        severity=Severity.LOW,
        read=_device,
        actions=frozenset({SIGNED_IN}),
        threshold=90,
        window=timedelta(hours=24),
        in_installation=False,
    ),
    Rule(
        key="impossible_travel",
        title="Impossible travel",
        what="Somebody signs in from two places that are too far apart for the time between.",
        why="One of the two is a VPN, or somebody else. Ask them; when it was not them, end their sessions and have "
        "them change the password.",
        kind=Kind.TRAVEL,
        severity=Severity.HIGH,
        read=_travel,
        actions=frozenset({SIGNED_IN}),
        threshold=1_000,
        window=timedelta(hours=24),
        in_installation=False,
        missing=missing_places,
    ),
)
