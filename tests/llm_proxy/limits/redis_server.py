"""A Redis of the tests' own, on loopback; without persistence."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from tests.services import require_program

PATIENCE = 20.0


@contextmanager
def redis_server(port: int = 0) -> Iterator[str]:
    """Yield the address of a running Redis.

    Args:
        port: where it listens; a free one when it is 0.
    """
    program = require_program("redis-server", hint="Debian's package redis-server")
    if not port:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", "/tmp"]  # noqa: S108 - nothing is written there
    with subprocess.Popen([program, *options], stdout=subprocess.DEVNULL) as process:
        try:
            url = f"redis://127.0.0.1:{port}/0"
            client = redis.Redis.from_url(url)
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline:
                with contextlib.suppress(redis.ConnectionError):
                    client.ping()
                    break
                time.sleep(0.02)
            client.close()
            yield url
        finally:
            process.terminate()
