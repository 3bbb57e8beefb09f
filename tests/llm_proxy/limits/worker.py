"""One of several processes that count at the same time; told what to do by its argument, started by a line of input."""

import asyncio
import json
import os
import sys
import time
from collections import Counter
from typing import Any


async def work(task: dict[str, Any]) -> dict[str, Any]:
    """Return how many requests ended in which way, and how often the shared counters were asked."""
    from gateway.hotpath.counters import PostgresCounters, RedisCounters  # noqa: PLC0415 - settings are named first
    from gateway.hotpath.database import Database  # noqa: PLC0415
    from gateway.hotpath.limits import Limits  # noqa: PLC0415
    from gateway.hotpath.prices import Prices  # noqa: PLC0415
    from gateway.hotpath.problems import Refused  # noqa: PLC0415
    from gateway.hotpath.proxy_request import ProxyRequest  # noqa: PLC0415

    database = Database(task["database"])
    await database.open()
    ask = database.one
    counters = PostgresCounters(ask) if task["place"] == "postgres" else RedisCounters(task["place"], ask)
    questions = 0
    take = counters.take

    async def counted(*arguments: Any) -> Any:
        nonlocal questions
        questions += 1
        return await take(*arguments)

    counters.take = counted  # type: ignore[method-assign,assignment]
    limits = Limits(counters, Prices(ask))
    running = asyncio.create_task(limits.run())
    outcomes: Counter[str] = Counter()
    numbers = iter(range(task["requests"]))
    print("ready", flush=True)  # noqa: T201 - the test waits for it
    await asyncio.to_thread(sys.stdin.readline)
    started = time.monotonic()

    async def ask_in_turn() -> None:
        for number in numbers:
            request = ProxyRequest(request_id=str(number), model=task.get("model", "gpt-4o"), **task["request"])
            try:
                await limits.admit(request, task["limits"], "closed", task.get("estimate", 1))
            except Refused as refused:
                outcomes[json.loads(refused.body(""))["code"]] += 1
            else:
                outcomes["admitted"] += 1
                if "used" in task:
                    await limits.settle(
                        request, input_tokens=task["used"], cached_tokens=0, output_tokens=0, cost=task["used"]
                    )
                if task.get("dies"):
                    os._exit(0)
            await asyncio.sleep(0)

    await asyncio.gather(*(ask_in_turn() for _ in range(task.get("parallel", 8))))
    seconds = time.monotonic() - started
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    if task.get("gives_back", True):
        await limits.close()
    await database.close()
    return {"outcomes": outcomes, "questions": questions, "seconds": seconds}


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    print(json.dumps(asyncio.run(work(json.loads(sys.argv[1])))), flush=True)  # noqa: T201 - the test reads it
