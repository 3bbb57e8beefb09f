"""The price table as one process knows it."""

import logging
import time
from collections.abc import Sequence

from gateway.pricing import ModelPrice, price_of

from .counters import Ask
from .database import Unavailable

logger = logging.getLogger("gatehouse.gateway")

REMEMBERED = 10_000
AGAIN_SECONDS = 60.0
ALL = """
SELECT coalesce(jsonb_agg(jsonb_build_array(
    provider, model, input, cached_input, output, extract(epoch FROM valid_from))), '[]') FROM gateway_price
"""


class Prices:
    """All prices, read again when a notification says that they changed, and every minute.

    Args:
        ask: asks the database.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._prices: Sequence[ModelPrice] = ()
        self._found: dict[tuple[str, str], ModelPrice | None] = {}
        self._read_at = float("-inf")

    def heard(self, what: str) -> None:
        """Take a notification; those that begin with ``price:`` say that the table changed."""
        if what.startswith("price:"):
            self._read_at = float("-inf")

    def of(self, provider: str, model: str) -> ModelPrice | None:
        """Return the price in force of a model, None when nobody has named one."""
        place = (provider, model)
        if place not in self._found:
            if len(self._found) >= REMEMBERED:
                self._found.clear()
            self._found[place] = price_of(self._prices, provider, model, time.time())
        return self._found[place]

    async def refresh(self) -> None:
        """Read the table when it is due; what cannot be read stays as it was known."""
        now = time.monotonic()
        if now - self._read_at < AGAIN_SECONDS:
            return
        self._read_at = now
        try:
            rows = await self._ask(ALL, [])
        except Unavailable:
            self._read_at = float("-inf")
            logger.warning("prices are as they were last known: the database does not answer")
            return
        self._prices = [ModelPrice(*row) for row in rows]
        self._found.clear()  # also because a price may have begun
