"""Rotation: online, resumable after a kill, nothing lost; the report says what still uses the old keys."""

import json
import os
import signal
import subprocess
import sys
import threading
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from isolation.scope import tenant_scope
from tests.database import worker_database
from tests.people import Tenant
from tests.running import ROOT
from tests.tenants.stage import events
from tests.vault.conftest import Keys, material
from tests.vault.notes import TABLE, Note
from tests.vault.stage import PLAIN, attributed, load, make_note, overwrite, raw, reveal
from vault import rotation, usage
from vault.cache import unwrapped
from vault.exceptions import CannotDecrypt
from vault.models import DataKey

pytestmark = pytest.mark.usefixtures("notes")

OLD, BOTH = f"1:{material('a')}", f"1:{material('a')},2:{material('b')}"
NEW = f"2:{material('b')}"


def rotate(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command("rotate_keys", *arguments, "--json", stdout=out, stderr=StringIO())
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def data_keys(tenant: Tenant) -> list[DataKey]:
    with tenant_scope(tenant.organization):
        return list(DataKey.objects.all())


def test_data_keys_are_rewrapped_and_the_old_key_may_go(acme: Tenant, globex: Tenant, keys: Keys, superuser) -> None:
    keys(OLD)
    one, two = make_note(acme, "one"), make_note(globex, "two")
    stored = raw(superuser, one)
    keys(BOTH)
    assert rotate("--report")["removable"]["keys"] == []
    assert rotate("--report")["keys"]["1"] == {"in_keyring": True, "kind": "local", "active": False, "data_keys": 2}
    assert (reveal(acme, one), reveal(globex, two)) == ("one", "two"), "both are readable meanwhile"
    found = rotate()
    assert found["rotation"]["rewrapped"] == 2
    assert found["keys"]["2"]["data_keys"] == 2
    assert found["removable"]["keys"] == [1]
    assert rotate()["rotation"]["rewrapped"] == 0
    keys(NEW)
    assert (reveal(acme, one), reveal(globex, two)) == ("one", "two")
    assert raw(superuser, one) == stored, "the rows themselves are not touched"
    for tenant in (acme, globex):
        (event,) = events(tenant, "data_key.rewrapped")
        assert (event.before, event.after) == ({"key_encryption_key": [1]}, {"key_encryption_key": [2]})


def test_data_keys_change_and_every_secret_with_them(acme: Tenant, globex: Tenant, superuser) -> None:
    made = [make_note(acme, f"s{n}", other=f"o{n}" if n % 2 else None) for n in range(5)]
    theirs = make_note(globex, "two")
    before = {note.pk: raw(superuser, note) for note in made}
    (old,) = data_keys(acme)
    found = rotate("--data-keys")
    assert found["rotation"] | {"failed": {}} == {
        "rewrapped": 0, "new_data_keys": 2, "reencrypted": 8, "destroyed": 2, "unreadable": [], "failed": {},
    }  # fmt: skip
    assert found["columns"][f"{TABLE}.secret"] == {"current": 6, "retired": 0, "lost": 0}
    (new,) = data_keys(acme)
    assert (new.version, new.pk != old.pk) == (2, True)
    unwrapped.forget()
    assert [reveal(acme, note) for note in made] == [f"s{n}" for n in range(5)]
    assert reveal(globex, theirs) == "two"
    assert all(raw(superuser, note)[1:17] == new.pk.bytes for note in made)
    for note in made:  # a backup of the row does not open: its data key is gone
        assert raw(superuser, note) != before[note.pk]
    assert len(events(acme, "data_key.rotated")) == 1, "one event for the organization, whatever the number of rows"
    assert len(events(acme, "data_key.destroyed")) == 1
    (retired,) = events(acme, "data_key.retired")
    assert retired.target_id == str(old.pk)
    batches = events(acme, "secrets.reencrypted")
    assert {event.after["data_key"] for event in batches} == {str(new)}
    unexplained = superuser.execute(
        "SELECT * FROM audit_unattributedchange WHERE table_name = 'vault_datakey'"
    ).fetchall()
    assert unexplained == [], "each changed data key has its event"


def test_an_instance_read_before_the_rotation_does_not_bring_the_old_ciphertext_back(acme: Tenant) -> None:
    stale = load(acme, make_note(acme))
    rotate("--data-keys")
    with tenant_scope(acme.organization):
        attributed(acme)
        stale.title = "Renamed"
        stale.save()
    unwrapped.forget()
    assert reveal(acme, stale) == PLAIN


def test_what_was_read_before_the_rotation_opens_after_it(acme: Tenant, superuser) -> None:
    early = load(acme, make_note(acme))
    assert early.secret
    rotate("--data-keys")
    unwrapped.forget()
    with tenant_scope(acme.organization):
        assert early.secret.reveal() == PLAIN
        overwrite(superuser, early, raw(superuser, early)[:-1] + b"x")
        with pytest.raises(CannotDecrypt):
            load(acme, early).secret.reveal()


def test_a_writer_of_the_old_key_is_waited_for(acme: Tenant) -> None:
    """Its row is not visible yet when the rotation begins; without waiting, its key would be destroyed."""
    make_note(acme)
    written, go_on = threading.Event(), threading.Event()
    late = Note(organization_id=acme.organization.pk)

    def write() -> None:
        with tenant_scope(acme.organization):
            attributed(acme)
            late.secret = "late"
            late.save()
            written.set()
            go_on.wait(30)
        connections.close_all()

    def run() -> None:
        rotate("--data-keys")
        connections.close_all()

    writer, rotator = threading.Thread(target=write), threading.Thread(target=run)
    writer.start()
    assert written.wait(30)
    rotator.start()
    rotator.join(1)
    assert rotator.is_alive()
    go_on.set()
    writer.join(30)
    rotator.join(30)
    unwrapped.forget()
    assert reveal(acme, late) == "late"
    assert len(data_keys(acme)) == 1


def test_a_row_that_somebody_holds_is_left_for_later_and_not_forgotten(acme: Tenant) -> None:
    note = make_note(acme)
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with tenant_scope(acme.organization):
            Note.objects.select_for_update().get(pk=note.pk)
            held.set()
            go_on.wait(30)
        connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(30)
    threading.Timer(0.3, go_on.set).start()
    assert rotate("--data-keys")["rotation"]["reencrypted"] == 1
    holder.join(30)
    assert reveal(acme, note) == PLAIN


def test_what_does_not_open_is_named_and_left_and_its_key_stays(acme: Tenant, superuser) -> None:
    good, bad = make_note(acme, "good"), make_note(acme, "bad")
    damaged = raw(superuser, bad)[:-1] + b"\x00"
    overwrite(superuser, bad, damaged)
    out = StringIO()
    with pytest.raises(CommandError, match="1 secrets were left as they were") as refused:
        call_command("rotate_keys", "--data-keys", "--json", stdout=out, stderr=StringIO())
    assert refused.value.returncode == 3
    found = json.loads(out.getvalue())
    assert found["rotation"]["unreadable"] == [f"{TABLE}.secret {bad.pk}"]
    assert found["rotation"]["destroyed"] == 0
    assert raw(superuser, bad) == damaged
    assert reveal(acme, good) == "good"
    assert len(data_keys(acme)) == 2
    with pytest.raises(CommandError, match="1 secrets were left"):
        rotate("--data-keys")
    assert len(data_keys(acme)) == 2, "an unfinished rotation goes on"
    with pytest.raises(CommandError, match="1 secrets were left"):
        rotate("--data-keys", "--anew")
    assert [key.version for key in data_keys(acme)] == [1, 3], "what is stuck keeps its key, the others do not wait"
    with tenant_scope(acme.organization):
        attributed(acme)
        Note.objects.filter(pk=bad.pk).update(secret=None)
    assert rotate("--data-keys")["rotation"]["destroyed"] == 1
    assert [key.version for key in data_keys(acme)] == [3]


def test_a_key_in_use_that_is_missing_changes_nothing(acme: Tenant, keys: Keys, superuser) -> None:
    keys(OLD)
    note = make_note(acme)
    before = raw(superuser, note), data_keys(acme)[0].wrapped_by
    keys(NEW)
    with pytest.raises(CommandError, match="key-encryption key 1 is not in the keyring") as refused:
        rotate("--data-keys")
    assert refused.value.returncode == 1
    assert (raw(superuser, note), data_keys(acme)[0].wrapped_by) == before


def test_an_organization_whose_key_is_wrong_is_left_out_and_the_others_go_on(
    acme: Tenant, globex: Tenant, keys: Keys
) -> None:
    keys(f"1:{material('z')}")
    note = make_note(acme)
    keys(OLD)
    theirs = make_note(globex)
    keys(BOTH)
    out = StringIO()
    with pytest.raises(CommandError, match=r"1 organizations and 0 secrets were .*key 1 does not open"):
        call_command("rotate_keys", "--data-keys", "--json", stdout=out, stderr=StringIO())
    assert list(json.loads(out.getvalue())["rotation"]["failed"]) == [str(acme.organization.pk)]
    keys(f"1:{material('z')},2:{material('b')}")
    assert reveal(acme, note) == PLAIN
    assert reveal(globex, theirs) == PLAIN
    assert rotate()["rotation"]["rewrapped"] == 1


def test_peppers_are_counted_by_whoever_stores_them(keys: Keys, monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    keys(OLD, peppers=f"1:{material('p')},2:{material('q')},3:{material('r')}")
    monkeypatch.setattr(usage, "_peppers", {})
    assert rotate("--report")["removable"]["peppers"] == [], "nobody counted"
    usage.register("API keys", lambda: {1: 4, 3: 2})
    with pytest.raises(ValueError, match="registered twice"):
        usage.register("API keys", dict)
    found = rotate("--report")
    assert found["peppers"]["1"] == {"in_keyring": True, "active": False, "uses": {"API keys": 4}}
    assert found["removable"]["peppers"] == [2]
    out = StringIO()
    call_command("rotate_keys", "--report", stdout=out, stderr=StringIO())
    assert "pepper 1 (in the keyring): 4 API keys" in out.getvalue()
    assert "peppers that may leave the keyring: 2" in out.getvalue()


def test_progress_goes_to_the_error_stream(acme: Tenant) -> None:
    make_note(acme)
    out, progress = StringIO(), StringIO()
    call_command("rotate_keys", "--data-keys", stdout=out, stderr=progress)
    assert f"{TABLE}.secret: 1" in progress.getvalue()
    assert "1 new data keys, 1 secrets encrypted again, 1 retired data keys destroyed" in out.getvalue()


def fill(tenant: Tenant, count: int) -> None:
    """Store many rows."""
    organization_id = tenant.organization.pk
    with tenant_scope(tenant.organization):
        attributed(tenant)
        for start in range(0, count, 1000):
            numbers = range(start, min(start + 1000, count))
            Note.objects.bulk_create([Note(organization_id=organization_id, secret=f"secret {n}") for n in numbers])


def rotating_process() -> subprocess.Popen[str]:
    """Start ``rotate_keys --data-keys`` on the test's database in a process of its own."""
    keyring = {name: os.environ[name] for name in ("KEYRING_KEYS", "KEYRING_PEPPERS", "SECRET_KEY")}
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.vault.rotate", worker_database(), "--data-keys"],
        cwd=ROOT,
        env=inherited | keyring | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def assert_a_killed_rotation_is_resumed(acme: Tenant, globex: Tenant, superuser: Any, count: int) -> None:
    fill(acme, count)
    fill(globex, 50)
    (old,), (theirs,) = data_keys(acme), data_keys(globex)
    process = rotating_process()
    assert process.stderr is not None
    read: list[str] = []
    for line in process.stderr:
        read.append(line)
        if f"{acme.organization.pk} {TABLE}.secret: " in line:
            os.kill(process.pid, signal.SIGKILL)
            break
    rest = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, "".join(read) + str(rest)
    retired, active = data_keys(acme)
    assert (retired.pk, retired.retired_at is None, active.version) == (old.pk, False, 2)
    named = dict(
        superuser.execute(
            f"SELECT encode(substring(secret from 2 for 16), 'hex')::uuid, count(*) FROM {TABLE}"  # noqa: S608
            " WHERE organization_id = %s GROUP BY 1",
            [acme.organization.pk],
        ).fetchall()
    )
    assert set(named) == {retired.pk, active.pk}, f"half-way: {named}"
    assert sum(named.values()) == count
    assert_all_open(acme, count)  # readable meanwhile
    found = rotate("--data-keys")
    assert found["rotation"]["new_data_keys"] == 0, "the rotation goes on, it does not begin again"
    assert found["columns"][f"{TABLE}.secret"] == {"current": count + 50, "retired": 0, "lost": 0}
    assert [key.pk for key in data_keys(acme)] == [active.pk]
    assert theirs.pk not in [key.pk for key in data_keys(globex)]
    assert_all_open(acme, count)
    assert_all_open(globex, 50)
    assert len(events(acme, "data_key.rotated")) == len(events(globex, "data_key.rotated")) == 1


def assert_all_open(tenant: Tenant, count: int) -> None:
    unwrapped.forget()
    with tenant_scope(tenant.organization):
        opened = {note.secret.reveal() for note in Note.objects.iterator()}
    assert opened == {f"secret {number}" for number in range(count)}


def test_a_killed_rotation_is_resumed_without_loss(acme: Tenant, globex: Tenant, superuser) -> None:
    assert_a_killed_rotation_is_resumed(acme, globex, superuser, 3 * rotation.BATCH + 7)


@pytest.mark.soak
def test_a_killed_rotation_of_many_rows_is_resumed_without_loss(acme: Tenant, globex: Tenant, superuser) -> None:
    assert_a_killed_rotation_is_resumed(acme, globex, superuser, 200_000)


def test_writers_and_readers_go_on_during_rotations(acme: Tenant) -> None:
    made = [make_note(acme, f"start {n}") for n in range(20)]
    stop = threading.Event()
    problems: list[str] = []
    last: dict[Any, str] = {note.pk: f"start {n}" for n, note in enumerate(made)}

    def write(mine: list[Note]) -> None:
        number = 0
        while not stop.is_set():
            note = mine[number % len(mine)]
            number += 1
            try:
                with tenant_scope(acme.organization):
                    attributed(acme)
                    stored = Note.objects.get(pk=note.pk)
                    if stored.secret.reveal() != last[note.pk]:
                        problems.append(f"{note.pk} lost a write")
                    stored.secret = f"write {number}"
                    stored.save()
                last[note.pk] = f"write {number}"
            except Exception as error:  # noqa: BLE001 - handed to the test below
                problems.append(repr(error))
        connections.close_all()

    writers = [threading.Thread(target=write, args=[made[half::2]]) for half in (0, 1)]
    for writer in writers:
        writer.start()
    for _ in range(4):
        rotate("--data-keys")
    stop.set()
    for writer in writers:
        writer.join(60)
    assert problems == []
    unwrapped.forget()
    assert {note.pk: reveal(acme, note) for note in made} == last
