"""The sealer: every event once, in order, without a gap, whatever writers and other sealers do meanwhile."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from base64 import b64decode
from contextlib import ExitStack
from uuid import UUID

import psycopg
import pytest
from django.db import DatabaseError, connection, connections

from audit import notes
from audit.leaf import commitment
from audit.notes import INSTALLATION, Checkpoint, KeyStatement, MalformedNote
from audit.sealing import sealer
from audit.sealing.keys import key_history, rotate_key, wrapping_keys
from audit.sealing.sealer import seal
from audit.sealing.snapshots import Snapshot
from isolation.actor import SYSTEM
from isolation.exceptions import DomainError
from isolation.scope import APP, tenant_scope
from tests import database
from tests.audit.sealing.stage import check_sealed, write, writer
from tests.people import Tenant

HERE = UUID("0f3e0f5c-59f6-4a8b-9f57-1f6a0f0a3c11")
THERE = UUID("1f3e0f5c-59f6-4a8b-9f57-1f6a0f0a3c11")


def test_a_stranger_sees_no_leaf_and_no_checkpoint(acme: Tenant, globex: Tenant) -> None:
    seal()
    tables = ("audit_leaf", "audit_leaftext", "audit_node", "audit_checkpoint", "audit_verification")
    with tenant_scope(globex.organization), connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT count(*) FROM {table} WHERE organization_id <> %s", [globex.organization.pk])
            assert cursor.fetchone() == (0,), table
        cursor.execute("SELECT count(*) FROM audit_leaf")
        assert cursor.fetchone()[0] > 0
        # Not even by taking the place of the installation's own log.
        cursor.execute("SELECT set_config('app.organization', %s, true)", [str(INSTALLATION)])
        for table in tables:
            cursor.execute(f"SELECT count(*) FROM {table}")
            assert cursor.fetchone() == (0,), table


@pytest.mark.parametrize("alias", ["default", "operator"])
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO audit_leaf SELECT * FROM audit_leaf",
        "INSERT INTO audit_leaftext SELECT * FROM audit_leaftext",
        "INSERT INTO audit_node SELECT * FROM audit_node",
        "INSERT INTO audit_checkpoint (organization_id) SELECT organization_id FROM audit_checkpoint",
        "INSERT INTO audit_verification (organization_id) VALUES (gen_random_uuid())",
        "UPDATE audit_leaf SET seq = seq + 1",
        "UPDATE audit_checkpoint SET size = size + 1",
        "UPDATE audit_verification SET problems = '[]'",
        "UPDATE audit_sealer SET snapshot = NULL",
        "UPDATE audit_signingkey SET public_key = ''",
        "DELETE FROM audit_leaf",
        "DELETE FROM audit_checkpoint",
        "TRUNCATE audit_leaf",
        "TRUNCATE audit_checkpoint",
        "SELECT wrapped FROM audit_signingkey",
        "SELECT snapshot FROM audit_sealer",
    ],
)
def test_only_the_sealer_writes_what_proves_the_log(statement: str, alias: str, acme: Tenant) -> None:
    with (
        pytest.raises(DatabaseError, match="permission denied"),
        tenant_scope(acme.organization),
        connections[alias].cursor() as cursor,
    ):
        cursor.execute(statement)


@pytest.mark.parametrize("table", ["audit_leaf", "audit_leaftext", "audit_node", "audit_checkpoint"])
def test_not_even_a_superuser_rewrites_it_by_accident(table: str, acme: Tenant, superuser) -> None:
    with writer() as other:
        for _ in range(300):
            write(other, HERE)
    seal()
    for statement in (
        f"DELETE FROM {table}",
        f"UPDATE {table} SET organization_id = organization_id",
        f"TRUNCATE {table}",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            superuser.execute(statement)


def test_the_sealer_can_do_nothing_else(acme: Tenant) -> None:
    for statement in (
        "INSERT INTO audit_event (id) VALUES (gen_random_uuid())",
        "UPDATE audit_event SET reason = ''",
        "DELETE FROM audit_leaf",
        "UPDATE audit_leaf SET seq = 0",
        "SELECT * FROM tenants_organization",
        "SELECT * FROM accounts_user",
        "SELECT * FROM vault_datakey",
    ):
        with pytest.raises(DatabaseError, match="permission denied"), connections["sealer"].cursor() as cursor:
            cursor.execute(statement)


def test_every_event_is_sealed_once_and_in_the_order_of_time(acme: Tenant, globex: Tenant, superuser) -> None:
    assert seal() == check_sealed(superuser)
    assert seal() == 0
    times = superuser.execute(
        "SELECT event_time FROM audit_leaf WHERE organization_id = %s ORDER BY seq", [acme.organization.pk]
    ).fetchall()
    assert times == sorted(times)


def test_a_leaf_says_nothing_personal_and_opens_what_it_hides(db: None, superuser) -> None:
    with writer() as other:
        event = write(other, HERE, "Ω \\ \" \t\n ' end")
    seal()
    (body, salts) = superuser.execute(
        "SELECT body, salts FROM audit_leaftext t JOIN audit_leaf l USING (organization_id, seq) WHERE event_id = %s",
        [event],
    ).fetchone()
    leaf = json.loads(body)
    for personal in ("ada@", "grace@", "203.0.113", "Viewer", "Member", "Ω"):
        assert personal not in body
    names = ["actor_label", "after.role", "before.role", "ip", "reason", "target_label"]
    assert list(leaf["commitments"]) == names
    assert leaf["after"] == {"active": True}
    assert (leaf["id"], leaf["organization_id"], leaf["action"]) == (str(event), str(HERE), "member.role_changed")
    values = ["ada@acme.example", "Member", "Viewer", "203.0.113.7", "Ω \\ \" \t\n ' end", "grace@acme.example"]
    for number, (name, value) in enumerate(zip(names, values, strict=True)):
        salt = salts[16 * number : 16 * number + 16]
        assert commitment(salt, name, value) == leaf["commitments"][name]
    assert len({salts[at : at + 16] for at in range(0, len(salts), 16)}) == len(names)


@pytest.mark.parametrize(
    "odd",
    [
        '{"n": 1e400, "big": 12345678901234567890123, "f": 1.50, "s": -9007199254740993}',
        '{"\\"key\\"\\n": "v", "\U0001f600": "x", "\ufb33": "y"}',
        '["not", "an", "object"]',
        '"text"',
        "null",
        "[" * 5000 + "]" * 5000,
    ],
)
def test_no_event_however_odd_stops_the_sealer(odd: str, db: None, superuser) -> None:
    with writer() as other:
        event = write(other, HERE)
        other.execute(database.TRIGGERS_OFF)
        other.execute(
            "UPDATE audit_event SET after = %s, action = 'a\"b\\c', target_id = '\U0001f600' WHERE id = %s",
            [odd, event],
        )
    assert seal() > 0
    check_sealed(superuser)


def test_two_events_of_one_id_do_not_stop_it_either(db: None, superuser) -> None:
    with writer() as other:
        event = write(other, HERE)
        for later in (1, 2):
            write(other, HERE)
            other.execute(
                "INSERT INTO audit_event"
                " SELECT (jsonb_populate_record(e, jsonb_build_object('time', e.time + %s * interval '1 s'))).*"
                " FROM audit_event e WHERE id = %s ORDER BY time LIMIT 1",
                [later, event],
            )
    assert seal() > 0
    check_sealed(superuser)


def test_what_commits_late_is_sealed_later_and_never_lost(db: None, superuser) -> None:
    seal()
    with ExitStack() as stack:
        slow, rolled_back, fast = (stack.enter_context(writer()) for _ in range(3))
        late = write(slow, HERE, "late")
        write(rolled_back, HERE, "never")
        early = write(fast, HERE, "early")
        with fast.transaction():
            pass
        fast.commit()
        assert seal() == 1
        for _ in range(3):
            write(fast, THERE)
            fast.commit()
            assert seal() == 1
        with slow.transaction(force_rollback=True):
            write(slow, HERE, "rolled back to a savepoint")
        slow.commit()
        rolled_back.rollback()
        assert seal() == 1
        assert seal() == 0
        check_sealed(superuser)
    order = superuser.execute(
        "SELECT event_id FROM audit_leaf WHERE organization_id = %s ORDER BY seq", [HERE]
    ).fetchall()
    assert order == [(early,), (late,)]


def test_a_transaction_that_has_run_since_before_sealing_is_not_lost(db: None, superuser) -> None:
    with writer() as slow:
        write(slow, HERE)
        seal()
        assert superuser.execute("SELECT snapshot IS NOT NULL FROM audit_sealer").fetchone() == (True,)
        with writer() as other:
            for _ in range(5):
                write(other, HERE)
                other.commit()
                seal()
        slow.commit()
        assert seal() == 1
    check_sealed(superuser)


def test_a_backlog_is_sealed_in_batches_that_lie_between_transactions(db: None, superuser, monkeypatch) -> None:
    monkeypatch.setattr(sealer, "BATCH", 10)
    seal()
    with ExitStack() as stack:
        held = stack.enter_context(writer())
        write(held, HERE)
        other = stack.enter_context(writer())
        for size in (4, 4, 4, 25, 1, 1):
            for _ in range(size):
                write(other, HERE)
            other.commit()
        assert seal() == 39
        held.commit()
        assert seal() == 1
    sizes = superuser.execute(
        "SELECT size - start FROM audit_checkpoint WHERE organization_id = %s ORDER BY size", [HERE]
    ).fetchall()
    assert [size for (size,) in sizes] == [8, 4, 25, 2, 1]
    check_sealed(superuser)


def test_the_first_sealing_of_an_old_installation_comes_in_batches_too(db: None, superuser, monkeypatch) -> None:
    monkeypatch.setattr(sealer, "BATCH", 7)
    with writer() as other:
        for number in range(40):
            write(other, HERE if number % 3 else None)
    assert seal() == check_sealed(superuser)
    assert superuser.execute("SELECT snapshot IS NOT NULL FROM audit_sealer").fetchone() == (True,)
    with writer() as other:
        write(other, HERE)
    assert seal() == 1


def test_after_a_restore_into_another_cluster_nothing_is_lost_or_doubled(db: None, superuser, monkeypatch) -> None:
    """The numbers of transactions begin anew there: those of old events lie in the future, or come up once more."""
    monkeypatch.setattr(sealer, "BATCH", 20)
    seal()
    with writer() as other:
        for _ in range(30):
            write(other, HERE)
        other.execute(database.TRIGGERS_OFF)
        # Restored with the numbers of a cluster that had counted further; unsealed when it was dumped.
        other.execute(
            "UPDATE audit_event SET xid = (xid::text::bigint + 3)::text::xid8 WHERE organization_id = %s", [HERE]
        )
        write(other, THERE)
        other.execute("UPDATE audit_event SET xid = '9000000000' WHERE organization_id = %s", [THERE])
        other.execute("UPDATE audit_sealer SET system_identifier = 1, snapshot = '8000000000:8000000000:'")
    assert seal() == 31
    check_sealed(superuser)
    for _ in range(8):  # this cluster counts through the numbers of the restored events
        with writer() as other:
            write(other, HERE)
        assert seal() == 1
    check_sealed(superuser)


def test_a_second_sealer_leaves_the_work_to_the_first(db: None, superuser) -> None:
    seal()
    with writer() as other:
        write(other, HERE)
    with writer() as first:
        first.execute("SELECT pg_advisory_xact_lock(%s)", [sealer._LOCK])
        assert seal() == 0
    assert seal() == 1


def test_nothing_is_signed_on_top_of_a_forged_checkpoint(db: None, superuser, caplog) -> None:
    with writer() as other:
        write(other, HERE)
        write(other, THERE)
    seal()
    superuser.execute(database.TRIGGERS_OFF)
    superuser.execute("UPDATE audit_checkpoint SET edge = sha256('forged') WHERE organization_id = %s", [HERE])
    with writer() as other:
        write(other, HERE)
        write(other, THERE)
    assert seal() == 1
    assert f"{HERE} is not sealed" in caplog.text
    size = "SELECT count(*) FROM audit_leaf WHERE organization_id = %s"
    assert superuser.execute(size, [HERE]).fetchone() == (1,)
    assert superuser.execute(size, [THERE]).fetchone() == (2,)
    # Mended (here: from the tree's only leaf), what had to wait is sealed.
    superuser.execute("UPDATE audit_checkpoint SET edge = root WHERE organization_id = %s", [HERE])
    assert seal(everything=True) == 1
    check_sealed(superuser)


def test_checkpoints_are_notes_that_the_key_signed(acme: Tenant, superuser) -> None:
    seal()
    (installation,) = superuser.execute("SELECT installation FROM audit_sealer").fetchone()
    with connections[APP].cursor() as cursor:
        (key,) = key_history(cursor)
    log = acme.organization.pk
    size, root, note = superuser.execute(
        "SELECT size, root, note FROM audit_checkpoint WHERE organization_id = %s", [log]
    ).fetchone()
    origin = f"gatehouse/{installation}/{log}"
    checkpoint = Checkpoint.parse(notes.opened(note, origin, key.public))
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (origin, size, root)
    assert note.splitlines()[:3] == [origin, str(size), note.splitlines()[2]]
    assert b64decode(note.splitlines()[2]) == root
    for forged in (
        note.replace(f"\n{size}\n", f"\n{size + 1}\n"),
        note.replace("time 2", "time 3"),
        note[:-8] + "AAAA==\n",
    ):
        with pytest.raises(MalformedNote):
            notes.opened(forged, origin, key.public)
    with pytest.raises(MalformedNote, match="did not sign"):
        notes.opened(note, f"gatehouse/{installation}/{HERE}", key.public)


def test_a_changed_key_is_signed_by_the_old_one_and_told_in_the_log(acme: Tenant, superuser) -> None:
    with pytest.raises(DomainError, match="Nothing has been sealed"):
        rotate_key(actor=SYSTEM, reason="Ceremony")
    seal()
    with pytest.raises(DomainError, match="Say why"):
        rotate_key(actor=SYSTEM, reason=" ")
    assert rotate_key(actor=SYSTEM, reason="Yearly ceremony") == 2
    with connections[APP].cursor() as cursor:
        first, second = key_history(cursor)
    name = first.statement.splitlines()[1]
    assert (
        notes.opened(first.statement, name, first.public)
        == KeyStatement(name, 1, first.public, first.created_at).text()
    )
    assert (
        notes.opened(second.statement, name, first.public)
        == KeyStatement(name, 2, second.public, second.created_at).text()
    )
    assert superuser.execute("SELECT number, wrapped IS NULL FROM audit_signingkey ORDER BY 1").fetchall() == [
        (1, True),
        (2, False),
    ]
    told = superuser.execute(
        "SELECT action, reason, organization_id, after->>'public_key' FROM audit_event"
        " WHERE action LIKE 'audit\\_key.%' ORDER BY time"
    ).fetchall()
    assert [row[:3] for row in told] == [
        ("audit_key.created", "", None),
        ("audit_key.rotated", "Yearly ceremony", None),
    ]
    assert [b64decode(row[3]) for row in told] == [first.public, second.public]
    seal()
    number, note = superuser.execute(
        "SELECT key_number, note FROM audit_checkpoint ORDER BY id DESC LIMIT 1"
    ).fetchone()
    assert number == 2
    assert notes.opened(note, note.splitlines()[0], second.public)


def test_a_key_encryption_key_in_use_stays_in_the_keyring(acme: Tenant, settings) -> None:
    seal()
    assert wrapping_keys() == {settings.KEYRING.active_key: 1}


@pytest.mark.parametrize("text", ["20:20:", "11:20:11,15"])
def test_a_snapshot_reads_as_it_is_written(text: str) -> None:
    assert str(Snapshot.parse(text)) == text
    assert Snapshot.parse("10:20:11,15").until(15) == Snapshot(15, frozenset({11}))


# Writers that commit late, roll back and use savepoints; two sealers, of which one is killed again and again ------

SEALER = """
import os, django
django.setup()
from django.db import connections
for alias in connections:
    connections[alias].settings_dict["NAME"] = os.environ["DATABASE_OF_THE_TEST"]
