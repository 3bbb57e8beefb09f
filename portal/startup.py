"""What every process that serves or works does before its first request or task."""

from audit.capture import refuse_gaps
from audit.tasks import ensure_partitions
from gateway.services.prices import load_price_list
from gateway.services.signing_keys import settle_signing_keys
from isolation.roles import refuse_excess_power
from vault.checks import refuse_missing_keys, warn_of_missing_peppers


def prepare_process() -> None:
    """Check the database role and the keyring, and make sure that events of the coming months have a place.

    Tokens get a key that signs, if there is none; the price list that comes with this version is read once.

    A pepper that keys in use need and the keyring lacks is a line in the log, because all other keys work.

    Raises:
        SystemExit: the role may do more than it must, a tenant table is unprotected, the keyring lacks a key,
            a signing key is not what it was, or a write could go unnoticed.
    """
    refuse_excess_power()
    refuse_missing_keys()
    warn_of_missing_peppers()
    ensure_partitions()
    settle_signing_keys(at_start=True)
    load_price_list()
    refuse_gaps()
