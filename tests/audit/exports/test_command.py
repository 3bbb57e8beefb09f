"""``manage.py audit export``: the same files, straight from the database."""

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from audit.models import Event
from audit.sealing.sealer import seal
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import operator_scope, tenant_scope
from tests.audit.exports.stage import export_of, sealed, taken, verified
from tests.audit.sealing.stage import write_many, writer
from tests.people import Tenant


def export(output: Path, *arguments: str, organization: str = "acme") -> Path:
    call_command("audit", "export", "--organization", organization, "--output", str(output), *arguments)
    return output


@pytest.mark.parametrize("kind", ["ndjson", "csv", "ocsf"])
@pytest.mark.parametrize("query", ["", "action:member.added"])
def test_it_writes_what_an_export_holds(acme: Tenant, tmp_path: Path, kind: str, query: str) -> None:
    sealed(acme.organization.pk)
    made = taken(export_of(acme.organization.pk, kind, query=query))
    path = export(tmp_path / "file", "--format", kind, *(["--query", query] if query else []))

    assert path.read_bytes() == made
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("arguments", [[], ["--query", "action:member.added"], ["--from", "2020-01-01"]])
def test_it_writes_packages(acme: Tenant, tmp_path: Path, arguments: list[str]) -> None:
    sealed(acme.organization.pk)
    found = verified(export(tmp_path / "package.zip", *arguments))
    assert (found.status, found.report["problems"]) == (0, [])


def test_it_writes_parquet(acme: Tenant, tmp_path: Path) -> None:
    sealed(acme.organization.pk)
    assert export(tmp_path / "file", "--format", "parquet").read_bytes()[:4] == b"PAR1"


def test_the_log_tells_of_it_before_anything_leaves(acme: Tenant, tmp_path: Path) -> None:
    sealed(acme.organization.pk)
    export(tmp_path / "file", "--format", "csv", "--query", "member", "--to", "2099-01-31T09:00")
    with tenant_scope(acme.organization):
        event = Event.objects.get(action="audit_log.exported")
    assert event.via == "cli"
    assert event.after == {"format": "csv", "filter": {"query": "member", "until": "2099-01-31 09:00:00+00:00"}}


def test_the_installations_log(db: None, tmp_path: Path) -> None:
    with writer() as connection:
        write_many(connection, None, 5)
    seal()
    path = export(tmp_path / "file", "--format", "ndjson", organization="installation")
    found = verified(path)
    assert (found.status, found.report["problems"]) == (0, [])
    assert [json.loads(line)["seq"] for line in path.read_bytes().splitlines()][:5] == [0, 1, 2, 3, 4]
    with acting_as(SYSTEM), operator_scope("test"):
        assert Event.objects.filter(action="audit_log.exported").count() == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--query", "nonsense:x"], "There is no qualifier"),
        (["--from", "2099-01-01"], "No sealed event is in this period"),
        (["--from", "yesterday"], "is no time"),
        (["--format", "xml"], "invalid choice"),
    ],
)
def test_what_cannot_be_meant_is_said(acme: Tenant, tmp_path: Path, arguments: list[str], says: str) -> None:
    sealed(acme.organization.pk, (1,))
    with pytest.raises(CommandError, match=says):
        export(tmp_path / "file", *arguments)
    assert not (tmp_path / "file").exists()


def test_it_replaces_no_file(acme: Tenant, tmp_path: Path) -> None:
    sealed(acme.organization.pk, (1,))
    (tmp_path / "file").write_text("kept")
    with pytest.raises(CommandError, match="is there already"):
        export(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "kept"
    with pytest.raises(CommandError, match="There is no organization nobody"):
        export(tmp_path / "other", organization="nobody")
