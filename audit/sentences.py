"""An event as a sentence."""

import re
from typing import Any

from .catalogue import catalogue
from .models import Event, Outcome

_PLACEHOLDER = re.compile(r"\{(target|project|(?:before|after)\.\w+)\}")
_DOORS = {
    "api": "through the API",
    "cli": "on the command line",
    "console": "in the console",
    "scim": "by SCIM",
    "sso": "by single sign-on",
    "system": "by itself",
}
_FIELDS = 3
_LONG = 60


def sentence(event: Event) -> str:
    """Return what an event tells, in a sentence: who did what to what, from where, through which door."""
    parts = [_what(event)]
    if event.project_label and event.project_label not in parts[0]:
        parts.append(f"in the project {event.project_label}")
    if event.ip:
        parts.append(f"from {event.ip}")
    parts.append(_DOORS.get(event.via, event.via))
    return f"{', '.join(parts)}."


def _what(event: Event) -> str:
    actor = event.actor_label or "Somebody"
    if event.action == "access.denied":
        where = f" on {event.target_label}" if event.target_label else ""
        return f"{actor} was refused {event.after.get('permission', 'access')}{where}"
    written = _written(event) if event.outcome == Outcome.SUCCESS else None
    if written is not None:
        return f"{actor} {written}"
    label = event.action_label
    text = f"{actor}: {label}" if label == event.action or label.startswith("A ") else f"{actor} {_lowered(label)}"
    if event.outcome != Outcome.SUCCESS and "refused" not in text and "ailed" not in text:
        text += f" ({event.get_outcome_display().lower()})"
    if event.target_label and event.target_label not in {event.actor_label, text}:
        text += f": {event.target_label}"
    return text + _changed(event)


def _written(event: Event) -> str | None:
    """Return the action's own words, when the event holds all that they name."""
    template = catalogue.template(event.action)
    missing = False

    def fill(match: re.Match[str]) -> str:
        nonlocal missing
        value = _named(event, match[1])
        missing = missing or value in {None, ""}
        return str(value)

    text = _PLACEHOLDER.sub(fill, template)
    return text if template and not missing else None


def _named(event: Event, name: str) -> Any:
    side, _, field = name.partition(".")
    if not field:
        return {"target": event.target_label, "project": event.project_label}[side]
    return {"before": event.before, "after": event.after}[side].get(field)


def _changed(event: Event) -> str:
    """Return up to three changed fields, "role Viewer → Admin"; nothing for what was made or has ended."""
    changed = [
        f"{name.replace('_', ' ')} {_short(old)} → {_short(new)}"
        for name, old, new in event.diff
        if name in event.before and name in event.after
    ]
    if not changed:
        return ""
    more = f" and {len(changed) - _FIELDS} more" if len(changed) > _FIELDS else ""
    return f" ({', '.join(changed[:_FIELDS])}{more})"


def _short(value: Any) -> str:
    text = "empty" if value in (None, "", [], {}) else str(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


def _lowered(label: str) -> str:
    return label[:1].lower() + label[1:]
