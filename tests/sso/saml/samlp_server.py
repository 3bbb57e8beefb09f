"""samlp as a program with pages, at which people sign in and out in a browser."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.services import SERVICE_MISSING, require_program
from tests.sso.provider import first_line
from tests.sso.saml.provider import key_pair

DIRECTORY = Path(__file__).with_name("samlp_provider")


class Samlp:
    """A running samlp.

    Args:
        address: where it listens, without a slash at the end.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    @property
    def metadata_url(self) -> str:
        """Return where its metadata stand."""
        return f"{self.address}/FederationMetadata/2007-06/FederationMetadata.xml"

    def trust(self, *, audience: str, acs: str, slo: str, certificate: str) -> None:
        """Enter a service provider, as the provider's administrator does."""
        values = {"audience": audience, "acs": acs, "slo": slo, "certificate": certificate}
        httpx.post(f"{self.address}/test/trust", json=values).raise_for_status()


def require_samlp() -> str:
    """Return the path of Node.js; skip the test where it or samlp is missing."""
    hint = "Node.js 20.20 or newer with npm; make test installs the rest"
    found = require_program("node", hint=hint)
    if not (DIRECTORY / "node_modules" / ".installed").exists():
        pytest.skip(f"{SERVICE_MISSING} samlp ({hint})")
    return found


@contextmanager
def samlp(people: Mapping[str, Mapping[str, Any]]) -> Iterator[Samlp]:
    """Run samlp on a free port of loopback.

    Args:
        people: Passport profiles by the name that each signs in with.
    """
    pair = key_pair("samlp")
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            [require_samlp(), "server.mjs"],
            cwd=DIRECTORY,
            env=inherited,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdin
            assert process.stdout
            json.dump({"key": pair.private_key, "certificate": pair.certificate, "people": people}, process.stdin)
            process.stdin.close()
            yield Samlp(first_line(process.stdout, log))
        finally:
            process.terminate()
