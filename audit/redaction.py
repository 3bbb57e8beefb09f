"""How a row becomes the before and after of an event: secrets are left out because their field says so."""

import json
from typing import Any

from django.db import models

REDACTED = "[redacted]"


def secret(field: Any) -> Any:
    """Declare that a model field holds a secret: events show that it changed, never its value."""
    field.audit_secret = True
    return field


def snapshot(instance: models.Model) -> dict[str, Any]:
    """Return a row's fields as JSON values, ready to be the before or after of an event.

    Foreign keys become the related object's text, so that the event reads right after that object is gone. Secret
    fields (see `secret`) keep only the fact that they are set. Fields in the model's `audit_exclude` are left out.
    """
    excluded: frozenset[str] = getattr(instance, "audit_exclude", frozenset())
    return {
        field.name: _value(instance, field)
        for field in instance._meta.concrete_fields
        if not field.primary_key and field.name not in excluded
    }


def changes(before: dict[str, Any] | None, after: dict[str, Any] | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (before, after) cut down to the fields that differ."""
    before, after = before or {}, after or {}
    differing = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return (
        {name: _shown(before[name]) for name in differing if name in before},
        {name: _shown(after[name]) for name in differing if name in after},
    )


class _Secret:
    """A secret value inside a snapshot: comparable, never shown."""

    def __init__(self, value: Any) -> None:
        self._value = bytes(value) if isinstance(value, memoryview) else value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(_Secret)

    def __repr__(self) -> str:
        return REDACTED

    def shown(self) -> str | None:
        return REDACTED if self._value else None


def _shown(value: Any) -> Any:
    return value.shown() if isinstance(value, _Secret) else value


def _value(instance: models.Model, field: Any) -> Any:
    if getattr(field, "audit_secret", False):
        return _Secret(field.value_from_object(instance))
    if isinstance(field, models.ForeignKey):
        related = getattr(instance, field.name)
        return None if related is None else str(related)
    value = field.value_from_object(instance)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    if isinstance(value, list | tuple | set | frozenset):
        return sorted(str(item) for item in value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
