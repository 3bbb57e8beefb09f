"""docs/configuration.md and .env.example name exactly the variables that the settings read."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
READERS = {"raw", "text", "required", "boolean", "integer", "choice", "strings", "networks", "origins", "url"}
READERS |= {"database", "email", "file"}
# Where the settings come from, not settings themselves; named in the text above the tables.
BEFORE_ANY_FILE = {"GATEHOUSE_DOTENV"}


def read_by_the_settings() -> set[str]:
    """Return the first argument of each reading of `env`, and of the helper that reads a database's variable."""
    tree = ast.parse((ROOT / "portal" / "settings.py").read_text(encoding="utf-8"))
    names: set[str] = set()
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not call.args or not isinstance(call.args[0], ast.Constant):
            continue
        match call.func:
            case ast.Attribute(value=ast.Name(id="env"), attr=reader):
                assert reader in READERS, reader
                names.add(str(call.args[0].value))
            case ast.Name(id="_database"):
                names.add(str(call.args[0].value))
    return names


def test_the_settings_are_read_as_this_test_expects() -> None:
    assert {"SECRET_KEY", "PORT", "OPERATOR_DATABASE_URL", "TRUSTED_PROXIES", "LOG_LEVEL"} <= read_by_the_settings()


def test_the_document_names_every_variable_and_no_other() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    first_cells = "\n".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`([A-Z_]+)`", first_cells)) == read_by_the_settings()
    assert all(f"`{name}`" in text for name in BEFORE_ANY_FILE)


def test_the_example_names_every_variable_and_no_other() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^# ([A-Z_]+)=", text, re.MULTILINE)) == read_by_the_settings()


def test_nothing_else_reads_the_environment_for_a_setting() -> None:
    """What the processes hand to each other (GATEHOUSE_RUN) is no setting."""
    found = set()
    packages = ("accounts", "api", "audit", "console", "gateway", "isolation", "outbound", "portal", "tenants", "vault")
    for package in packages:
        for path in (ROOT / package).rglob("*.py"):
            source = path.read_text(encoding="utf-8")
            found |= set(re.findall(r"""environ(?:\.get\(|\.setdefault\(|\[)["']([A-Z_]+)""", source))
    assert found <= BEFORE_ANY_FILE | {"DJANGO_SETTINGS_MODULE"}
