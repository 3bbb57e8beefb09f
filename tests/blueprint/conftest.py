"""Blueprints of the tests: written to a file, planned and applied by the command itself."""

import json
from io import StringIO
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from django.core.management import CommandError, call_command


class File:
    """A blueprint file and the command that works on it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, text: str) -> "File":
        self.path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        return self

    def plan(self, *options: str) -> tuple[int, str]:
        """Return the exit code and what was printed."""
        out = StringIO()
        try:
            printed = call_command("blueprint", "plan", str(self.path), *options, stdout=out)
        except SystemExit as end:
            return int(str(end.code)), out.getvalue()
        assert not printed
        return 0, out.getvalue()

    def changes(self, *options: str) -> list[tuple[str, str, str]]:
        """Return (action, kind, name) of each change of the plan."""
        planned = json.loads(self.plan("--json", *options)[1])
        return [(change["action"], change["kind"], change["name"]) for change in planned["changes"]]

    def apply(self, *options: str) -> str:
        out = StringIO()
        call_command("blueprint", "apply", str(self.path), "--yes", *options, stdout=out)
        return out.getvalue()

    def refused(self, *options: str) -> list[str]:
        """Return the lines of the refusal, which plan and apply give alike, without the file's name."""
        said = []
        for verb in ("plan", "apply"):
            with pytest.raises(CommandError) as refusal:
                call_command("blueprint", verb, str(self.path), *options, stdout=StringIO())
            said.append(str(refusal.value))
        assert said[0] == said[1]
        return [line.removeprefix(f"{self.path}:") for line in said[0].splitlines()]


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "blueprint.yaml")


def exported(*slugs: str) -> str:
    out = StringIO()
    call_command("blueprint", "export", *slugs, stdout=out)
    return out.getvalue()


def lines(text: Any) -> list[str]:
    return [line for line in str(text).splitlines() if line.strip()]
