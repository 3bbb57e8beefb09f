"""The auditor's program on copies that somebody made or changed: packages in every wrapping, lines of a SIEM."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from audit.canonical import canonical
from audit.evidence import latest_checkpoint
from audit.notes import INSTALLATION
from audit.package import edge_texts, event_line, write_package
from audit.sealing.database import sealer_cursor
from audit.sealing.keys import key_history
from audit.sealing.reading import sealed_events
from audit.sealing.sealer import seal
from audit.verifier import gatehouse_verify
from isolation.scope import tenant_scope
from tests.audit.sealing.stage import write, writer
from tests.audit.sealing.test_canonical import NUMBERS

LOG = UUID("0f3e0f5c-59f6-4a8b-9f57-1f6a0f0a3c11")
BATCHES = (3, 5, 4, 9, 2)  # 23 events; the batches begin at 0, 3, 8, 12, 21

Line = dict[str, Any]
Found = list[tuple[str, int | None, int | None]]


@pytest.fixture
def lines(db: None) -> list[Line]:
    """Return a SIEM's copy of a log: a line for each event, the last one of a batch with its checkpoint."""
    for size in BATCHES:
        with writer() as connection:
            for number in range(size):
                write(connection, LOG, f"line {number}")
        seal()
    with sealer_cursor() as cursor:
        found: list[Line] = [event_line(event) for event in sealed_events(cursor, LOG, 0, sum(BATCHES))]
        cursor.execute("SELECT size, note, edge FROM audit_checkpoint WHERE organization_id = %s", [LOG])
        for size, note, edge in cursor.fetchall():
            found[size - 1]["checkpoint"] = {"note": note, "edge": edge_texts(bytes(edge), size)}
        found[0]["keys"] = [key.statement for key in key_history(cursor)]
    for line in found:
        said = json.loads(line["leaf"])
        line["event"] = {name: said[name] for name in ("id", "action", "time", "organization_id")}
        line["event"] |= {name: value for name, (_salt, value) in line["openings"].items() if "." not in name}
        line["event"]["after"] = {"role": "Member", "active": True}
        line["index"] = "what the SIEM adds"
    return found


def checked(lines: list[Line], tmp_path: Path, *more: str) -> Found:
    path, report = tmp_path / "siem.ndjson", tmp_path / "report.json"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    status = gatehouse_verify.main([str(path), "--quiet", "--report", str(report), *more])
    said = json.loads(report.read_text(encoding="utf-8"))
    assert status == (1 if said["problems"] else 0)
    return [(each["kind"], each["first"], each["last"]) for each in said["problems"]]


def test_a_siems_copy_in_order(lines: list[Line], tmp_path: Path, capsys) -> None:
    assert checked(lines, tmp_path) == []
    assert "Verified: complete and unchanged." in capsys.readouterr().out
    lines[7]["checkpoint"] = lines[7]["checkpoint"]["note"]  # its edge is needed behind a gap only
    assert checked(lines, tmp_path) == []


def altered(name: str) -> Callable[[list[Line]], None]:
    def change(lines: list[Line]) -> None:
        lines[9]["event"][name] = {"role": "Owner"} if name == "after" else "other"

    return change


def swap(lines: list[Line]) -> None:
    lines[9], lines[10] = lines[10], lines[9]


def forge_leaf(lines: list[Line]) -> None:
    leaf = json.loads(lines[9]["leaf"]) | {"action": "member.added"}
    lines[9]["leaf"] = json.dumps(leaf, separators=(",", ":"))
    del lines[9]["hash"]
    del lines[9]["event"]


def forge_checkpoint(lines: list[Line]) -> None:
    lines[11]["checkpoint"]["note"] = lines[11]["checkpoint"]["note"].replace("\n12\n", "\n11\n")


