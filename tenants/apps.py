"""The tenants app: what you have."""

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """Organizations, projects, roles, members, groups, invitations."""

    name = "tenants"
    verbose_name = "Organizations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the API where organizations are found."""
        from .api import directory  # noqa: F401, PLC0415 - registers itself; needs the loaded models
