"""The Django application of the project package."""

from django.apps import AppConfig


class PortalConfig(AppConfig):
    """Holds the management commands and the broker's tables."""

    name = "portal"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Make ``shared_task`` use our Celery application in every process."""
        import portal.celery  # noqa: F401, PLC0415 - needs the app registry
