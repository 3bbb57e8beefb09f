"""The isolation app: context, scopes and row-level security; it has no models."""

from django.apps import AppConfig


class IsolationConfig(AppConfig):
    """Registers the system checks of the database roles."""

    name = "isolation"

    def ready(self) -> None:
        """Register the checks."""
        from . import checks  # noqa: F401, PLC0415 - registration needs the app registry to be loaded
