"""The gateway as a Django app: it has migrations and no models; its processes run without the app registry."""

from django.apps import AppConfig


class GatewayConfig(AppConfig):
    """Registers the migrations."""

    name = "gateway"
    verbose_name = "Gateway"
