"""Canaille, an identity provider, which pushes its people and groups over HTTP with one of our tokens."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from accounts.models import IdentityProvider, ScimConnection
from tests.people import Tenant
from tests.scim.conftest import confirmed
from tests.scim.stage import BASE, connection_of, token_of
from tests.services import require_program

ROOT = Path(__file__).resolve().parent.parent.parent.parent
PROVIDER = Path(__file__).with_name("provider.py")


class Canaille:
    """Canaille, which pushes each person and each group when it is saved or deleted.

    Args:
        process: a running provider.py.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def new_person(self, name: str, **values: Any) -> None:
        """Create a person with an address in acme's domain."""
        profile = {
            "user_name": name,
            "formatted_name": f"{name.capitalize()} Hopper",
            "given_name": name.capitalize(),
            "family_name": "Hopper",
            "display_name": f"{name.capitalize()} Hopper",
            "emails": [f"{name}@acme.example"],
        }
        self.person(name, **profile | values)

    def person(self, name: str, **values: Any) -> None:
        """Change what is given of a person."""
        self._order("save", "User", name, values)

    def new_group(self, name: str, *members: str) -> None:
        """Create a group of these people, one at least."""
        self.group(name, display_name=name, members=members)

    def group(self, name: str, **values: Any) -> None:
        """Change what is given of a group: `members` are names of people."""
        self._order("save", "Group", name, values)

    def delete_person(self, name: str) -> None:
        """Delete a person."""
        self._order("delete", "User", name)

    def delete_group(self, name: str) -> None:
        """Delete a group."""
        self._order("delete", "Group", name)

    def connect(self, base_url: str, token: str) -> None:
        """Forget everything that was, and push to this server from now on."""
        self._order("connect", base_url, token)

    def _order(self, *order: Any) -> None:
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps(order), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, "Canaille ended; see its standard error"
        assert json.loads(answer) == [], "a push failed"


@pytest.fixture(scope="session")
def running() -> Iterator[Canaille]:
    """Yield a Canaille that knows of no server."""
    python = require_program(str(ROOT / ".venv" / "idp" / "bin" / "python"), hint="make test installs it")
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with subprocess.Popen(
        [python, str(PROVIDER)], env=inherited, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Canaille(process)
        process.terminate()


@pytest.fixture
def connection(acme: Tenant) -> ScimConnection:
    """Return acme's connection."""
    return connection_of(confirmed(acme), "Canaille", provider=IdentityProvider.CANAILLE)


@pytest.fixture
def canaille(acme: Tenant, connection: ScimConnection, live_server: LiveServer, running: Canaille) -> Canaille:
    """Return a Canaille that pushes everybody to acme."""
    running.connect(f"{live_server.url}{BASE}", token_of(acme, connection).secret)
    return running
