"""The base of the REST API."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """One base view, its errors, pages, limits and the OpenAPI document; each app brings its own endpoints."""

    name = "api"
    verbose_name = "API"
    default_auto_field = "django.db.models.BigAutoField"
