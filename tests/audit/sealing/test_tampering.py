"""Somebody with every right of a database superuser tampers with the log: it is found, and named."""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command

from audit import notes
from audit.leaf import FIELDS
from audit.merkle import Edge, leaf_hash
from audit.notes import INSTALLATION, Checkpoint, origin_of
from audit.package import write_package
from audit.sealing.database import sealer_cursor
from audit.sealing.keys import rotate_key
from audit.sealing.sealer import seal
from audit.verification import LogVerifier, compare_with_witness, verify_keys
from audit.verifier import gatehouse_verify
from isolation.actor import SYSTEM
from tests.audit.sealing.stage import write, write_many, writer

LOG = UUID("0f3e0f5c-59f6-4a8b-9f57-1f6a0f0a3c11")
OTHER = UUID("1f3e0f5c-59f6-4a8b-9f57-1f6a0f0a3c11")
BATCHES = (3, 5, 4, 300, 2)  # 314 events; the batches begin at 0, 3, 8, 12, 312
Problems = list[tuple[str, int | None, int | None]]


@pytest.fixture
def sealed(db: None, superuser: psycopg.Connection) -> psycopg.Connection:
    """Return a superuser whom no trigger stops, in an installation with two sealed logs."""
    seal()
    for size in BATCHES:
        with writer() as connection:
            write_many(connection, LOG, size)
            write(connection, OTHER)
        seal()
    superuser.execute("SET session_replication_role = replica")
    return superuser


def found(log: UUID = LOG) -> Problems:
    """Return what the database's own verification finds, from the beginning."""
    return [(p.kind, p.first, p.last) for p in LogVerifier(log).run().problems]


def by_package(directory: Path, *more: str, first: int = 0) -> Problems:
    """Return what the auditor's program finds in a package."""
    report = directory.with_name("report.json")
    with sealer_cursor() as cursor:
        write_package(cursor, LOG, directory, first=first)
    status = gatehouse_verify.main([str(directory), "--quiet", "--report", str(report), *more])
    said = json.loads(report.read_text(encoding="utf-8"))
    assert (status, said["result"]) == ((1, "problems") if said["problems"] else (0, "verified"))
    return [(p["kind"], p["first"], p["last"]) for p in said["problems"]]


def test_what_nobody_touched_is_in_order(sealed, tmp_path) -> None:
    assert found() == found(OTHER) == found(INSTALLATION) == []
    assert verify_keys() == []
    for first in (0, 1, 3, 10, 12, 200, 313):
        assert by_package(tmp_path / str(first), first=first) == []
    assert call_command("audit", "verify", stdout=StringIO()).count("0 problems") == 3


EVENT = "(SELECT event_id FROM audit_leaf WHERE organization_id = '{log}' AND seq = {seq})"


def event(seq: int) -> str:
    return EVENT.format(log=LOG, seq=seq)


COLUMNS = {
    "reason": "'nothing'",
    "actor_label": "'somebody@else.example'",
    "actor_id": "gen_random_uuid()",
    "action": "'member.added'",
    "outcome": "'denied'",
    "ip": "'10.0.0.1'",
    "before": '\'{"role": "Owner"}\'',
    "after": '\'{"role": "Member", "active": false}\'',
    "target_id": "'x'",
    "organization_id": f"'{OTHER}'",
    "via": "'api'",
    "session": "'s'",
    "user_agent": "'curl'",
    "project_id": "gen_random_uuid()",
    "request_id": "'r'",
}


@pytest.mark.parametrize(("column", "value"), COLUMNS.items())
def test_an_edited_event(column: str, value: str, sealed) -> None:
    sealed.execute(f"UPDATE audit_event SET {column} = {value} WHERE id = {event(9)}")
    problems = LogVerifier(LOG).run().problems
    assert [(p.kind, p.first) for p in problems] == [("altered", 9)]
    assert column in problems[0].text
    (said,) = sealed.execute(f"SELECT {event(9)}::text").fetchone()
    assert problems[0].event == said


