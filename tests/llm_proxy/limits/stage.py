"""Limits as processes of the gateway keep them, over the counters that they share."""

import json
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.hotpath.counters import counters_at
from gateway.hotpath.database import Database
from gateway.hotpath.limits import Limits
from gateway.hotpath.prices import Prices
from gateway.hotpath.problems import Refused
from gateway.hotpath.proxy_request import ProxyRequest
from gateway.hotpath.usage import Usage
from gateway.models import CounterOutage
from tests.gateway.process import database_url
from tests.people import Tenant

ROOT = Path(__file__).resolve().parent.parent.parent.parent
POSTGRES = "postgres"


def limit(metric: str, window: str, amount: int, *, whose: str = "organization", subject: str = "") -> dict[str, Any]:
    """Return a limit as the snapshot has it."""
    return {
        "id": str(uuid.uuid4()),
        "subject_kind": whose,
        "subject": subject,
        "metric": metric,
        "window": window,
        "amount": amount,
        "is_enabled": True,
    }


def request_of(tenant: Tenant, **values: Any) -> ProxyRequest:
    """Return a request of an organization's project."""
    given: dict[str, Any] = {
        "request_id": uuid.uuid4().hex,
        "organization_id": str(tenant.organization.pk),
        "project_id": str(tenant.project.pk),
        "actor_type": "user",
        "actor_id": str(tenant.owner.pk),
        "provider": "openai",
        "model": "gpt-4o",
    }
    return ProxyRequest(**given | values)


class Process:
    """The parts of one gateway process that count."""

    def __init__(self, place: str, database: Database, **options: Any) -> None:
        self.prices = Prices(database.one)
        self.usage = Usage(database.one, self.prices)
        self.limits = Limits(counters_at("" if place == POSTGRES else place, database.one), self.prices, **options)
        self.database = database

    async def refusal(
        self, request: ProxyRequest, *limits: dict[str, Any], estimate: int = 1, on_outage: str = CounterOutage.CLOSED
    ) -> Refused | None:
        """Return why a request is refused, None when it is admitted."""
        try:
            await self.limits.admit(request, limits, on_outage, estimate)
        except Refused as refused:
            return refused
        return None

    async def admitted(self, request: Callable[[], ProxyRequest], count: int, *limits: dict[str, Any]) -> int:
        """Return how many of several requests, one after the other, are admitted."""
        found = [await self.refusal(request(), *limits) for _ in range(count)]
        return found.count(None)

    async def tell(self) -> None:
        """Do what the process does every second."""
        self.limits.tick()
        await self.limits.write()


@asynccontextmanager
async def process_at(place: str, **options: Any) -> AsyncIterator[Process]:
    """Yield a process, and close it."""
    database = Database(database_url())
    await database.open()
    process = Process(place, database, **options)
    try:
        yield process
    finally:
        await process.limits.close()
        await database.close()


async def in_process(place: str, work: Callable[[Process], Awaitable[Any]], **options: Any) -> Any:
    """Return what is done in a process."""
    async with process_at(place, **options) as process:
        return await work(process)


def body(refused: Refused) -> dict[str, Any]:
    """Return the document of a refusal."""
    found: dict[str, Any] = json.loads(refused.body("r"))
    return found


class Crowd:
    """Processes of the operating system that ask at the same time.

    Args:
        place: where the counters are.
        tenant: whose requests they are.
        limits: what they have to fit.
        requests: how many each process sends.
        processes: how many there are.
    """

    def __init__(
        self,
        place: str,
        tenant: Tenant,
        limits: list[dict[str, Any]],
        *,
        requests: int,
        processes: int = 4,
        **more: Any,
    ) -> None:
        task = {
            "place": place,
            "database": database_url(),
            "request": {
                "organization_id": str(tenant.organization.pk),
                "project_id": str(tenant.project.pk),
                "actor_type": "user",
                "actor_id": str(tenant.owner.pk),
            },
            "limits": limits,
            "requests": requests,
            **more,
        }
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.llm_proxy.limits.worker", json.dumps(task)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(processes)
        ]

    def run(self) -> list[dict[str, Any]]:
        """Let all go once all are ready, and return what each of them saw."""
        for process in self._processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        found = []
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in self._processes:
            output, _ = process.communicate(timeout=120)
            assert process.returncode == 0
            found.append(json.loads(output))
        return found

    def run_to_death(self) -> None:
        """Let all go, and wait until they are dead."""
        for process in self._processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in self._processes:
            process.communicate("go\n", timeout=120)
