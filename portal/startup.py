"""What every process that serves or works does before its first request or task."""

from audit.capture import refuse_gaps
from audit.tasks import ensure_partitions
from isolation.roles import refuse_excess_power
from vault.checks import refuse_missing_keys, warn_of_missing_peppers


def prepare_process() -> None:
    """Check the database role and the keyring, and make sure that events of the coming months have a place.

    A pepper that keys in use need and the keyring lacks is a line in the log, because all other keys work.

    Raises:
        SystemExit: the role may do more than it must, a tenant table is unprotected, the keyring lacks a key,
            or a write could go unnoticed.
    """
    refuse_excess_power()
    refuse_missing_keys()
    warn_of_missing_peppers()
    ensure_partitions()
    refuse_gaps()
