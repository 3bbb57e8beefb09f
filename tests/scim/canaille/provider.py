"""Canaille as a program, run by the Python of its own environment (`make test` sets it up in .venv/idp).

Each line that it reads is an order, as JSON: the name of a method of `Provider` and its arguments. Canaille pushes what
is saved or deleted; then a line answers: the list of what Canaille logged about pushes that failed.
"""

import datetime as dt
import json
import logging
import sys
from typing import Any

from canaille import create_app
from canaille.backends import Backend
from pytest_iam import Server

SETTINGS = {
    "TESTING": True,
    "ENV_FILE": None,
    "SECRET_KEY": "of these tests",
    "SERVER_NAME": "canaille.example",
    "CANAILLE": {"DATABASE": "memory", "JAVASCRIPT": False},
    "CANAILLE_SCIM": {"ENABLE_CLIENT": True},
    "CANAILLE_OIDC": {"TRUSTED_DOMAINS": ["localhost"]},
}


class Said(logging.Handler):
    """Keeps what Canaille logs: it swallows what a server refuses."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Provider:
    """The people and groups of a Canaille, each by its name."""

    def __init__(self, server: Server) -> None:
        self._backend, self._models = server.backend, server.models
        self._known: dict[tuple[str, str], Any] = {}

    def connect(self, base_url: str, token: str) -> None:
        """Forget everything and register a server to push to: one that is trusted for its address hears of everybody.

        Canaille uses the first valid token that it holds for the server and for nobody in particular.
        """
        for model in (self._models.Token, self._models.Client, self._models.Group, self._models.User):
            for instance in self._backend.query(model):
                self._backend.delete(instance)
        self._known.clear()
        gatehouse = self._models.Client(client_id="gatehouse", client_name="Gatehouse", client_uri=base_url)
        self._backend.save(gatehouse)
        self._backend.save(
            self._models.Token(
                token_id="gatehouse",
                access_token=token,
                client=gatehouse,
                audience=[gatehouse],
                subject=None,
                issue_date=dt.datetime.now(dt.UTC),
                lifetime=3600,
            )
        )

    def save(self, kind: str, name: str, values: dict[str, Any]) -> None:
        """Create or change a person or a group; members are named, `locked` locks or unlocks."""
        if "members" in values:
            values["members"] = [self._known["User", member] for member in values["members"]]
        if "locked" in values:
            values["lock_date"] = dt.datetime.now(dt.UTC) if values.pop("locked") else None
        instance = self._known.get((kind, name))
        if instance is None:
            instance = self._known[kind, name] = getattr(self._models, kind)()
        self._backend.update(instance, **values)
        self._backend.save(instance)

    def delete(self, kind: str, name: str) -> None:
        """Delete a person or a group."""
        self._backend.delete(self._known.pop((kind, name)))


def main() -> None:
    """Do what standard input says, until it ends."""
    app = create_app(config=SETTINGS)
    said = Said()
    app.logger.addHandler(said)
    with app.app_context():
        provider = Provider(Server(app, 0, Backend.instance))
        for line in sys.stdin:
            order, *arguments = json.loads(line)
            getattr(provider, order)(*arguments)
            answer, said.lines = said.lines, []
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
