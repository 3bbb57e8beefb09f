"""Redis and RabbitMQ as Celery's brokers: real servers on loopback that can be killed and come back without memory."""

import os
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from kombu import Connection

from tests.services import require_program

_PATIENCE = 60


class Broker(ABC):
    """A broker.

    Args:
        directory: for its files.
    """

    name: ClassVar[str]

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Return what CELERY_BROKER_URL is set to."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return what starts it."""

    def environment(self) -> dict[str, str]:
        return {}

    def start(self) -> None:
        """Start it with nothing in it, and wait until it answers."""
        home = self.directory / "data"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        with (self.directory / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=home,
                env=os.environ | self.environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,  # RabbitMQ is several processes
            )
        deadline = time.monotonic() + _PATIENCE
        while not self.answers():
            assert self._process.poll() is None, (self.directory / "broker.log").read_text()
            assert time.monotonic() < deadline, (self.directory / "broker.log").read_text()
            time.sleep(0.05)

    def answers(self) -> bool:
        try:
            with Connection(self.url, connect_timeout=2) as connection:
                connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
        except Exception:  # noqa: BLE001 - each client has errors of its own for a server that only begins
            return False
        return True

    def wipe(self) -> None:
        """Kill it and start it anew: every message is gone, every connection too."""
        self.kill()
        self.start()

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def close(self) -> None:
        self.kill()


class Redis(Broker):
    name = "redis"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        program = require_program("redis-server", hint="Debian's package redis-server")
        return [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]


class RabbitMQ(Broker):
    """RabbitMQ, with a name server of Erlang's own at a port of its own."""

    name = "rabbitmq"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._names: subprocess.Popen[bytes] | None = None
        self._names_port = free_port()

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def command(self) -> list[str]:
        # Debian's command of that name insists on a user, and on its one place for data.
        return [require_program("/usr/lib/rabbitmq/bin/rabbitmq-server", hint="Debian's package rabbitmq-server")]

    def environment(self) -> dict[str, str]:
        data = self.directory / "data"
        plugins = self.directory / "plugins"
        plugins.write_text("[].\n")
        return {
            "HOME": str(self.directory),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._names_port),
            "RABBITMQ_NODENAME": f"gatehouse{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(data),
            "RABBITMQ_LOG_BASE": str(self.directory),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_CONF_ENV_FILE": str(self.directory / "none"),
            "RABBITMQ_CONFIG_FILE": str(self.directory / "none"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.directory / "none"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def start(self) -> None:
        if self._names is None:
            command = [require_program("epmd", hint="Debian's package erlang-base"), "-port", str(self._names_port)]
            self._names = subprocess.Popen([*command, "-address", "127.0.0.1"])
        super().start()

    def close(self) -> None:
        super().close()
        if self._names is not None:
            self._names.kill()
            self._names.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
