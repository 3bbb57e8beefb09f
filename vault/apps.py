"""The vault app: one table, of wrapped data keys."""

from django.apps import AppConfig


class VaultConfig(AppConfig):
    """Registers the checks of the keyring."""

    name = "vault"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks."""
        from . import checks  # noqa: F401, PLC0415 - registration needs the app registry to be loaded
