"""The processes of ``make run`` under honcho, and the record by which a second run finds the first."""

import contextlib
import os
import shlex
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil
from honcho.manager import Manager
from honcho.printer import Message, Printer

from portal.welcome import welcome

MARKER = "GATEHOUSE_RUN"  # in the environment of every process a run starts; its value is the runner's id
STOP_SECONDS = 5
ORDERLY_SECONDS = 1  # for the children of a process that has ended
FIRST_ANSWER_SECONDS = 120


class RunRecord:
    """The file that names the live run of a checkout.

    A lock would not do: honcho's helper processes inherit it and keep it when the runner is killed.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self) -> int | None:
        """Become the run of this checkout, ending what a killed run left.

        Returns:
            The process id of another live run, None when this one may go on.
        """
        self._path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        me = f"{os.getpid()} {psutil.Process().create_time()}"
        try:
            with self._path.open("x", encoding="utf-8") as file:
                file.write(me)
        except FileExistsError:
            pid, alive = self._other()
            if alive:
                return pid
            if pid is not None:
                end_leftovers(pid)
            self._path.write_text(me, encoding="utf-8")
        return None

    def alive(self) -> int | None:
        """Return the process id of a live run of this checkout, None without one."""
        pid, alive = self._other()
        return pid if alive else None

    def release(self) -> None:
        """Remove the record."""
        self._path.unlink(missing_ok=True)

    def _other(self) -> tuple[int | None, bool]:
        """Return the recorded process id and whether that very process lives."""
        try:
            recorded, created = self._path.read_text(encoding="utf-8").split()
            pid, moment = int(recorded), float(created)
        except (OSError, ValueError):
            return None, False
        try:
            process = psutil.Process(pid)
            return pid, abs(process.create_time() - moment) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return pid, False


def end_leftovers(runner: int) -> None:
    """End the processes of a run whose runner was killed.

    Args:
        runner: the dead runner's process id, which marks its processes' environments.
    """
    leftovers = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER) == str(runner):
                leftovers.append(process)
        except (psutil.Error, OSError):
            continue  # another user's, or just gone
    for process in leftovers:
        _signal(process, kill=False)
    for process in psutil.wait_procs(leftovers, timeout=STOP_SECONDS)[1]:
        _signal(process, kill=True)


def _signal(process: psutil.Process, *, kill: bool) -> None:
    try:
        process.kill() if kill else process.terminate()
    except psutil.NoSuchProcess:
        return


def commands(settings: Any) -> dict[str, list[str]]:
    """Return the processes of the portal: name and command.

    Args:
        settings: Django's settings.
    """
    web = [sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws", "--host", settings.HOST]
    web += ["--port", str(settings.PORT), "--workers", str(settings.WEB_WORKERS)]
    web += ["--blocking-threads", str(settings.WEB_THREADS), "--log-level", "warning", "--workers-kill-timeout", "3"]
    web += [*(["--access-log"] if settings.ACCESS_LOG else []), "portal.wsgi:application"]
    gateway = [sys.executable, "-m", "granian", "--interface", "asgi", "--no-ws", "--http", "1"]
    gateway += ["--host", settings.GATEWAY_HOST, "--port", str(settings.GATEWAY_PORT)]
    gateway += ["--workers", str(settings.GATEWAY_WORKERS), "--log-level", "warning", "--workers-kill-timeout", "3"]
    gateway += [*(["--access-log"] if settings.ACCESS_LOG else []), "gateway.hotpath.app:application"]
    worker = [sys.executable, "-m", "celery", "--app", "portal", "--quiet", "worker", "--beat"]
    # More threads than there are long tasks (verification, exports): sealing, each second, waits for none of them.
    worker += ["--pool", "threads", "--concurrency", "6", "--loglevel", settings.LOG_LEVEL]
    worker += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    worker += ["--schedule", settings.CELERY_BEAT_SCHEDULE_FILENAME]
    # Apart from the others: a receiver that does not answer keeps a thread here, and nothing else waits for it.
    delivery = [sys.executable, "-m", "celery", "--app", "portal", "--quiet", "worker", "--queues", "delivery"]
    delivery += ["--pool", "threads", "--concurrency", "8", "--loglevel", settings.LOG_LEVEL]
    delivery += ["--without-gossip", "--without-mingle", "--without-heartbeat", "--hostname", "delivery@%h"]
    return {"web": web, "gateway": gateway, "worker": worker, "delivery": delivery}


def proxy_commands(settings: Any, envoy: Path, configuration: Path) -> dict[str, list[str]]:
    """Return the processes of the LLM auth proxy: name and command.

    Args:
        settings: Django's settings.
        envoy: the program.
        configuration: what it is started with.
    """
    found = {"envoy": [str(envoy), "--config-path", str(configuration), "--disable-hot-restart"]}
    # The portal starts beside it: that keys do not come yet is no news.
    found["envoy"] += ["--concurrency", "2", "--log-level", "warning", "--component-log-level", "jwt:error"]
    if settings.PROXY_TRANSFORMER:
        found["transformer"] = [sys.executable, "-m", "gateway.transformer"]
    provider = [sys.executable, "-m", "granian", "--interface", "asgi", "--no-ws", "--log-level", "warning"]
    found["provider"] = [*provider, "--port", str(settings.FAKE_PROVIDER_PORT), "gateway.fake_provider:application"]
    return found


class LogPrinter(Printer):  # type: ignore[misc] # honcho has no types
    """Prints every process's lines with its name, and starts threads when the first line comes.

    Attributes:
        on_start: the threads; by the first line all processes are forked.
    """

    def __init__(self) -> None:
        super().__init__(sys.stdout)
        self.on_start: list[threading.Thread] = []

    def write(self, message: Message) -> None:
        """Print one message."""
        # Not earlier: forking a process that has threads is not safe.
        starting, self.on_start = self.on_start, []
        for thread in starting:
            thread.start()
        super().write(message)


def supervise(
    settings: Any,
    running: Mapping[str, list[str]],
    announced: Callable[[], None],
    variables: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> int:
    """Run processes until one ends or SIGINT or SIGTERM comes; then end all of them.

    Args:
        settings: Django's settings.
        running: their names and commands.
        announced: tells the person at the terminal when they answer; has a thread of its own.
        variables: what a process finds in its environment besides, by its name.

    Returns:
        0 when a signal ended it, 1 when a process ended by itself.
    """
    printer = LogPrinter()
    manager = Manager(printer)
    printer.on_start = [
        threading.Thread(target=announced, daemon=True),
        threading.Thread(target=end_orphans, args=(manager,), daemon=True),
    ]
    environment = os.environ | {MARKER: str(os.getpid()), "PYTHONUNBUFFERED": "1"}
    for name, command in running.items():
        own = environment | dict(variables.get(name, {}))
        manager.add_process(name, f"exec {shlex.join(command)}", env=own, cwd=str(settings.BASE_DIR))
    manager.loop()
    if manager.returncode in {130, 143}:
        return 0
    print("Gatehouse: one process ended by itself, so all were stopped; the lines above say which and why.", flush=True)
    return 1


def end_orphans(manager: Any) -> None:
    """End what a killed process leaves in its group, as long as the run lasts.

    honcho notices the end of a process when nobody holds its output any more, and the scheduler inside of the worker
    or a server's own processes would hold it for ever.

    Args:
        manager: honcho's; it knows the processes' ids.
    """
    while True:
        time.sleep(ORDERLY_SECONDS)
        rows = list(manager._processes.values())
        ended = [row["pid"] for row in rows if "pid" in row and _has_ended(row["pid"])]
        if ended:
            time.sleep(ORDERLY_SECONDS)
        for pid in filter(_has_ended, ended):  # not reaped yet, so that the number is still its own
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)


def _has_ended(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False  # honcho knows already


def announce(settings: Any) -> None:
    """Wait for the first answers of web and gateway, then print the addresses and the logins."""
    addresses = [address_of(settings.HOST, settings.PORT), address_of(settings.GATEWAY_HOST, settings.GATEWAY_PORT)]
    if all(answers(f"{address}/healthz/live") for address in addresses):
        print(welcome(settings, *addresses), flush=True)


def address_of(host: str, port: int) -> str:
    """Return where a server that listens there is reached from this machine."""
    name = host if host not in {"0.0.0.0", "::"} else "localhost"  # noqa: S104 - compared only
    return f"http://{f'[{name}]' if ':' in name else name}:{port}"


def answers(url: str) -> bool:
    """Wait for a server's first answer, and say so when it does not come.

    Returns:
        Whether it came in time; what it says is in the log.
    """
    deadline = time.monotonic() + FIRST_ANSWER_SECONDS
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy
    while time.monotonic() < deadline:
        try:
            opener.open(url, timeout=5).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            time.sleep(0.1)
        else:
            return True
    print(f"Gatehouse: no answer from {url} for {FIRST_ANSWER_SECONDS} s; the lines above say why.", flush=True)
    return False
