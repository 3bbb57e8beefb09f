"""Domains that belong to everybody: public suffixes, and where anybody can have a mailbox (no models)."""

from functools import cache
from pathlib import Path

from publicsuffixlist import PublicSuffixList

_MAIL_DOMAINS = Path(__file__).parent / "data" / "public_mail_domains.txt"


def is_public_suffix(name: str) -> bool:
    """Return whether strangers register names directly under this one: ``com``, ``co.uk``, ``github.io``.

    Args:
        name: a domain in the spelling of `domain_names.ascii_domain`.
    """
    return bool(_suffixes().is_public(name))


def is_public_mail_domain(name: str) -> bool:
    """Return whether anybody can have an address at this domain.

    Args:
        name: a domain in the spelling of `domain_names.ascii_domain`.
    """
    label, _, suffix = name.partition(".")
    return name in _mail_domains() or (f"{label}.*" in _mail_domains() and is_public_suffix(suffix))


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


@cache
def _mail_domains() -> frozenset[str]:
    lines = (line.partition("#")[0].strip() for line in _MAIL_DOMAINS.read_text(encoding="utf-8").splitlines())
    return frozenset(line for line in lines if line)
