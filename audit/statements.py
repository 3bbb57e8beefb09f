"""Querysets as parts of larger statements, on the role that the open scope reads with."""

from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import QuerySet

from isolation.context import crossing_tenants
from isolation.scope import APP, OPERATOR


def connection() -> Any:
    """Return the connection of the scope that is open."""
    return connections[OPERATOR if crossing_tenants() else APP]


def sql_of(rows: "QuerySet[Any]") -> tuple[str, tuple[Any, ...]] | None:
    """Return (SQL, parameters) of a queryset; None when its conditions let nothing through."""
    try:
        sql, parameters = rows.query.get_compiler(connection=connection()).as_sql()
    except EmptyResultSet:
        return None
    return sql, tuple(parameters)
