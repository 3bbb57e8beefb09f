"""Which database role serves which query."""

from typing import Any

from django.db import models

from . import context
from .managers import tenant_column
from .scope import MIGRATOR, OPERATOR


class TenantRouter:
    """Tenant models go to the operator's role inside `operator_scope`; only the migrator changes the schema."""

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str | None:
        """Return the alias for reading `model`, or None for the default."""
        return OPERATOR if tenant_column(model) and context.crossing_tenants() else None

    def db_for_write(self, model: type[models.Model], **hints: Any) -> str | None:
        """Return the alias for writing: always the app's, which row-level security binds."""
        return None

    def allow_relation(self, obj1: models.Model, obj2: models.Model, **hints: Any) -> bool:
        """Return True: the aliases are roles of one database."""
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """Return whether migrations run on `db`: only as the migrator."""
        return db == MIGRATOR
