"""The gateway as a Django app; its processes on the hot path run without the app registry."""

from django.apps import AppConfig


class GatewayConfig(AppConfig):
    """Verification of keys, and the LLM auth proxy."""

    name = "gateway"
    verbose_name = "LLM auth proxy"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listen to what ends tokens; say which key-encryption keys wrap the signing keys."""
        from vault.usage import register_wrapped  # noqa: PLC0415 - needs the app registry to be loaded

        from . import receivers  # noqa: F401, PLC0415 - the same
        from .signing import wrapping_keys  # noqa: PLC0415 - the same

        register_wrapped("token signing keys", wrapping_keys)
