"""The transformer's process: ``python -m gateway.transformer``."""

import asyncio
import contextlib
import logging.config
import os
import signal
import sys

from gateway.hotpath.counters import counters_at
from gateway.hotpath.database import Database
from gateway.hotpath.limits import Limits
from gateway.hotpath.listener import Listener
from gateway.hotpath.prices import Prices
from gateway.hotpath.usage import Usage

from .config import Config
from .exchange import Tools
from .ledger import UsageLedger
from .mappings.configured import WrongMapping
from .mappings.registry import mappings_by_name
from .server import server

logger = logging.getLogger("gatehouse.transformer")

GRACE_SECONDS = 10.0
"""How long streams that are under way may go on once the process is told to end."""


async def serve(config: Config) -> None:
    """Serve until SIGINT or SIGTERM comes.

    Raises:
        OSError: a file of the TLS settings cannot be read.
        RuntimeError: the address is taken.
        WrongMapping: the operator's mappings cannot be used.
    """
    mappings = mappings_by_name(config.mappings)
    database = Database(config.conninfo)
    await database.open()
    prices = Prices(database.one)
    await prices.refresh()
    limits = Limits(counters_at(config.counter_url, database.one), prices)
    ledger = UsageLedger(limits, Usage(database.one, prices))
    listener = Listener(config.conninfo, (), database, hears=(prices.heard,))
    serving, port = server(config, Tools(ledger, mappings, config.most_bytes))
    await serving.start()
    logger.info("the transformer listens on port %d", port)
    work = [asyncio.create_task(each) for each in (listener.run(), limits.run(), ledger.run())]
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    await serving.stop(GRACE_SECONDS)
    for task in work:
        task.cancel()
    await asyncio.gather(*work, return_exceptions=True)
    await ledger.close()
    await database.close()


def main() -> int:
    """Run the process.

    Returns:
        0 when a signal ended it, 1 when it could not start.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    from django.conf import settings  # noqa: PLC0415 - nothing is read before the process starts

    logging.config.dictConfig(settings.LOGGING)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve(Config.from_settings()))
    except (OSError, RuntimeError, WrongMapping):
        logger.exception("the transformer could not start")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
