"""Looks for the TXT record that proves a domain, and says in words what it found (no models)."""

import hmac
from dataclasses import dataclass
from enum import StrEnum

import dns.exception
import dns.nameserver
import dns.rdatatype
import dns.resolver
from django.conf import settings

_MOST_SHOWN = 3
_LONGEST_SHOWN = 80
_REPAIR = (
    "This says nothing about the domain. Check again in a few minutes; if it stays so, have the domain's name servers "
    "looked at."
)


class Outcome(StrEnum):
    """What a look-up says about a domain."""

    FOUND = "found"
    MISSING = "missing"
    UNKNOWN = "unknown"
    """The name servers could not be asked, which is no fault of the domain."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a look-up.

    Attributes:
        outcome: what it says about the domain.
        text: for people: what was looked up, what was found, what to do; "" when the record was found.
    """

    outcome: Outcome
    text: str = ""


def look_up(*, record_name: str, domain: str, value: str) -> Finding:
    """Look for a TXT record with `value` at `record_name`, then at the domain itself.

    Asks the resolvers of the setting DNS_RESOLVERS and waits DNS_TIMEOUT seconds for each of the two.

    Args:
        record_name: the name at which the record should stand.
        domain: the domain itself, where it is accepted as well.
        value: the record's text, without quotes.
    """
    found = []
    for host in (record_name, domain):
        outcome, said = _ask(host, value)
        if outcome is Outcome.FOUND:
            return Finding(Outcome.FOUND)
        found.append(said)
        if outcome is Outcome.UNKNOWN:
            return Finding(Outcome.UNKNOWN, " ".join([*found, _REPAIR]))
    todo = (
        f"Create a TXT record named {record_name} with the value {value}, wait until your DNS provider has published it"
    )
    return Finding(Outcome.MISSING, f"{' '.join(found)} {todo} (minutes, at some an hour), and check again.")


def _ask(host: str, value: str) -> tuple[Outcome, str]:
    """Return what one name's TXT records say, and a sentence about it."""
    try:
        answer = _resolver().resolve(
            f"{host}.", dns.rdatatype.TXT, search=False, lifetime=settings.DNS_TIMEOUT, raise_on_no_answer=False
        )
    except (dns.resolver.NXDOMAIN, dns.resolver.YXDOMAIN):
        return Outcome.MISSING, f"The name {host} does not exist in DNS (NXDOMAIN)."
    except (dns.exception.DNSException, OSError) as error:
        return Outcome.UNKNOWN, f"The TXT records of {host} were asked for, and {_trouble(error)}."
    texts = [b"".join(record.strings) for record in answer.rrset or ()]
    if not texts:
        return Outcome.MISSING, f"{host} has no TXT record."
    expected = value.encode()
    if any(hmac.compare_digest(text.strip(b' "'), expected) for text in texts):
        return Outcome.FOUND, ""
    return Outcome.MISSING, _others(host, texts, value)


def _trouble(error: Exception) -> str:
    """Return why the name servers could not be asked: the end of a sentence."""
    if isinstance(error, dns.resolver.LifetimeTimeout):
        wait = settings.DNS_TIMEOUT
        return f"no name server answered in {wait} second{'' if wait == 1 else 's'}"
    if isinstance(error, dns.resolver.NoResolverConfiguration):
        return "this installation knows no name server to ask: its operator sets DNS_RESOLVERS"
    if not isinstance(error, dns.resolver.NoNameservers):
        return f"the name server's answer could not be read ({type(error).__name__})"
    said = [item[3] for item in error.kwargs.get("errors") or ()]
    codes = sorted({item for item in said if isinstance(item, str)})
    if not codes:
        return "no name server could be reached"
    hint = " (a broken zone, or a broken DNSSEC signature)" if "SERVFAIL" in codes else ""
    return f"the name server answered {' and '.join(codes)}{hint}"


def _resolver() -> dns.resolver.Resolver:
    """Return a resolver without a cache: people check again right after they changed something."""
    resolver = dns.resolver.Resolver(configure=not settings.DNS_RESOLVERS)
    if settings.DNS_RESOLVERS:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(*address) for address in settings.DNS_RESOLVERS]
    return resolver


def _others(host: str, texts: list[bytes], value: str) -> str:
    """Return a sentence about records that are not the right one; those of our kind are shown."""
    key = value.partition("=")[0].encode()
    similar = [text for text in texts if key in text] or (texts if host.startswith("_") else [])
    if not similar:
        number = "one TXT record" if len(texts) == 1 else f"{len(texts)} TXT records"
        return f"{host} has {number}, none of them with this value."
    shown = ", ".join(f"“{_shown(text)}”" for text in similar[:_MOST_SHOWN])
    more = f" and {len(similar) - _MOST_SHOWN} more" if len(similar) > _MOST_SHOWN else ""
    return f"{host} has a TXT record with another value: {shown}{more}."


def _shown(text: bytes) -> str:
    """Return a record's text, which a stranger wrote, so that it can stand in a sentence."""
    printable = "".join(letter if letter.isprintable() else "·" for letter in text.decode("utf-8", "replace"))
    return f"{printable[:_LONGEST_SHOWN]}…" if len(printable) > _LONGEST_SHOWN else printable