def test_every_column_of_an_event_is_sealed(superuser) -> None:
    columns = {
        name
        for (name,) in superuser.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'audit_event'::regclass AND attnum > 0"
        ).fetchall()
    }
    assert columns == {*FIELDS, "xid"}


def test_a_personal_value_that_is_edited_shows_in_the_package_too(sealed, tmp_path) -> None:
    sealed.execute(f"UPDATE audit_event SET actor_label = 'somebody@else.example' WHERE id = {event(9)}")
    assert by_package(tmp_path / "p") == [("altered", 9, 9)]


def test_a_moved_time(sealed) -> None:
    sealed.execute(f"UPDATE audit_event SET time = time - interval '1 minute' WHERE id = {event(9)}")
    assert found() == [("missing", 9, 9), ("foreign", None, None)]


@pytest.mark.parametrize("seqs", [(0,), (9,), (313,), (8, 9, 10, 11), (2, 3), tuple(range(314))])
def test_deleted_events(seqs: tuple[int, ...], sealed) -> None:
    for seq in seqs:
        sealed.execute(f"DELETE FROM audit_event WHERE id = {event(seq)}")
    assert [seq for _, first, last in found() for seq in range(first or 0, (last or 0) + 1)] == list(seqs)
    assert found(OTHER) == []


def test_a_deleted_event_with_all_its_traces(sealed, tmp_path) -> None:
    sealed.execute(f"DELETE FROM audit_event WHERE id = {event(9)}")
    for table in ("audit_leaftext", "audit_leaf"):
        sealed.execute(f"DELETE FROM {table} WHERE organization_id = %s AND seq = 9", [LOG])
    assert found() == [("missing", 9, 9)]
    assert by_package(tmp_path / "p") == [("unproven", 8, 11), ("missing", 9, 9)]


@pytest.mark.parametrize("statement", ["TRUNCATE audit_event", "partition"])
def test_a_truncated_table_or_dropped_partition(statement: str, sealed) -> None:
    if statement == "partition":
        (name,) = sealed.execute("SELECT tableoid::regclass::text FROM audit_event LIMIT 1").fetchone()
        statement = f"TRUNCATE {name}"
    sealed.execute(statement)
    assert found() == [("missing", 0, 313)]


def test_all_leaves_truncated(sealed) -> None:
    sealed.execute("TRUNCATE audit_leaf, audit_leaftext")
    kinds = {kind for kind, _first, _last in found()}
    assert kinds == {"missing", "foreign"}
    assert found()[0] == ("missing", 0, 313)


def test_an_inserted_event_that_the_sealer_does_not_see(sealed) -> None:
    with writer() as connection:
        write(connection, LOG)
    sealed.execute("UPDATE audit_event SET xid = '1' WHERE id NOT IN (SELECT event_id FROM audit_leaf)")
    assert seal() == 0
    assert found() == [("foreign", None, None)]


def test_an_event_that_waits_for_the_sealer_is_no_problem(sealed) -> None:
    with writer() as connection:
        write(connection, LOG)
    assert found() == []


def test_an_inserted_leaf(sealed, tmp_path) -> None:
    forge_leaf(sealed, 314)
    assert found() == [("foreign", 314, 314)]


def forge_leaf(superuser: psycopg.Connection, seq: int) -> None:
    """Add a leaf, complete with its event, at the place `seq`."""
    with writer() as connection:
        identity = write(connection, LOG)
    superuser.execute(
        "INSERT INTO audit_leaftext SELECT organization_id, %s, e.time, t.body, t.salts FROM audit_leaftext t,"
        " (SELECT time FROM audit_event WHERE id = %s) e WHERE organization_id = %s AND seq = 9",
        [seq, identity, LOG],
    )
    superuser.execute(
        "INSERT INTO audit_leaf SELECT organization_id, %s, %s, e.time, l.hash FROM audit_leaf l,"
        " (SELECT time FROM audit_event WHERE id = %s) e WHERE organization_id = %s AND seq = 9",
        [seq, identity, identity, LOG],
    )


