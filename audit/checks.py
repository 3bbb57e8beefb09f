"""System checks: `manage.py check --deploy` says when nothing can be sealed from here."""

from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register  # noqa: A004 - Django's name

from .sealing.database import can_seal


@register(Tags.security, deploy=True)
def check_sealer(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Return a warning where the sealer's database role is not configured."""
    if can_seal():
        return []
    hint = "Set it where the worker runs; a machine that only serves requests does better without it."
    return [Warning("SEALER_DATABASE_URL is not set: this machine seals no audit log.", hint=hint, id="audit.W001")]
