"""The claims of a sign-in as they are kept for those who look for a reason: short, and without what is of no use."""

from typing import Any

MOST = 60
LONGEST = 300
_HIDDEN = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "jti", "sid"})


def shown_claims(claims: dict[str, Any]) -> dict[str, str]:
    """Return each claim as a text, cut; what only the protocol needs is left out."""
    names = [name for name in claims if name not in _HIDDEN][:MOST]
    return {_cut(str(name)): _cut(_text(claims[name])) for name in names}


def _text(value: Any) -> str:
    return ", ".join(str(item) for item in value[:MOST]) if isinstance(value, list) else str(value)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
