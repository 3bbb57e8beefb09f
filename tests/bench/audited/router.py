"""Everything of the benchmark lives in the app's database."""

from typing import Any

from django.db import models

APPS = {"audited", "auditlog", "pghistory"}


class OwnerMigrates:
    """Sends the benchmark's models to the app's connection."""

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str | None:
        """Return the app's alias for the benchmark's models."""
        return "default" if model._meta.app_label in APPS else None

    db_for_write = db_for_read

    def allow_relation(self, obj1: models.Model, obj2: models.Model, **hints: Any) -> bool | None:
        """Return no opinion."""
        return None
