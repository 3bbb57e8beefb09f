"""Loads every app's `admin` module and the checks that keep the sites closed."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class ConsoleConfig(AppConfig):
    """The consoles; listed before unfold so that its templates win."""

    name = "console"
    verbose_name = "Console"

    def ready(self) -> None:
        """Register the system checks, then the admins of all apps (`SimpleAdminConfig` leaves that to us)."""
        from . import checks  # noqa: F401, PLC0415 - registers itself; needs the loaded models

        autodiscover_modules("admin")