CHANGES: dict[str, tuple[Callable[[list[Line]], Any], Found]] = {
    "a value": (altered("actor_label"), [("altered", 9, 9)]),
    "a plain field": (altered("action"), [("altered", 9, 9)]),
    "a change": (altered("after"), [("altered", 9, 9)]),
    "the time": (altered("time"), [("altered", 9, 9)]),
    "an opening": (lambda rows: rows[9]["openings"]["reason"].__setitem__(1, "x"), [("altered", 9, 9)] * 2),
    "a hash": (lambda rows: rows[9].update(hash="AAAA"), [("altered", 9, 9)]),
    "a leaf": (lambda rows: rows[9].update(leaf=rows[9]["leaf"] + " "), [("altered", 9, 9)]),
    "a leaf with everything": (forge_leaf, [("inconsistent", 8, 11)]),
    "one missing": (lambda rows: rows.pop(9), [("unproven", 8, 11), ("missing", 9, 9)]),
    "several missing": (lambda rows: rows.__delitem__(slice(4, 7)), [("unproven", 3, 7), ("missing", 4, 6)]),
    "a batch missing": (lambda rows: rows.__delitem__(slice(8, 12)), [("unproven", 8, 20), ("missing", 8, 11)]),
    "the first missing": (lambda rows: rows[1].update(keys=rows.pop(0)["keys"]), [("unproven", 1, 2)]),
    "twice": (lambda rows: rows.insert(10, rows[9]), [("duplicated", 9, 9)]),
    "swapped": (swap, [("reordered", 9, 9)]),
    "of another log": (
        lambda rows: rows[9].update(leaf=rows[9]["leaf"].replace(str(LOG), str(INSTALLATION)), hash=None, event=None),
        [("foreign", 9, 9), ("inconsistent", 8, 11)],
    ),
    "a forged checkpoint": (forge_checkpoint, [("forged", None, None)]),
    "no checkpoint at the end": (lambda rows: rows[-1].pop("checkpoint"), [("unproven", 21, 22)]),
    "no keys": (
        lambda rows: rows[0].pop("keys"),
        [*[("forged", None, None)] * 5, ("unproven", 0, 22), ("unproven", None, None)],
    ),
    "no number": (
        lambda rows: rows[9].update(seq="9"),
        [("altered", None, None), ("unproven", 8, 11), ("missing", 9, 9)],
    ),
    "no leaf": (
        lambda rows: rows[9].pop("leaf"),
        [("altered", None, None), ("unproven", 8, 11), ("missing", 9, 9)],
    ),
    "gone without a receipt": (
        lambda rows: rows.__setitem__(9, {"seq": 9, "leaf": None, "hash": rows[9]["hash"]}),
        [("missing", 9, 9)],
    ),
    "gone, and saying something": (lambda rows: rows[9].update(leaf=None), [("missing", 9, 9), ("altered", 9, 9)]),
    "gone, by another's hash": (
        lambda rows: rows.__setitem__(9, {"seq": 9, "leaf": None, "hash": rows[8]["hash"]}),
        [("missing", 9, 9)],
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_siems_copy_that_was_changed(what: str, lines: list[Line], tmp_path: Path) -> None:
    change, expected = CHANGES[what]
    change(lines)
    found = checked(lines, tmp_path)
    if what == "swapped":
        assert ("reordered", 9, 9) in found
    elif what == "of another log":
        assert {kind for kind, *_ in found} >= {"foreign"}
    else:
        assert found == expected


def test_a_line_that_is_no_json(lines: list[Line], tmp_path: Path) -> None:
    path = tmp_path / "siem.ndjson"
    texts = [json.dumps(line) for line in lines]
    texts[9] = texts[9][:40]
    path.write_text("\n".join(texts), encoding="utf-8")
    assert gatehouse_verify.main([str(path), "--quiet"]) == 1


def test_a_copy_that_begins_later_is_proven_from_its_first_checkpoint_on(lines: list[Line], tmp_path: Path) -> None:
    lines[12]["keys"] = lines[0]["keys"]
    assert checked(lines[12:], tmp_path) == [("unproven", 12, 20)]


@pytest.mark.parametrize("form", ["directory", "zip", "tar", "gztar"])
def test_a_package_in_every_wrapping(form: str, lines: list[Line], tmp_path: Path, capsys) -> None:
    directory = tmp_path / "evidence"
    with sealer_cursor() as cursor:
        manifest = write_package(cursor, LOG, directory, first=2, end=10)
    assert (manifest["first"], manifest["end"]) == (2, 12)  # up to a checkpoint
    path = (
        directory if form == "directory" else Path(shutil.make_archive(str(tmp_path / "wrapped"), form, directory, "."))
    )
    assert gatehouse_verify.main([str(path), "--quiet"]) == 0
    assert "Events      10 (numbers 2 to 11)" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["keys.ndjson", "checkpoints.ndjson", "events.ndjson", "gatehouse_verify.py"])
def test_a_file_of_a_package_that_was_touched(name: str, lines: list[Line], tmp_path: Path, capsys) -> None:
    directory = tmp_path / "evidence"
    with sealer_cursor() as cursor:
        manifest = write_package(cursor, LOG, directory)
    path = directory / name
    if name in manifest["files"]:
        path.write_text(path.read_text() + "\n" if name == "events.ndjson" else path.read_text().replace(":", " :", 1))
        assert gatehouse_verify.main([str(directory), "--quiet"]) == 1
        assert f"the file {name} is not the one that the manifest names" in capsys.readouterr().out
    path.unlink()
    status = gatehouse_verify.main([str(directory), "--quiet"])
    assert status == (2 if name in {"keys.ndjson", "checkpoints.ndjson", "events.ndjson"} else 0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": 2}, "knows gatehouse-audit-package 1"),
        ({"end": "x"}, "manifest.json cannot be read"),
    ],
)
def test_a_package_that_cannot_be_read(change: Line, says: str, lines: list[Line], tmp_path: Path, capsys) -> None:
    directory = tmp_path / "evidence"
    with sealer_cursor() as cursor:
        manifest = write_package(cursor, LOG, directory)
    (directory / "manifest.json").write_text(json.dumps(manifest | change))
    assert gatehouse_verify.main([str(directory), "--quiet"]) == 2
    assert says in capsys.readouterr().err


def test_a_key_that_the_auditor_knows(lines: list[Line], tmp_path: Path, capsys) -> None:
    with sealer_cursor() as cursor:
        (key,) = key_history(cursor)
    with tenant_scope(LOG):
        checkpoint = latest_checkpoint(LOG)
    assert checkpoint is not None
    assert checked(lines, tmp_path, "--key", checkpoint.verifier_key(key.public)) == []
    assert "The keys came with the copy" not in capsys.readouterr().out
    assert checked(lines, tmp_path, "--key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=") == [("forged", None, None)]
    assert gatehouse_verify.main([str(tmp_path / "siem.ndjson"), "--key", "short"]) == 2
    assert gatehouse_verify.main([str(tmp_path / "absent")]) == 2


@pytest.mark.parametrize(("bits", "text"), NUMBERS.items())
def test_its_own_canonical_json_is_the_same(bits: str, text: str) -> None:
    value = json.loads(text)
    assert gatehouse_verify.canonical(float(value)) == text
    mixed = {"b": [1, None, True, "é\n\u2028\x07"], "\U0001f600": 1.5, "\ufb33": {}}
    assert gatehouse_verify.canonical(mixed) == canonical(mixed)
