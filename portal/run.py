"""``make run`` and ``make proxy``: everything Gatehouse needs, started in order and stopped together.

Run as ``python -m portal.run``, or ``python -m portal.run proxy``. Nothing is started before the settings are read,
no other run of this checkout is found and the port is free.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from portal.bootstrap import ensure_database, read_state, sources_digest, write_state
from portal.database import embedded_server
from portal.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from portal.environment import ConfigurationError
from portal.processes import MARKER, RunRecord, announce, commands, supervise
from portal.proxy import CannotRunError, Proxy, check_port

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")


def main() -> int:
    """Start, wait, stop.

    Returns:
        The exit status: 0 after Ctrl-C or SIGTERM, 1 when the start was refused or a process died.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return run(with_proxy=sys.argv[1:] == ["proxy"])
    except (ConfigurationError, EmbeddedPostgresError, CannotRunError) as error:
        print(f"Gatehouse: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def run(*, with_proxy: bool = False) -> int:
    """Prepare the database, run the processes until one ends or a signal comes, stop the database.

    Args:
        with_proxy: whether the LLM auth proxy is run too; beside a portal that runs already, it alone.
    """
    from django.conf import settings  # noqa: PLC0415 - a malformed setting is reported by main()

    proxy = Proxy(settings) if with_proxy else None
    if proxy and RunRecord(settings.GATEHOUSE_HOME / "run.pid").alive() is not None:
        with _only_run(settings.GATEHOUSE_HOME / "proxy.pid"):
            return supervise(settings, proxy.commands(), proxy.announce, proxy.variables)
    server = embedded_server()
    if settings.GATEHOUSE_BLUEPRINT:
        _check_blueprint(settings.GATEHOUSE_BLUEPRINT)
    with _only_run(settings.GATEHOUSE_HOME / "run.pid"):
        check_port(settings.HOST, settings.PORT)
        check_port(settings.GATEWAY_HOST, settings.GATEWAY_PORT, prefix="GATEWAY_")
        with server.running() if server else nullcontext():
            if server:
                _announce_place(server)
                ensure_database(server)
            _prepare(settings, server)
            if proxy is None:
                return supervise(settings, commands(settings), partial(announce, settings))
            return supervise(settings, commands(settings) | proxy.commands(), proxy.announce_all, proxy.variables)


def _check_blueprint(path: Path) -> None:
    """Refuse a blueprint that the schema refuses, before anything is started.

    Raises:
        CannotRunError: with the first problem's line.
    """
    from portal.blueprint.problems import BlueprintError  # noqa: PLC0415 - only a start with a blueprint needs YAML
    from portal.blueprint.reader import read  # noqa: PLC0415
    from portal.blueprint.schema import check  # noqa: PLC0415

    try:
        check(read(path))
    except BlueprintError as error:
        more = len(error.problems) - 1
        others = f" ({more} more: manage.py blueprint plan {path})" if more else ""
        raise CannotRunError(f"GATEHOUSE_BLUEPRINT: {error.problems[0]}{others}") from error


@contextmanager
def _only_run(path: Path) -> Iterator[None]:
    """Refuse a second run of the same checkout; end what a killed run left behind.

    Raises:
        CannotRunError: another run is alive.
    """
    record = RunRecord(path)
    other = record.take()
    if other is not None:
        raise CannotRunError(f"already runs from this directory (process {other}): stop that one first.")
    try:
        yield
    finally:
        record.release()


def _announce_place(server: EmbeddedPostgres) -> None:
    if server.place != server.home:
        print(f"Gatehouse: the database lives in {server.place}: root's helper user cannot enter this directory.")


def _prepare(settings: Any, server: EmbeddedPostgres | None) -> None:
    """Migrate, seed and apply the blueprint; migrations and the demo only when they are due.

    What was done is noted in the embedded database itself, so that it cannot be out of step with the data.

    Raises:
        CannotRunError: a step failed; its own output says why.
    """
    state = read_state(server) if server else {}
    digest = sources_digest(settings.BASE_DIR)
    if state.get("migrated") != digest and "migrator" in settings.DATABASES:
        print("Gatehouse: preparing the database ...", flush=True)
        _manage("migrate", "--verbosity", "0", "--no-input")
        state["migrated"] = digest
        if server:
            write_state(server, state)
    if settings.DEMO and not state.get("demo") and server:
        print("Gatehouse: filling in the demo organizations (DEMO=0 leaves them out) ...", flush=True)
        _manage("seed_demo")
        state["demo"] = "seeded"
        write_state(server, state)
    if settings.GATEHOUSE_BLUEPRINT or settings.GATEHOUSE_INIT:
        print("Gatehouse: applying the blueprint ...", flush=True)
        _manage("blueprint", "start")


def _manage(*arguments: str) -> None:
    command = [sys.executable, "manage.py", *arguments]
    environment = os.environ | {MARKER: str(os.getpid())}
    result = subprocess.run(command, cwd=Path(__file__).parent.parent, env=environment, check=False)  # noqa: S603
    if result.returncode != 0:
        raise CannotRunError(f"`manage.py {arguments[0]}` failed, see above; nothing was left running.")


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
