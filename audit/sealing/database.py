"""The sealer's own connection: the role `gatehouse_sealer`, which alone writes leaves and checkpoints."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections, transaction

from isolation.scope import SEALER


def can_seal() -> bool:
    """Return whether this process knows the sealer's password (SEALER_DATABASE_URL)."""
    return SEALER in connections.databases


@contextmanager
def sealer_cursor() -> Iterator[Any]:
    """Open a transaction of the sealer; all of it sees one moment (REPEATABLE READ)."""
    with transaction.atomic(using=SEALER), connections[SEALER].cursor() as cursor:
        yield cursor
