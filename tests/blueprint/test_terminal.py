"""At a terminal: the question, and only "yes" is one."""

import os
import pty
import sys
from collections.abc import Callable, Iterator
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from isolation.scope import tenant_scope
from tenants.models import Organization, Project
from tests.blueprint.conftest import File
from tests.people import Tenant, make_project

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


class Interrupted(StringIO):
    """Something happens, and then somebody says yes, as soon as the plan is read."""

    def __init__(self, keyboard: int, happens: Callable[[], object]) -> None:
        super().__init__()
        self._keyboard, self._happens = keyboard, happens

    def write(self, text: str) -> int:
        if "Plan:" in text:
            self._happens()
            os.write(self._keyboard, b"yes\n")
        return super().write(text)


def test_what_changed_while_the_plan_was_read(acme: Tenant, globex: Tenant, file: File, keyboard: int) -> None:
    def happens() -> None:
        with tenant_scope(globex.organization):
            make_project(globex, "search")

    file.write(f"{TEXT}  globex:\n    projects: {{search: {{name: Search engine}}}}\n")
    with pytest.raises(CommandError) as refusal:
        call_command("blueprint", "apply", str(file.path), stdout=Interrupted(keyboard, happens))
    said = str(refusal.value).removeprefix(f"{file.path}:").splitlines()
    assert said == [
        "5:3: organizations.globex: Somebody changed something here since the plan was made. Plan again.",
        "Applied before that, and kept: acme.",
    ]
    assert is_there(acme)
    with tenant_scope(globex.organization):
        assert Project.objects.get(slug="search").name == "Search"
