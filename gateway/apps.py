"""The gateway as a Django app; its processes on the hot path run without the app registry."""

from django.apps import AppConfig


class GatewayConfig(AppConfig):
    """Verification of keys, and the LLM auth proxy."""

    name = "gateway"
    verbose_name = "LLM auth proxy"
    default_auto_field = "django.db.models.BigAutoField"
