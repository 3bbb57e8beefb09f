"""A plan for people and for programs."""

import json
from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Any

from .changes import Change, Verb
from .engine import Plan
from .problems import shown, spelled

_MARKS = {Verb.CREATE: "+", Verb.UPDATE: "~", Verb.REMOVE: "-"}


def as_text(plans: Iterable[Plan]) -> str:
    """Return the plans as a diff, without the places that do not change."""
    blocks = []
    for plan in plans:
        if plan.changes or plan.warnings:
            lines = [plan.organization or "Logins"]
            for change in plan.changes:
                lines += _lines(change)
            lines += [f"  ! {warning}" for warning in plan.warnings]
            blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def as_json(plans: Iterable[Plan]) -> str:
    """Return the plans as JSON: ``changes``, their ``summary`` in numbers, and ``warnings``."""
    plans = list(plans)
    changes = [
        {
            "organization": plan.organization or None,
            "action": change.verb.value,
            "kind": change.noun,
            "name": change.label,
            "path": spelled(change.path),
            "fields": {name: {"old": old, "new": new} for name, (old, new) in change.fields.items()},
            "note": change.note,
        }
        for plan in plans
        for change in plan.changes
    ]
    counts = _counts(plans)
    summary = {verb.value: counts[verb] for verb in Verb}
    warnings = [str(warning) for plan in plans for warning in plan.warnings]
    return json.dumps({"changes": changes, "summary": summary, "warnings": warnings}, indent=2, default=_plain)


def summary(plans: Iterable[Plan]) -> str:
    """Return the last line of a plan."""
    counts = _counts(plans)
    if not counts:
        return "No changes: everything is as the blueprint says."
    return f"Plan: {_numbers(counts, 'to add', 'to change', 'to remove')}."


def done(plans: Iterable[Plan]) -> str:
    """Return the last line of an apply."""
    return f"Applied: {_numbers(_counts(plans), 'added', 'changed', 'removed')}."


def _numbers(counts: Counter[Verb], *words: str) -> str:
    return ", ".join(f"{counts[verb]} {word}" for verb, word in zip(Verb, words, strict=True))


def _counts(plans: Iterable[Plan]) -> Counter[Verb]:
    return Counter(change.verb for plan in plans for change in plan.changes)


def _lines(change: Change) -> list[str]:
    note = f"  ({change.note})" if change.note else ""
    lines = [f"  {_MARKS[change.verb]} {change.noun} {shown(change.label)}{shown(note)}"]
    for name, (old, new) in change.fields.items():
        if change.verb is Verb.CREATE:
            lines.append(f"      {name}: {_text(new)}")
        elif isinstance(old, list) and isinstance(new, list):
            gone = [f"-{_text(item)}" for item in old if item not in new]
            come = [f"+{_text(item)}" for item in new if item not in old]
            lines.append(f"      {name}: {' '.join(gone + come)}")
        else:
            lines.append(f"      {name}: {_text(old)} -> {_text(new)}")
    return lines


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value) or "none"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return shown(json.dumps(value, ensure_ascii=False))
    text = shown(str(value))
    return text if text and " " not in text else f'"{text}"'


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
