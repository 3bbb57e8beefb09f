"""Refusals that somebody may want to look into: told to the audit log once, and then a few times an hour at most."""

import logging
import time
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from .database import Database, Unavailable
from .proxy_request import ProxyRequest

logger = logging.getLogger("gatehouse.gateway")

TOLD = frozenset({"key_invalid", "network_not_allowed", "project_unknown", "token_revoked"})
"""What happens when something is used that should be gone, or should not be there. Everything else is in the usage."""
QUIET_SECONDS = 900.0
"""For so long one actor, reason and project make no second event; the next one says how many there were."""
MOST_OF_ONE = 20
MOST = 5_000
_ACTORS = {"user": "user", "api_key": "api_key", "": "anonymous"}


@dataclass(slots=True)
class _Refusals:
    """Those of one actor, for one reason, in one project."""

    row: dict[str, Any]
    count: int = 0
    quiet_until: float = 0.0


class RefusalLog:
    """What is still to be told.

    A request costs nothing here but a look-up, and nobody fills the log: one organization's refusals make at most
    `MOST_OF_ONE` events in `QUIET_SECONDS`, for each process.

    Args:
        database: where it goes.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[tuple[str, ...], _Refusals] = {}
        self._of_one: dict[str, int] = {}

    def note(self, request: ProxyRequest, code: str, address: str | None) -> None:
        """Remember a refusal.

        Args:
            request: whose organization is known.
            code: why.
            address: where it came from.
        """
        if code not in TOLD:
            return
        organization = request.organization_id
        place = (organization, request.project_id, request.actor_type, request.actor_id, code)
        refusals = self._known.get(place)
        if refusals is None:
            if len(self._known) >= MOST or self._of_one.get(organization, 0) >= MOST_OF_ONE:
                return
            self._of_one[organization] = self._of_one.get(organization, 0) + 1
            refusals = self._known[place] = _Refusals(
                {
                    "organization_id": organization,
                    "project_id": request.project_id or None,
                    "actor_kind": _ACTORS.get(request.actor_type, "service_account"),
                    "actor_id": request.actor_id or None,
                    "actor_label": request.actor_label or request.actor_id,
                    "code": code,
                }
            )
        refusals.count += 1
        refusals.row |= {"request_id": request.request_id, "ip": address, "api_key_id": request.api_key_id}

    async def write(self) -> None:
        """Tell what is new, and forget what is long over; what cannot be told waits on."""
        now = time.monotonic()
        due = [refusals for refusals in self._known.values() if refusals.count and refusals.quiet_until <= now]
        if due:
            told = [refusals.row | {"count": refusals.count} for refusals in due]
            try:
                await self._database.tell(Jsonb(told))
            except Unavailable:
                logger.warning("%d refusals are not in the audit log yet: the database does not answer", len(due))
                return
            for refusals, row in zip(due, told, strict=True):
                refusals.count -= row["count"]
                refusals.quiet_until = now + QUIET_SECONDS
        for place, refusals in list(self._known.items()):
            if not refusals.count and refusals.quiet_until <= now:
                del self._known[place]
                self._of_one[place[0]] -= 1
                if not self._of_one[place[0]]:
                    del self._of_one[place[0]]
