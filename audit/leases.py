"""What work over sealed events shares that several processes do: leases that run out, and waiting after failures."""

import random
from datetime import timedelta

LEASE = timedelta(seconds=60)
"""Longer than any one step takes; it is extended with every batch."""

FIRST_WAIT, LONGEST_WAIT = 1.0, 300.0
"""Seconds after the first failure, and at most."""


class LeaseLost(Exception):  # noqa: N818 - it is no error: somebody else goes on
    """Somebody else holds the cursor, or what it is of was changed, or is gone."""


def wait(failures: int, after: float | None = None) -> timedelta:
    """Return how long to wait before the next try: twice as long each time, at most five minutes, by chance shorter.

    Args:
        failures: in a row.
        after: seconds that the receiver asked for, None for no wish.
    """
    longest = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(failures - 1, 20))
    chosen = random.uniform(longest / 2, longest)  # noqa: S311 - so that sinks do not come all at once
    return timedelta(seconds=max(chosen, after or 0))
