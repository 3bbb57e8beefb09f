"""The LLM auth proxy of `make proxy`: Envoy, the transformer, and a provider that only repeats what it is told."""

import errno
import os
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from gateway.envoy.binary import envoy_binary
from portal.processes import MARKER, address_of, announce, answers, proxy_commands

ROOT = Path(__file__).resolve().parent.parent


class CannotRunError(Exception):
    """The start is refused; the message is one line that says what to do."""


class Proxy:
    """What is run beside the portal.

    Args:
        settings: Django's settings.

    Raises:
        CannotRunError: Envoy is not here, or a port is taken.
    """

    def __init__(self, settings: Any) -> None:
        self._settings = settings
        envoy = envoy_binary()
        if envoy is None:
            raise CannotRunError("Envoy is not installed here: “make proxy” installs it for Linux on x86-64 and ARM.")
        self._envoy = envoy
        self._configuration = settings.GATEHOUSE_HOME / "envoy.json"
        check = partial(check_port, verb="make proxy")
        check(settings.PROXY_HOST, settings.PROXY_PORT, prefix="PROXY_")
        check("127.0.0.1", settings.PROXY_ADMIN_PORT, prefix="PROXY_ADMIN_")
        check("127.0.0.1", settings.FAKE_PROVIDER_PORT, prefix="FAKE_PROVIDER_")
        if settings.PROXY_TRANSFORMER:
            check(settings.TRANSFORMER_HOST, settings.TRANSFORMER_PORT, prefix="TRANSFORMER_")

    def commands(self) -> dict[str, list[str]]:
        """Write Envoy's configuration; return the processes' names and commands.

        Raises:
            CannotRunError: the settings make no configuration.
        """
        command = [sys.executable, "manage.py", "envoy_config", "--output", str(self._configuration)]
        if _manage(command).returncode:
            raise CannotRunError("“manage.py envoy_config” failed, see above; nothing was left running.")
        return proxy_commands(self._settings, self._envoy, self._configuration)

    @property
    def variables(self) -> dict[str, dict[str, str]]:
        """Return what Envoy finds in its environment: by what the gateway knows it."""
        secrets = self._settings.PROXY_CHECK_SECRETS
        return {"envoy": {"PROXY_CHECK_SECRET": secrets[0]}} if secrets else {}

    def announce_all(self) -> None:
        """Wait for the portal's first answers and for the proxy's, then print what to do with both."""
        announce(self._settings)
        self.announce()

    def announce(self) -> None:
        """Wait for the proxy's first answer, then print a command that asks it something."""
        address = address_of(self._settings.PROXY_HOST, self._settings.PROXY_PORT)
        if answers(f"{address}/healthz"):
            _manage([sys.executable, "manage.py", "proxy_demo"])


def _manage(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {MARKER: os.environ.get(MARKER, str(os.getpid()))}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False)  # noqa: S603 - made here


def check_port(host: str, port: int, prefix: str = "", verb: str = "make run") -> None:
    """Refuse a port that is taken, before anything is started.

    Args:
        host: where a server is to listen.
        port: the same.
        prefix: what the names of its two settings begin with.
        verb: what was being done.

    Raises:
        CannotRunError: the port is in use, or the address is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except PermissionError as error:
        raise CannotRunError(
            f"{prefix}PORT: {port} needs root's rights: choose another one, such as {prefix}PORT=8000."
        ) from error
    except socket.gaierror as error:
        raise CannotRunError(f"{prefix}HOST: {host} is no address of this machine.") from error
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise CannotRunError(f"{prefix}HOST: {host} is no address of this machine.") from error
        other = port + 1 if port < 65535 else port - 1  # noqa: PLR2004 - the highest port
        raise CannotRunError(
            f"{prefix}PORT: {port} on {host} is in use by another program: "
            f"stop it, or choose another: {prefix}PORT={other} {verb}"
        ) from error
