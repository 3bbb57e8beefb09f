"""Packages: complete and filtered ones are verified by the auditor's program, tampered ones are found."""

import json
import zipfile
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.merkle import leaf_hash
from audit.package import VERIFIER
from tests import database
from tests.audit.exports.stage import export_of, sealed, taken, verified
from tests.people import Tenant

TEXTS = "DELETE FROM audit_leaftext t WHERE (organization_id, seq) IN (SELECT t.organization_id, s.seq FROM ({}) s)"
Change = Callable[[list[bytes]], None]


def written(acme: Tenant, tmp_path: Path, **wanted) -> Path:
    export = export_of(acme.organization.pk, **wanted)
    assert export.is_completed, export.problem
    path = tmp_path / "package.zip"
    path.write_bytes(taken(export))
    return path


def member(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        (found,) = [each for each in archive.namelist() if each.endswith(f"/{name}")]
        return archive.read(found)


def test_a_complete_package_is_verified(acme: Tenant, tmp_path: Path) -> None:
    sealed(acme.organization.pk)
    path = written(acme, tmp_path)

    manifest = json.loads(member(path, "manifest.json"))
    found = verified(path)
    assert (found.status, found.report["problems"]) == (0, [])
    assert manifest["complete"] is True
    assert manifest["first"] == 0
    assert found.report["events"] == manifest["end"] == manifest["events"]
    assert set(manifest["files"]) == {
        *("events.ndjson", "checkpoints.ndjson", "keys.ndjson", "receipts.ndjson", "report.html")
    }
    assert member(path, "gatehouse_verify.py") == VERIFIER.read_bytes()


def test_the_report_is_one_page_without_anything_from_elsewhere(acme: Tenant, tmp_path: Path) -> None:
    sealed(acme.organization.pk, actor_label="<script>alert(1)</script>", reason="“<b>why</b>”", outcome="denied")
    page = member(written(acme, tmp_path), "report.html").decode()

    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&lt;b&gt;why&lt;/b&gt;" in page
    assert not [word for word in ("http://", "https://", " src=", "@import", "url(", "<link") if word in page]
    for chapter in ("Sign-ins", "Permissions", "Keys", "Single sign-on", "Privileged access", "Failures", "Checkpoint"):
        assert chapter in page


@pytest.mark.parametrize(
    "wanted",
    [
        {"query": "action:member.added"},
        {"query": 'actor:"somebody else"'},
        {"query": "-action:member.added outcome:success"},
        {"query": "via:system"},  # what no index answers is read as well
    ],
)
def test_a_filtered_package_is_verified(acme: Tenant, tmp_path: Path, wanted: dict[str, str]) -> None:
    sealed(acme.organization.pk)
    sealed(acme.organization.pk, (2, 1), actor_label="somebody else", via="system")
    path = written(acme, tmp_path, **wanted)

    manifest = json.loads(member(path, "manifest.json"))
    found = verified(path)
    assert (found.status, found.report["problems"]) == (0, [])
    assert manifest["complete"] is False
    assert manifest["selection"] == wanted
    lines = member(path, "events.ndjson").splitlines()
    assert 0 < len(lines) == manifest["events"] == found.report["events"]
    assert all("proof" in json.loads(line) for line in lines)


def _without_a_line(lines: list[bytes]) -> None:
    del lines[-3]


def _another_actor(lines: list[bytes]) -> None:
    lines[-3] = lines[-3].replace(b"ada@acme.example", b"eve@acme.example")


def _another_leaf(lines: list[bytes]) -> None:
    line = json.loads(lines[-3])
    line["leaf"] = line["leaf"].replace('"outcome":"success"', '"outcome":"failed"')
    lines[-3] = json.dumps(line).encode() + b"\n"


def _twice(lines: list[bytes]) -> None:
    lines.insert(-3, lines[-3])


def _said_without_a_leaf(lines: list[bytes]) -> None:
    line = json.loads(lines[-3])
    line["leaf"] = None
    lines[-3] = json.dumps(line).encode() + b"\n"


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (_without_a_line, "missing"),
        (_another_actor, "altered"),
        (_another_leaf, "altered"),
        (_twice, "duplicated"),
        (_said_without_a_leaf, "altered"),
    ],
)
def test_a_tampered_package_is_found(acme: Tenant, tmp_path: Path, change: Change, kind: str) -> None:
    sealed(acme.organization.pk)
    assert kind in verified(tampered(written(acme, tmp_path), change)).kinds


