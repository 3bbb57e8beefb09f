"""The table of tests/vault/notes.py, a fresh memory, and keyrings of the tests' own."""

import base64
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connections, transaction

from audit.operations import RequireAuditEvent
from isolation.operations import ForceRowLevelSecurity
from isolation.scope import MIGRATOR
from tests.vault.notes import TABLE, Note
from vault import usage
from vault.cache import unwrapped
from vault.configuration import KeyringConfiguration, parse_keys, parse_peppers


def material(letter: str) -> str:
    """Return a key's text: 32 bytes that differ by the letter."""
    return base64.b64encode(letter.encode() + bytes(range(31))).decode()


@pytest.fixture(autouse=True)
def _forgetful() -> Iterator[None]:
    unwrapped.forget()
    yield
    unwrapped.forget()


@pytest.fixture
def notes(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Note]]:
    """Make the table as a migration would, and let rotation see it."""
    connection = connections[MIGRATOR]
    with transaction.atomic(using=MIGRATOR), connection.schema_editor() as editor:
        editor.create_model(Note)
        editor.execute(str(ForceRowLevelSecurity(TABLE).sql))
        editor.execute(str(RequireAuditEvent(TABLE).sql))
    everything = usage.encrypted_models
    monkeypatch.setattr(usage, "encrypted_models", lambda: [*everything(), Note])
    yield Note
    for alias in connections:
        if connections[alias].in_atomic_block:
            connections[alias].close()
            del connections[alias]
    connections[MIGRATOR].cursor().execute(f"DROP TABLE {TABLE}")
    connections[MIGRATOR].close()


Keys = Callable[..., KeyringConfiguration]


@pytest.fixture
def keys(settings: Any) -> Keys:
    """Return what gives the process another keyring out of the text of KEYRING_KEYS."""

    def use(text: str, *, peppers: str = "", **changes: Any) -> KeyringConfiguration:
        parsed = parse_keys(text)
        changes = {"active_key": max(parsed)} | changes
        if peppers:
            found = parse_peppers(peppers)
            changes = {"peppers": found, "active_pepper": max(found)} | changes
        settings.KEYRING = dataclasses.replace(django_settings.KEYRING, keys=parsed, **changes)
        unwrapped.forget()
        configuration: KeyringConfiguration = settings.KEYRING
        return configuration

    return use