from audit.sealing.sealer import seal
print("ready", flush=True)
while True:
    seal()
"""


def sealing_process() -> subprocess.Popen:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_OF_THE_TEST": database.worker_database(),
    }
    process = subprocess.Popen([sys.executable, "-c", SEALER], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _close(process: subprocess.Popen) -> None:
    assert process.stdout is not None
    process.stdout.close()


def disturb(stop: threading.Event, seed: int, written: list[UUID], failures: list[BaseException]) -> None:
    """Write until told to stop; note what was committed."""
    chance = random.Random(seed)
    try:
        with writer() as mine:
            while not stop.is_set():
                kept = [
                    write(mine, chance.choice([HERE, THERE, None]), "x" * chance.randrange(50))
                    for _ in range(chance.randrange(1, 5))
                ]
                if chance.random() < 0.3:
                    with mine.transaction(force_rollback=chance.random() < 0.5) as savepoint:
                        event = write(mine, HERE)
                        if not savepoint.force_rollback:
                            kept.append(event)
                stop.wait(chance.random() ** 3 / 5)
                if chance.random() < 0.2:
                    mine.rollback()
                else:
                    mine.commit()
                    written += kept
    except BaseException as error:
        failures.append(error)
        raise


def disturbed(seconds: float, kills: int, superuser, tmp_path) -> int:
    stop = threading.Event()
    failures: list[BaseException] = []
    written: list[list[UUID]] = [[] for _ in range(6)]
    writers = [threading.Thread(target=disturb, args=(stop, seed, written[seed], failures)) for seed in range(6)]
    seal()
    steady = sealing_process()
    for thread in writers:
        thread.start()
    try:
        deadline = time.monotonic() + seconds
        for kill in range(kills):
            victim = sealing_process()
            stop.wait(max(0.1, (deadline - time.monotonic()) / (kills - kill) * random.Random(kill).random()))
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            _close(victim)
        stop.wait(max(0, deadline - time.monotonic()))
    finally:
        stop.set()
        for thread in writers:
            thread.join()
        steady.kill()
        steady.wait()
        _close(steady)
    assert not failures
    while seal():
        pass
    sealed = {event for (event,) in superuser.execute("SELECT event_id FROM audit_leaf").fetchall()}
    assert {event for events in written for event in events} <= sealed
    return check_sealed(superuser)


def test_nothing_is_lost_doubled_or_gapped(db: None, superuser, tmp_path) -> None:
    assert disturbed(4, 2, superuser, tmp_path) > 50


@pytest.mark.soak
def test_nothing_is_lost_doubled_or_gapped_for_long(db: None, superuser, tmp_path) -> None:
    sealed = disturbed(180, 20, superuser, tmp_path)
    print(f"\n{sealed:,} events of six writers, 20 times SIGKILL: all sealed once, without a gap")
