"""rsyslog and syslog-ng as receivers: real programs on loopback with mutual TLS, each of whose starts writes a file."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import pytest

from tests.outbound.authority import Authority
from tests.services import SERVICE_MISSING, require_program

LARGEST = 131_072
_PATIENCE = 20

RSYSLOG = """
global(workDirectory="{directory}" maxMessageSize="{largest}"
       defaultNetstreamDriverCAFile="{authority}" defaultNetstreamDriverCertFile="{directory}/certificate.pem"
       defaultNetstreamDriverKeyFile="{directory}/key.pem")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
input(type="imtcp" address="127.0.0.1" port="{port}")
template(name="line" type="string"
         string="%timestamp:::date-rfc3339%\\t%pri%\\t%hostname%\\t%app-name%\\t%msgid%\\t%structured-data%\\t%msg%\\n")
action(type="omfile" file="{output}" template="line")
"""
SYSLOG_NG = """
@version: 3.38
options {{ keep-hostname(yes); ts-format(iso); frac-digits(6); log-msg-size({largest}); stats-freq(0); }};
source s {{ syslog(ip("127.0.0.1") port({port}) transport("tls") tls(
    ca-file("{authority}") cert-file("{directory}/certificate.pem") key-file("{directory}/key.pem")
    peer-verify(required-trusted))); }};
destination d {{ file("{output}" template(
    "${{ISODATE}}\\t${{PRI}}\\t${{HOST}}\\t${{PROGRAM}}\\t${{MSGID}}\\t${{SDATA}}\\t${{MSG}}\\n")); }};
log {{ source(s); destination(d); }};
"""


class SyslogServer(ABC):
    """A receiver that can be killed and started again at the same port.

    Args:
        directory: for its files.
        authority: whose certificates it trusts, and has.
    """

    def __init__(self, directory: Path, authority: Authority) -> None:
        self._directory = directory
        self._authority = authority
        certificate, key = authority.issue("127.0.0.1")
        (directory / "certificate.pem").write_text(certificate)
        (directory / "key.pem").write_text(key)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self, configuration: Path) -> list[str]:
        """Return how it is started in the foreground."""

    @property
    @abstractmethod
    def configuration(self) -> str:
        """Return a template of its configuration file."""

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def start(self) -> None:
        self._starts += 1
        file = self._directory / "server.conf"
        file.write_text(
            self.configuration.format(
                directory=self._directory,
                authority=self._authority.file,
                port=self.port,
                largest=LARGEST,
                output=self._directory / f"{self._starts}.log",
            )
        )
        with (self._directory / "server.out").open("ab") as output:
            self._process = subprocess.Popen(
                self.command(file), stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=self.environment()
            )
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                said = (self._directory / "server.out").read_text(errors="replace")[-2_000:]
                assert self._process.poll() is None, said
                assert time.monotonic() < end, said
                time.sleep(0.02)
            else:
                return

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            if number in {signal.SIGKILL, signal.SIGTERM}:
                self._process.wait()
                self._process = None

    def rows(self) -> list[list[str]]:
        """Return what was written to the files, whole lines only."""
        written: list[list[str]] = []
        for start in range(1, self._starts + 1):
            file = self._directory / f"{start}.log"
            text = file.read_text() if file.exists() else ""
            written += [line.split("\t") for line in text.split("\n")[:-1]]
        return written

    def records(self) -> list[Any]:
        """Return the records that were written, as they came."""
        return [json.loads(row[-1].removeprefix("\ufeff")) for row in self.rows()]

    def wait_for(self, count: int) -> None:
        """Wait until so many lines are written: nothing else tells when a syslog server has stored what it read."""
        end = time.monotonic() + _PATIENCE
        while len(self.rows()) < count:
            assert time.monotonic() < end, f"{len(self.rows())} of {count}"
            time.sleep(0.02)


class Rsyslog(SyslogServer):
    """rsyslog with GnuTLS."""

    configuration = RSYSLOG

    def command(self, configuration: Path) -> list[str]:
        program = require_program("rsyslogd", "/usr/sbin/rsyslogd", hint="Debian's packages rsyslog, rsyslog-gnutls")
        return [program, "-n", "-f", str(configuration), "-i", str(self._directory / "server.pid")]


class SyslogNg(SyslogServer):
    """syslog-ng, which Debian installs instead of rsyslog only: CI unpacks it beside."""

    configuration = SYSLOG_NG
    root = Path("/opt/syslog-ng")

    def command(self, configuration: Path) -> list[str]:
        beside = self.root / "usr/sbin/syslog-ng"
        hint = "Debian's package syslog-ng-core, installed or unpacked into /opt/syslog-ng"
        program = require_program(str(beside), "syslog-ng", "/usr/sbin/syslog-ng", hint=hint)
        files = {"--cfgfile": configuration}
        files |= {f"--{name}": self._directory / name for name in ("persist-file", "pidfile", "control")}
        modules = [str(each) for each in (self.root / "usr/lib/syslog-ng").glob("[0-9]*")]
        more = [f"--module-path={modules[0]}"] if program == str(beside) else []
        return [program, "--foreground", "--no-caps", *more, *(f"{name}={file}" for name, file in files.items())]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "LD_LIBRARY_PATH": f"{self.root}/usr/lib/syslog-ng"}


def require_gnutls() -> None:
    """Skip the test where rsyslog has no TLS."""
    places = [*Path("/usr/lib").glob("*/rsyslog/lmnsd_gtls.so"), *Path("/usr/lib/rsyslog").glob("lmnsd_gtls.so")]
    if shutil.which("rsyslogd", path="/usr/sbin:/usr/bin:/sbin") and not places:
        pytest.skip(f"{SERVICE_MISSING} lmnsd_gtls.so (Debian's package rsyslog-gnutls)")