def _another_event(lines: list[bytes]) -> None:
    line = json.loads(lines[-3])
    line["leaf"] = line["leaf"].replace('"outcome":"success"', '"outcome":"failed"')
    line["hash"] = b64encode(leaf_hash(line["leaf"].encode())).decode()
    lines[-3] = json.dumps(line).encode() + b"\n"


@pytest.mark.parametrize(("change", "kind"), [(_another_actor, "altered"), (_another_event, "foreign")])
def test_a_tampered_filtered_package_is_found(acme: Tenant, tmp_path: Path, change: Change, kind: str) -> None:
    sealed(acme.organization.pk)
    path = tampered(written(acme, tmp_path, query="action:member.added"), change)
    assert kind in verified(path).kinds


def tampered(path: Path, change: Change) -> Path:
    """Return a copy of the package with other events."""
    changed = path.with_name("tampered.zip")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("events.ndjson"):
                lines = content.splitlines(keepends=True)
                change(lines)
                content = b"".join(lines)
            new.writestr(name, content)
    return changed


def test_a_package_of_a_period_holds_all_of_it_without_a_gap(acme: Tenant, tmp_path: Path, superuser) -> None:
    sealed(acme.organization.pk)
    log = acme.organization.pk
    rows = superuser.execute(
        "SELECT seq, event_time FROM audit_leaf WHERE organization_id = %s ORDER BY seq", [log]
    ).fetchall()
    since, until = rows[-13][1], rows[-6][1]
    path = written(acme, tmp_path, since=since, until=until)

    manifest = json.loads(member(path, "manifest.json"))
    wanted = [seq for seq, time in rows if since <= time < until]
    assert manifest["complete"] is True
    assert manifest["first"] == min(wanted) > 0
    assert max(wanted) < manifest["end"] < len(rows)
    found = verified(path)
    assert (found.status, found.report["problems"]) == (0, [])


def test_what_was_erased_or_is_gone_without_a_receipt(acme: Tenant, tmp_path: Path, superuser) -> None:
    size = sealed(acme.organization.pk)
    log = acme.organization.pk
    superuser.execute(database.TRIGGERS_OFF)
    (last,) = superuser.execute("SELECT max(seq) FROM audit_leaf WHERE organization_id = %s", [log]).fetchone()
    superuser.execute(
        "UPDATE audit_leaftext SET salts = decode(repeat('00', length(salts)), 'hex')"
        " WHERE organization_id = %s AND seq = %s",
        [log, last - 1],
    )
    gone = "SELECT {} FROM audit_leaf WHERE organization_id = %s AND seq > %s AND seq < %s"
    for statement, of in (("DELETE FROM audit_event WHERE id IN ({})", "event_id"), (TEXTS, "seq")):
        superuser.execute(statement.format(gone.format(of)), [log, last - 6, last - 3])
    superuser.execute(database.TRIGGERS_ON)
    path = written(acme, tmp_path)
    found = verified(path)

    assert found.report["events"] >= size
    assert (found.report["retired"], found.status) == (0, 1)
    assert {problem["kind"] for problem in found.report["problems"]} == {"missing"}
    assert found.report["erased"] > 0
    lines = [json.loads(line) for line in member(path, "events.ndjson").splitlines()]
    assert [line["seq"] for line in lines if line["leaf"] is None] == [last - 5, last - 4]
    assert lines[last - 1]["openings"] == {}
