"""The tenants app: what you have."""

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """Organizations, projects, roles, members, groups, invitations."""

    name = "tenants"
    verbose_name = "Organizations"
    default_auto_field = "django.db.models.BigAutoField"
