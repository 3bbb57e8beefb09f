"""At a terminal: the question, and only "yes" is one."""

import os
import pty
import sys
from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from isolation.scope import tenant_scope
from tenants.models import Organization, Project
from tests.blueprint.conftest import File
from tests.people import Tenant

pytestmark = pytest.mark.django_db

TEXT = 'version: 1\norganizations:\n  acme:\n    projects: {search: {description: "a\\e[2Jb"}}\n'


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Return where to type."""
    typing, reading = pty.openpty()
    with os.fdopen(reading, "r", encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield typing
        os.close(typing)


def apply(file: File, *options: str) -> str:
    out = StringIO()
    call_command("blueprint", "apply", str(file.path), *options, stdout=out)
    return out.getvalue()


def is_there(acme: Tenant) -> bool:
    with tenant_scope(acme.organization):
        return bool(Project.objects.filter(slug="search").exists())


def test_yes_applies(acme: Tenant, file: File, keyboard: int) -> None:
    os.write(keyboard, b"yes\n")
    printed = apply(file.write(TEXT))
    assert "Plan: 1 to add, 0 to change, 0 to remove." in printed
    assert "Applied: 1 added, 0 changed, 0 removed." in printed
    assert is_there(acme)


@pytest.mark.parametrize("answer", [b"y\n", b"no\n", b"\n"])
def test_anything_else_changes_nothing(acme: Tenant, file: File, keyboard: int, answer: bytes) -> None:
    os.write(keyboard, answer)
    with pytest.raises(CommandError, match=r"Nothing was changed\."):
        apply(file.write(TEXT))
    assert not is_there(acme)


def test_programs_say_yes_beforehand(acme: Tenant, file: File, keyboard: int) -> None:
    with pytest.raises(CommandError, match="Add --yes"):
        apply(file.write(TEXT), "--json")


def test_what_a_terminal_would_obey_is_escaped(acme: Tenant, file: File) -> None:
    printed = file.write(TEXT).plan()[1]
    assert "\x1b" not in printed
    assert "description: a\\x1b[2Jb" in printed
    with tenant_scope(acme.organization):
        assert Organization.objects.get().name == "Acme"
