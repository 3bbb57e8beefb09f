"""Which database role serves which query."""

from typing import Any

from django.db import models

from . import context
from .managers import tenant_column
from .scope import APP, MIGRATOR, OPERATOR


class TenantRouter:
    """Tenant models go to the operator's role inside `operator_scope`; only the migrator changes the schema."""

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str | None:
        """Return the alias for reading `model`, or None for Django's choice.

        A tenant model's alias is always named: for a related object Django chooses the alias that the first one came
        from, which would be the operator's role even after its scope has ended.
        """
        if not tenant_column(model):
            return None
        return OPERATOR if context.crossing_tenants() else APP

    def db_for_write(self, model: type[models.Model], **hints: Any) -> str | None:
        """Return the app's alias, which row-level security binds; None (Django's choice) while migrating."""
        instance = hints.get("instance")
        read_by_operator = instance is not None and instance._state.db == OPERATOR
        return APP if tenant_column(model) or read_by_operator else None

    def allow_relation(self, obj1: models.Model, obj2: models.Model, **hints: Any) -> bool:
        """Return True: the aliases are roles of one database."""
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """Return whether migrations run on `db`: only as the migrator."""
        return db == MIGRATOR
