"""What was used: added up in memory, and written in one statement every few seconds."""

import logging
import re
import time
import uuid
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from .counters import Ask
from .database import Unavailable
from .prices import Prices
from .proxy_request import ProxyRequest

logger = logging.getLogger("gatehouse.gateway")

MOST_WAITING = 50_000
"""Rows that wait while the database is away; what comes on top is lost, and the log says how much."""
BATCH = 5_000
WRITE_SECONDS = 2.0
ALLOWED, UPSTREAM_ERROR = "allowed", "upstream_error"
PASSED = (ALLOWED, UPSTREAM_ERROR)
"""Outcomes of requests that were let through; every other one is the code of a denial."""
LONGEST_MODEL = 120
HOUR = 3_600
MOST_TOKENS = 2**40
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(slots=True)
class _Figures:
    """The sums of one row."""

    requests: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost: int = 0


class Usage:
    """The usage that one process has not written yet.

    A crash of the process loses what it noted since it last wrote, at most `WRITE_SECONDS` when the database answers;
    an orderly end loses nothing. A batch counts once, however often it is sent.

    Args:
        ask: asks the database.
        prices: what tokens cost.
    """

    def __init__(self, ask: Ask, prices: Prices) -> None:
        self._ask = ask
        self._prices = prices
        self._rows: dict[tuple[Any, ...], _Figures] = {}
        self._sent: dict[str, Any] | None = None
        self._lost = 0

    def note(
        self,
        request: ProxyRequest,
        outcome: str,
        *,
        input_tokens: int = 0,
        cached_tokens: int = 0,
        output_tokens: int = 0,
    ) -> int:
        """Remember one request.

        Args:
            request: the request.
            outcome: one of `PASSED`, or the code of its denial.
            input_tokens: of the prompt, the cached ones included.
            cached_tokens: those of them that the provider had in its cache.
            output_tokens: of the answer.

        Returns:
            Its cost by the price of this moment, in millionths of a US dollar; 0 when nobody has named a price.
        """
        model = storable(request.model)
        input_tokens, cached_tokens, output_tokens = (
            min(max(tokens, 0), MOST_TOKENS) for tokens in (input_tokens, cached_tokens, output_tokens)
        )
        price = self._prices.of(request.provider, model) if input_tokens or output_tokens else None
        cost = 0
        if price is not None:
            cost = price.cost(input_tokens=input_tokens, cached_tokens=cached_tokens, output_tokens=output_tokens)
        place = (
            request.organization_id,
            int(time.time()) // HOUR * HOUR,
            request.project_id or None,
            request.api_key_id or None,
            request.actor_type,
            request.actor_id or None,
            request.credential_id or None,
            request.provider,
            model,
            outcome,
        )
        figures = self._rows.get(place)
        if figures is None:
            if len(self._rows) >= MOST_WAITING:
                self._lost += 1
                return cost
            figures = self._rows[place] = _Figures()
        figures.requests += 1
        figures.input_tokens += input_tokens
        figures.cached_tokens += cached_tokens
        figures.output_tokens += output_tokens
        figures.cost += cost
        return cost

    async def write(self) -> None:
        """Write what is waiting, and read the prices when they are due; what cannot be written waits on."""
        await self._prices.refresh()
        while self._sent or self._rows:
            # The same batch under the same id until it is known to have arrived.
            self._sent = self._sent or self._batch()
            try:
                await self._ask("SELECT gateway_add_usage(%s)", [Jsonb(self._sent)])
            except Unavailable:
                number = len(self._sent["rows"]) + len(self._rows)
                logger.warning("%d rows of usage are not written yet: the database does not answer", number)
                return
            self._sent = None
        if self._lost:
            logger.error("%d requests are missing from the usage: too many rows waited for the database", self._lost)
            self._lost = 0

    def _batch(self) -> dict[str, Any]:
        rows = []
        for place in list(self._rows)[:BATCH]:
            # One value that PostgreSQL does not take would keep the whole batch out for ever.
            organization_id, hour, project_id, api_key_id, actor_type, actor_id, credential_id, *rest = place
            provider, model, outcome = rest
            figures = self._rows.pop(place)
            rows.append(
                {
                    "organization_id": _uuid(organization_id),
                    "hour": hour,
                    "project_id": _uuid(project_id),
                    "api_key_id": _uuid(api_key_id),
                    "actor_type": actor_type,
                    "actor_id": _uuid(actor_id),
                    "credential_id": _uuid(credential_id),
                    "provider": provider,
                    "model": model,
                    "outcome": outcome,
                    "requests": figures.requests,
                    "input_tokens": figures.input_tokens,
                    "cached_tokens": figures.cached_tokens,
                    "output_tokens": figures.output_tokens,
                    "cost": figures.cost,
                }
            )
        return {"id": str(uuid.uuid4()), "rows": rows}


def storable(model: str) -> str:
    """Return a model's name as PostgreSQL takes it: whatever a client calls a model, it can be counted."""
    if model.isascii() and model.isprintable():
        return model[:LONGEST_MODEL]
    return model.encode("utf-8", "replace").decode().replace("\0", "")[:LONGEST_MODEL]


def _uuid(text: str | None) -> str | None:
    return text if text and _UUID.fullmatch(text) else None
