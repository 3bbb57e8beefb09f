"""How long a page may look before it gives up and says so: no search keeps the database busy for ever."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connections, transaction

from isolation.context import crossing_tenants
from isolation.scope import APP, OPERATOR

_CANCELED = "57014"
_SET = "SELECT set_config('statement_timeout', %s, true)"
LIST = 10_000
CHART = 2_500
SUGGESTIONS = 1_000


class TookTooLong(Exception):  # noqa: N818 - reads as the statement it is
    """A search was given up."""


@contextmanager
def patience(milliseconds: int) -> Iterator[None]:
    """Give up a statement of the block that takes longer; the transaction around it goes on.

    Args:
        milliseconds: for each statement.

    Raises:
        TookTooLong: one did.
    """
    alias = OPERATOR if crossing_tenants() else APP
    connection = connections[alias]
    try:
        with transaction.atomic(using=alias), connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout')")
            (before,) = cursor.fetchone()
            cursor.execute(_SET, [str(milliseconds)])
            yield
            cursor.execute(_SET, [before])
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") == _CANCELED:
            raise TookTooLong from error
        raise
