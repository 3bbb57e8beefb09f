"""Many provisioned users at once, for what counts or measures them."""

from pathlib import Path

import psycopg


def fill(superuser: psycopg.Connection, first: int, last: int) -> None:
    """Add users person-`first` to person-`last` to acme, each a copy of the user `template`, who came over SCIM."""
    statements = Path(__file__).with_suffix(".sql").read_text()
    superuser.execute("SET session_replication_role = replica")
    superuser.execute(statements.format(first=first, last=last))
    superuser.execute("VACUUM ANALYZE")
