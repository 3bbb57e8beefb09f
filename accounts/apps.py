"""The accounts app: who you are."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People, service accounts, API keys and provisioning."""

    name = "accounts"
    verbose_name = "Accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listen to what Django, allauth and the organizations tell; say which peppers are in use."""
        from accounts import (  # noqa: PLC0415 - they need the app registry
            audit_alerts,  # noqa: F401
            audit_keeping,  # noqa: F401
            audit_people,  # noqa: F401
            key_receivers,  # noqa: F401
            peppers,
            provisioning_receivers,  # noqa: F401
            receivers,  # noqa: F401
            sso_receivers,  # noqa: F401
        )
        from accounts.mfa import receivers as second_factors  # noqa: F401, PLC0415 - the same
        from accounts.mfa import sealing  # noqa: PLC0415 - the same
        from vault.usage import register_store  # noqa: PLC0415 - the same

        peppers.register()
        register_store(sealing.SecondFactorStore())
