"""The audit app: what was done. It names no app above it; each app registers its actions in `audit_events.py`."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules


class AuditConfig(AppConfig):
    """Collects every app's audited actions."""

    name = "audit"
    verbose_name = "Audit log"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Load the recorder and each app's `audit_events` module."""
        from vault import usage  # noqa: PLC0415 - needs the app registry to be loaded

        from . import checks, export_receivers, reconciliation, recorder  # noqa: F401, PLC0415 - the same
        from .sealing.keys import wrapping_keys  # noqa: PLC0415 - the same

        usage.register_wrapped("signing keys", wrapping_keys)
        autodiscover_modules("audit_events")
        post_migrate.connect(_watch_again, sender=self, dispatch_uid="audit:watch_again")


def _watch_again(sender: object, *, using: str, **kwargs: Any) -> None:
    """Bring what watches the governed tables up to date with their columns."""
    from isolation.scope import MIGRATOR  # noqa: PLC0415 - as above

    from .capture import is_installed, repair  # noqa: PLC0415 - as above

    if using == MIGRATOR and is_installed(using):
        repair(using)
