"""The audit app: what was done. It names no app above it; each app registers its actions in `audit_events.py`."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class AuditConfig(AppConfig):
    """Collects every app's audited actions."""

    name = "audit"
    verbose_name = "Audit log"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Load the recorder and each app's `audit_events` module."""
        from vault import usage  # noqa: PLC0415 - needs the app registry to be loaded

        from . import checks, export_receivers, recorder  # noqa: F401, PLC0415 - the same
        from .sealing.keys import wrapping_keys  # noqa: PLC0415 - the same

        usage.register_wrapped("signing keys", wrapping_keys)
        autodiscover_modules("audit_events")
