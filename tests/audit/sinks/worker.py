"""A delivery worker: a process of its own that can be killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests import database

# Its leases are short, so that another goes on within the time of a test.
_PROGRAM = """
import ipaddress, os, sys, time, django
django.setup()
from datetime import timedelta
from django.conf import settings
from tests import database
database.use_database(os.environ["DATABASE_OF_THE_TEST"])
settings.OUTBOUND_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.1")]
from audit.sinks import claims
from audit.sinks.delivery import deliver
claims.LEASE = timedelta(seconds=float(sys.argv[1]))
print("ready", flush=True)
while True:
    claims.wake()
    deliver(1)
    time.sleep(0.02)
"""


class Worker:
    """A running worker.

    Args:
        lease: for how many seconds it leases a sink.
    """

    def __init__(self, lease: float = 1) -> None:
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_OF_THE_TEST": database.worker_database(),
        }
        command = [sys.executable, "-c", _PROGRAM, str(lease)]
        self._process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        """Let the system end it, whatever it is doing."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def workers(count: int) -> Iterator[list[Worker]]:
    """Run workers until the block ends; it may kill some, and put others in their place."""
    running = [Worker() for _ in range(count)]
    try:
        yield running
    finally:
        for worker in running:
            worker.kill()
