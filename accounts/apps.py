"""The accounts app: who you are."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People, service accounts, API keys and provisioning."""

    name = "accounts"
    verbose_name = "Accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listen to what Django, allauth and the organizations tell; say which peppers are in use."""
        from accounts import audit_alerts, key_receivers, peppers, provisioning_receivers, receivers  # noqa: F401, PLC0415 - they need the app registry

        peppers.register()
