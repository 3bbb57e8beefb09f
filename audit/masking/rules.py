"""What becomes of which field, and of what is found in texts."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any

from audit.leaf import PERSONAL
from isolation.exceptions import DomainError

from .detectors import DETECTORS, Finder, find, replaced
from .presidio import PRESIDIO

KNOWN: dict[str, Finder] = {**DETECTORS, PRESIDIO.name: PRESIDIO}
"""Every detector that rules may name."""
CHANGES = "changes"
"""In place of a field: every text among an event's changed values."""
FIELDS: tuple[str, ...] = (*PERSONAL, CHANGES)
FREE_TEXT: tuple[str, ...] = ("actor_label", "target_label", "project_label", "reason", "user_agent", CHANGES)
"""Where detectors look."""

HASH_DIGITS = 32
_MASKED = "[redacted]"


class Method(StrEnum):
    """What becomes of a value."""

    DROP = "drop"
    MASK = "mask"
    HASH = "hash"

    @property
    def label(self) -> str:
        """Return the words for it."""
        return {"drop": "Leave it out", "mask": "Mask it", "hash": "Replace it by a keyed hash"}[self.value]


@dataclass(frozen=True, slots=True)
class Rules:
    """How events are redacted.

    Attributes:
        fields: from a name in `FIELDS` to what becomes of the whole value.
        detectors: from a detector's name to what becomes of what it finds in texts.
        key: of the hashes; the same value has the same hash as long as the key is the same.
    """

    fields: Mapping[str, Method] = field(default_factory=dict)
    detectors: Mapping[str, Method] = field(default_factory=dict)
    key: bytes = b""

    def __bool__(self) -> bool:
        return bool(self.fields or self.detectors)

    def text(self, name: str, value: str) -> str | None:
        """Return what is sent of a text; None when it is left out.

        Args:
            name: the field, one of `FIELDS`.
            value: the text.
        """
        method = self.fields.get(name)
        if method is not None:
            return self._whole(method, name, value)
        if not self.detectors or name not in FREE_TEXT:
            return value
        finds = find(value, self.detectors, KNOWN)
        return replaced(value, finds, self._piece) if finds else value

    def value(self, value: Any) -> Any:
        """Return what is sent of a changed value, whatever it is; None when it is left out."""
        if isinstance(value, str):
            return self.text(CHANGES, value)
        if isinstance(value, list):
            return [self.value(each) for each in value]
        if isinstance(value, dict):
            return {str(name): self.value(each) for name, each in value.items()}
        return value

    def _whole(self, method: Method, name: str, value: str) -> str | None:
        if method is Method.DROP:
            return None
        if method is Method.HASH:
            return self.hash_of(value)
        return _masked(name, value)

    def _piece(self, detector: str, text: str) -> str:
        method = self.detectors[detector]
        if method is Method.HASH:
            return f"[{detector}:{self.hash_of(text)}]"
        return "" if method is Method.DROP else f"[{detector}]"

    def hash_of(self, value: str) -> str:
        """Return the hash that stands for a value: HMAC-SHA256 under the key, its first 128 bits in hex."""
        return hmac.new(self.key, value.encode(), sha256).hexdigest()[:HASH_DIGITS]


def rules_of(stored: Mapping[str, Any], key: bytes) -> Rules:
    """Return rules as they are stored: ``{"fields": {…}, "detectors": {…}}``.

    Raises:
        DomainError: a field, a detector or a method is unknown.
    """
    if unknown := stored.keys() - {"fields", "detectors"}:
        raise DomainError(f"Redaction has no {min(unknown)!r}.", field="redaction", code="invalid")
    return Rules(
        _methods(stored.get("fields", {}), FIELDS, "field"),
        _methods(stored.get("detectors", {}), tuple(KNOWN), "detector"),
        key,
    )


def refuse_missing(rules: Rules) -> None:
    """Refuse detectors that cannot be used here: what they should look into would not leave at all.

    Raises:
        DomainError: one is missing.
    """
    for name in rules.detectors:
        if reason := KNOWN[name].missing():
            raise DomainError(f"{KNOWN[name].label}: {reason}", field="redaction", code="missing")


def _methods(given: Any, known: tuple[str, ...], what: str) -> dict[str, Method]:
    if not isinstance(given, Mapping):
        raise DomainError(f"Redaction names a method for each {what}.", field="redaction", code="invalid")
    found = {}
    for name, method in given.items():
        if name not in known:
            raise DomainError(
                f"There is no {what} {name!r} to redact: choose among {', '.join(known)}.",
                field="redaction",
                code="invalid",
            )
        if method not in set(Method):
            raise DomainError(
                f"{name} can be dropped, masked or hashed (drop, mask, hash), not {method!r}.",
                field="redaction",
                code="invalid",
            )
        found[name] = Method(method)
    return found


def _masked(name: str, value: str) -> str:
    """Return a value with its telling part gone; what is left is still good for counting."""
    if name == "ip":
        return f"{value.rpartition('.')[0]}.0" if "." in value else f"{':'.join(value.split(':')[:3])}::"
    head, at, domain = value.partition("@")
    return f"{head[:1]}***@{domain}" if at and domain else _MASKED
