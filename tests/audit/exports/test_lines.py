"""Exports that are lines or rows: NDJSON that verifies alone, CSV, Parquet, OCSF."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from audit.formats.csv_lines import SEALED_COLUMNS
from audit.leaf import openings, values_of
from audit.package import event_line
from audit.sealing.database import sealer_cursor
from audit.sealing.reading import sealed_events
from tests.audit.exports.stage import export_of, sealed, taken, verified
from tests.audit.exports.test_ocsf import checked
from tests.people import Tenant


def objects(acme: Tenant, kind: str, **wanted: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in taken(export_of(acme.organization.pk, kind, **wanted)).splitlines()]


def times(superuser, acme: Tenant) -> list[Any]:
    query = "SELECT event_time FROM audit_leaf WHERE organization_id = %s ORDER BY seq"
    return [row[0] for row in superuser.execute(query, [acme.organization.pk]).fetchall()]


def test_ndjson_verifies_by_itself(acme: Tenant, tmp_path: Path) -> None:
    sealed(acme.organization.pk)
    path = tmp_path / "log.ndjson"
    path.write_bytes(taken(export_of(acme.organization.pk, "ndjson")))

    found = verified(path)
    assert (found.status, found.report["problems"]) == (0, [])
    assert found.report["first"] == 0
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [line["seq"] for line in lines] == list(range(len(lines)))
    assert "keys" in lines[0]
    assert "checkpoint" in lines[-1]
    for line in lines:
        assert set(line) >= {"seq", "hash", "leaf", "openings", "event"}
        assert line["event"]["id"] == json.loads(line["leaf"])["id"]


@pytest.mark.parametrize("place", range(-12, -4))
def test_ndjson_that_begins_in_the_middle_verifies_by_itself(
    acme: Tenant, tmp_path: Path, superuser, place: int
) -> None:
    sealed(acme.organization.pk)
    path = tmp_path / "log.ndjson"
    path.write_bytes(taken(export_of(acme.organization.pk, "ndjson", since=times(superuser, acme)[place])))

    found = verified(path)
    assert (found.status, found.report["problems"]) == (0, [])
    assert found.report["first"] > 0
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2] + lines[3:]))
    assert verified(path).status == 1


def test_filtered_ndjson_verifies_line_by_line(acme: Tenant, tmp_path: Path) -> None:
    sealed(acme.organization.pk)
    path = tmp_path / "log.ndjson"
    path.write_bytes(taken(export_of(acme.organization.pk, "ndjson", query="action:member.added -actor:eve*")))

    found = verified(path, "--filtered")
    assert (found.status, found.report["problems"]) == (0, [])
    path.write_bytes(path.read_bytes().replace(b"Viewer", b"Owner"))
    assert "altered" in verified(path, "--filtered").kinds


def test_lines_hold_the_openings_that_the_leaf_has(acme: Tenant) -> None:
    strange = {
        "before": {'a"b': "ä", "c.d": "x", "e}f": ["\u2028"], "n": 1, "big": 2**60, "float": 1e300, "none": None},
        "after": {"\U0001f511": "k", "z": {"deep": [1, {"x": "y"}]}, "yes": True, "commitments": "{"},
        "actor_label": 'A "quoted" \\ name\n',
        "request_id": "A" * 43 + "=",
        "user_agent": '"commitments":{"x":"' + "A" * 43 + '="}',
    }
    sealed(acme.organization.pk, (3,), **strange)
    with sealer_cursor() as cursor:
        events = list(sealed_events(cursor, acme.organization.pk, 0, 1_000))
    for event in events:
        assert event.body is not None
        assert event.row is not None
        assert event_line(event)["openings"] == openings(event.body, event.salts, values_of(event.row))


def test_csv_has_numbers_hashes_and_no_formulas(acme: Tenant, superuser) -> None:
    nasty = ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '="a",b\n=c', "\uff1d1"]
    for text in nasty:
        sealed(acme.organization.pk, (1,), actor_label=text, user_agent=text)
    text = taken(export_of(acme.organization.pk, "csv", query="action:member.added")).decode()
    header, *rows = csv.reader(io.StringIO(text, newline=""))

    assert tuple(header) == SEALED_COLUMNS
    assert {row[header.index("user_agent")] for row in rows} >= {f"'{each}" for each in nasty}
    cells = [cell for row in rows for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d"))]
    numbers = [int(row[0]) for row in rows]
    assert numbers == sorted(numbers)


def test_a_csv_of_a_period_has_exactly_that_period(acme: Tenant, superuser) -> None:
    sealed(acme.organization.pk)
    found = times(superuser, acme)
    since, until = sorted(found)[-12], sorted(found)[-3]
    text = taken(export_of(acme.organization.pk, "csv", since=since, until=until)).decode()
    _header, *rows = csv.reader(io.StringIO(text, newline=""))

    assert [int(row[0]) for row in rows] == [seq for seq, time in enumerate(found) if since <= time < until]


def test_parquet_holds_the_same_rows(acme: Tenant) -> None:
    sealed(acme.organization.pk)
    table = pyarrow.parquet.read_table(io.BytesIO(taken(export_of(acme.organization.pk, "parquet"))))
    lines = objects(acme, "ndjson")[: table.num_rows]

    rows = table.to_pylist()
    assert [row["seq"] for row in rows] == [line["seq"] for line in lines]
    for row, line in zip(rows, lines, strict=True):
        assert row["actor_label"] == line["event"]["actor_label"]
        assert row["time"].isoformat(timespec="microseconds").replace("+00:00", "Z") == line["event"]["time"]
        assert json.loads(row["after"]) == line["event"]["after"]
        assert row["leaf"] == line["leaf"]


def test_ocsf_lines_are_what_the_schema_wants(acme: Tenant) -> None:
    sealed(acme.organization.pk)
    lines = objects(acme, "ocsf")

    assert len(lines) > 20
    for line in lines:
        checked(line)
    assert [line["metadata"]["sequence"] for line in lines] == list(range(len(lines)))
