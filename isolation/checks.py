"""System checks over the database: `manage.py check --database default` names what isolation lacks."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register

from .roles import inspect_role, unprotected_tables
from .scope import APP


@register(Tags.database)
def check_database_isolation(
    app_configs: Any = None, *, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Return an error for each excess power of the app's role and each unprotected tenant table."""
    if not databases or APP not in databases:
        return []
    report = inspect_role()
    messages: list[CheckMessage] = [
        Error(
            f"The database role {report.role} {excess}.",
            hint="Connect as gatehouse_app.",
            id="isolation.E001",
        )
        for excess in report.excess
    ]
    messages += [
        Error(f"The table {table} has no forced row-level security.", id="isolation.E002")
        for table in unprotected_tables()
    ]
    return messages
