"""The accounts app: who you are."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People, and later service accounts and API keys."""

    name = "accounts"
    verbose_name = "Accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listen to what Django and allauth tell about sign-ins and addresses."""
        from accounts import receivers  # noqa: F401, PLC0415 - needs the app registry
