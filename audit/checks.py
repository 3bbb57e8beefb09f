"""System checks: whether anything can be sealed from here, and what the database would not notice."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 - Django's name

from isolation.scope import APP

from .capture import NO_EVENT_TRIGGERS, inspect_capture
from .sealing.database import can_seal


@register(Tags.security, deploy=True)
def check_sealer(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Return a warning where the sealer's database role is not configured."""
    if can_seal():
        return []
    hint = "Set it where the worker runs; a machine that only serves requests does better without it."
    return [Warning("SEALER_DATABASE_URL is not set: this machine seals no audit log.", hint=hint, id="audit.W001")]


@register(Tags.database)
def check_capture(
    app_configs: Any = None, *, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Return an error for each table and trigger that is not on, a warning without event triggers."""
    if not databases or APP not in databases:
        return []
    capture = inspect_capture()
    messages: list[CheckMessage] = [
        Error(f"In the database {gap}.", hint="Run: manage.py migrate", id="audit.E001") for gap in capture.gaps
    ]
    if not capture.schema_is_watched:
        sentence, _, hint = NO_EVENT_TRIGGERS.partition(": ")
        messages.append(Warning(f"{sentence}.", hint=hint[0].upper() + hint[1:], id="audit.W002"))
    return messages
