"""What every process that serves or works does before its first request or task."""

from audit.tasks import ensure_partitions
from isolation.roles import refuse_excess_power


def prepare_process() -> None:
    """Check the database role and make sure that events of the coming months have a place.

    Raises:
        SystemExit: the role may do more than it must, or a tenant table is unprotected.
    """
    refuse_excess_power()
    ensure_partitions()