def rewrite_leaf(superuser: psycopg.Connection, seq: int, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a leaf so that its text and its hash agree."""
    [(body,)] = superuser.execute(
        "SELECT body FROM audit_leaftext WHERE organization_id = %s AND seq = %s", [LOG, seq]
    ).fetchall()
    leaf = json.loads(body)
    change(leaf)
    body = json.dumps(leaf, separators=(",", ":"), sort_keys=True)
    superuser.execute("UPDATE audit_leaftext SET body = %s WHERE organization_id = %s AND seq = %s", [body, LOG, seq])
    superuser.execute(
        "UPDATE audit_leaf SET hash = %s WHERE organization_id = %s AND seq = %s", [leaf_hash(body.encode()), LOG, seq]
    )


def test_an_event_and_its_leaf_edited_alike(sealed, tmp_path) -> None:
    """Nothing but the signed root tells: the batch is named."""
    sealed.execute(f"UPDATE audit_event SET action = 'member.added' WHERE id = {event(9)}")
    rewrite_leaf(sealed, 9, lambda leaf: leaf.update(action="member.added"))
    assert found() == [("inconsistent", 8, 11)]
    assert by_package(tmp_path / "p") == [("inconsistent", 8, 11)]


def test_a_leaf_whose_text_alone_is_edited(sealed, tmp_path) -> None:
    sealed.execute("UPDATE audit_leaftext SET body = body || ' ' WHERE organization_id = %s AND seq = 9", [LOG])
    assert found() == [("altered", 9, 9)]
    assert by_package(tmp_path / "p") == [("altered", 9, 9)]


@pytest.mark.parametrize("table", ["audit_leaftext", "both"])
def test_swapped_or_renumbered_leaves(table: str, sealed, tmp_path) -> None:
    tables = ["audit_leaftext"] if table == "audit_leaftext" else ["audit_leaftext", "audit_leaf"]
    for name in tables:
        for old, new in ((9, 1_000_009), (10, 9), (1_000_009, 10)):
            sealed.execute(f"UPDATE {name} SET seq = %s WHERE organization_id = %s AND seq = %s", [new, LOG, old])
    assert found() == ([("missing", 9, 10)] if table == "audit_leaftext" else [("inconsistent", 8, 11)])
    if table == "both":
        assert by_package(tmp_path / "p") == [("inconsistent", 8, 11)]


def test_events_of_two_batches_swapped_with_everything(sealed) -> None:
    for name in ("audit_leaftext", "audit_leaf"):
        for old, new in ((1, 1_000_009), (9, 1), (1_000_009, 9)):
            sealed.execute(f"UPDATE {name} SET seq = %s WHERE organization_id = %s AND seq = %s", [new, LOG, old])
    assert found() == [("inconsistent", 0, 2), ("inconsistent", 8, 11)]


def test_a_log_moved_down_to_close_a_gap(sealed) -> None:
    sealed.execute(f"DELETE FROM audit_event WHERE id = {event(9)}")
    for name in ("audit_leaftext", "audit_leaf"):
        sealed.execute(f"DELETE FROM {name} WHERE organization_id = %s AND seq = 9", [LOG])
        for seq in range(10, 314):
            sealed.execute(f"UPDATE {name} SET seq = %s WHERE organization_id = %s AND seq = %s", [seq - 1, LOG, seq])
    assert found() == [("inconsistent", 8, 11), ("inconsistent", 12, 311), ("missing", 313, 313)]


def forged_checkpoint(superuser: psycopg.Connection, key: Ed25519PrivateKey) -> None:
    """Sign, with another key, what the tree of the rewritten leaves is."""
    [(installation,)] = superuser.execute("SELECT installation FROM audit_sealer").fetchall()
    edge, origin = Edge(), origin_of(installation, LOG)
    for (digest,) in superuser.execute(
        "SELECT hash FROM audit_leaf WHERE organization_id = %s ORDER BY seq", [LOG]
    ).fetchall():
        edge.append(digest)
        superuser.execute(
            "UPDATE audit_checkpoint SET root = %s, edge = %s WHERE organization_id = %s AND size = %s",
            [edge.root(), edge.packed(), LOG, edge.size],
        )
        for size, time in superuser.execute(
            "SELECT size, time FROM audit_checkpoint WHERE organization_id = %s AND size = %s", [LOG, edge.size]
        ).fetchall():
            note = notes.sign(Checkpoint(origin, size, edge.root(), time).text(), origin, key)
            superuser.execute(
                "UPDATE audit_checkpoint SET note = %s WHERE organization_id = %s AND size = %s", [note, LOG, size]
            )


def test_a_log_rewritten_and_signed_by_a_key_of_ones_own(sealed, tmp_path) -> None:
    sealed.execute(f"UPDATE audit_event SET action = 'member.added' WHERE id = {event(9)}")
    rewrite_leaf(sealed, 9, lambda leaf: leaf.update(action="member.added"))
    forged_checkpoint(sealed, Ed25519PrivateKey.generate())
    assert found() == [("forged", 0, 2), ("forged", 3, 7), ("forged", 8, 11), ("forged", 12, 311), ("forged", 312, 313)]
    kinds = {kind for kind, *_ in by_package(tmp_path / "p")}
    assert kinds == {"forged", "unproven"}


def test_a_key_of_ones_own_put_into_the_history(sealed, tmp_path) -> None:
    (genuine,) = sealed.execute("SELECT public_key FROM audit_signingkey").fetchone()
    (installation,) = sealed.execute("SELECT installation FROM audit_sealer").fetchone()
    key = Ed25519PrivateKey.generate()
    (created,) = sealed.execute("SELECT created_at FROM audit_signingkey").fetchone()
    name = notes.installation_name(installation)
    public = key.public_key().public_bytes_raw()
    statement = notes.sign(notes.KeyStatement(name, 1, public, created).text(), name, key)
    sealed.execute("UPDATE audit_signingkey SET statement = %s, public_key = encode(%s, 'base64')", [statement, public])
    sealed.execute(f"UPDATE audit_event SET action = 'member.added' WHERE id = {event(9)}")
    rewrite_leaf(sealed, 9, lambda leaf: leaf.update(action="member.added"))
    forged_checkpoint(sealed, key)
    # Consistent in itself: only who knows the key, or an old checkpoint, can tell.
    assert by_package(tmp_path / "p") == []
    assert by_package(tmp_path / "q", "--key", genuine) == [("forged", None, None)]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DELETE FROM audit_checkpoint WHERE organization_id = '{log}' AND size = 12", [("forged", 8, 311)]),
        (
            "UPDATE audit_checkpoint SET note = replace(note, E'\\n12\\n', E'\\n9\\n') WHERE organization_id = '{log}'",
            [("forged", 8, 11)],
        ),
        (
            "UPDATE audit_checkpoint SET root = sha256('x') WHERE organization_id = '{log}' AND size = 12",
            [("forged", 8, 11)],
        ),
        (
            "UPDATE audit_checkpoint SET edge = sha256('x') WHERE organization_id = '{log}' AND size = 8",
            [("forged", 3, 7)],
        ),
        (
            "UPDATE audit_checkpoint c SET note = o.note FROM audit_checkpoint o WHERE {both}",
            [("forged", 0, 2)],
        ),
    ],
)
def test_a_forged_or_removed_checkpoint(statement: str, expected: Problems, sealed) -> None:
    both = f"c.organization_id = '{LOG}' AND c.size = 3 AND o.organization_id = '{OTHER}' AND o.size = 3"
    sealed.execute(statement.format(log=LOG, both=both))
    assert found() == expected


def test_the_end_of_the_log_cut_off_is_told_by_a_witness(sealed, tmp_path) -> None:
    kept = "\n".join(note for (note,) in sealed.execute("SELECT note FROM audit_checkpoint ORDER BY id").fetchall())
    witness = tmp_path / "witness"
    statements = "\n".join(note for (note,) in sealed.execute("SELECT statement FROM audit_signingkey").fetchall())
    witness.write_text(f"{statements}\n{kept}", encoding="utf-8")
    assert compare_with_witness(kept) == {}
    sealed.execute(
        "DELETE FROM audit_event e USING audit_leaf l"
        " WHERE l.event_id = e.id AND l.organization_id = %s AND l.seq >= 12",
        [LOG],
    )
    for name in ("audit_leaftext", "audit_leaf"):
        sealed.execute(f"DELETE FROM {name} WHERE organization_id = %s AND seq >= 12", [LOG])
    sealed.execute("DELETE FROM audit_node WHERE organization_id = %s", [LOG])
    sealed.execute("DELETE FROM audit_checkpoint WHERE organization_id = %s AND size > 12", [LOG])
    assert found() == []  # an old state, consistent in itself: a backup that was put back
    assert [(p.kind, p.first) for p in compare_with_witness(kept)[LOG]] == [("rolled back", 311), ("rolled back", 313)]
    # And it goes on from there: another log of the same size.
    with writer() as connection:
        for _ in range(302):
            write(connection, LOG)
    sealed.execute("SET session_replication_role = origin")
    seal()
    problems = compare_with_witness(kept)[LOG]
    assert "rewritten" in problems[-1].text
    assert ("forked", None, None) in by_package(tmp_path / "p", "--witness", str(witness))
    with pytest.raises(CommandError, match="problems found"):
        call_command("audit", "verify", "--witness", str(witness), stdout=StringIO())


def test_a_forged_history_of_keys(sealed, tmp_path) -> None:
    sealed.execute("SET session_replication_role = origin")
    rotate_key(actor=SYSTEM, reason="Ceremony")
    with writer() as connection:
        write(connection, LOG)
    seal()
    assert (verify_keys(), found(), by_package(tmp_path / "p")) == ([], [], [])
    sealed.execute(
        "UPDATE audit_signingkey SET statement = replace(statement, E'\\n2\\n', E'\\n3\\n') WHERE number = 2"
    )
    assert [p.kind for p in verify_keys()] == ["forged"]
    assert "forged" in {kind for kind, *_ in by_package(tmp_path / "q")}


def test_erased_values_are_no_tampering(sealed, tmp_path) -> None:
    """What a later erasure does: salt and value go, the tree stays."""
    sealed.execute(
        "UPDATE audit_leaftext SET salts = overlay(salts placing '\\x00000000000000000000000000000000' from 1)"
        " WHERE organization_id = %s AND seq = 9",
        [LOG],
    )
    assert [(p.kind, p.first) for p in LogVerifier(LOG).run().problems] == [("altered", 9)]  # the value is still there
    sealed.execute(f"UPDATE audit_event SET actor_label = '' WHERE id = {event(9)}")
    assert found() == []
    assert by_package(tmp_path / "p") == []


def test_the_command_names_the_log_and_exits_with_three(sealed) -> None:
    sealed.execute(f"UPDATE audit_event SET reason = 'x' WHERE id = {event(9)}")
    output = StringIO()
    with pytest.raises(CommandError, match="1 problems found") as refused:
        call_command("audit", "verify", "--json", "--organization", str(LOG), stdout=output)
    assert refused.value.returncode == 3
    report = json.loads(output.getvalue())
    assert report["logs"][0]["log"] == str(LOG)
    assert report["logs"][0]["problems"][0]["text"] == "event 9 was altered: reason"
