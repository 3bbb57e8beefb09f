"""Retiring: what is out of time goes against a signed receipt, and the log stays provable."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.core.management import call_command
from django.db import DatabaseError, connections

from audit import evidence
from audit.models import Event, RetirementReceipt, SignedCheckpoint
from audit.notes import INSTALLATION
from audit.package import write_package
from audit.receipts import Receipt, Retired, log_origin, opened, receipt_notes
from audit.retention.retiring import drop_empty_partitions, retire, retire_month
from audit.sealing.database import sealer_cursor
from audit.sealing.keys import key_history
from audit.sealing.sealer import seal
from audit.services.holds import release_hold, set_hold
from audit.services.retention import change_retention
from audit.verification import LogVerifier, compare_with_witness
from audit.verifier import gatehouse_verify
from audit.watching import watch
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tests import database
from tests.audit.retention.stage import NEXT, OLD, PERSON, keep, let_pass, months, name, seal_and_verify, write_old
from tests.people import Tenant


@pytest.fixture
def old(acme: Tenant, globex: Tenant, superuser: psycopg.Connection) -> Iterator[Tenant]:
    """Return an organization that keeps events for two years, with events of two months four years ago."""
    with months(superuser, OLD, NEXT):
        keep(acme, 24, superuser)
        seal()  # of today: the numbers of old events do not begin at 0
        write_old(acme.organization.pk, 5)
        write_old(acme.organization.pk, 2, actor_id=PERSON)
        write_old(globex.organization.pk, 3)
        write_old(None, 2)
        seal()
        write_old(acme.organization.pk, 4, month=NEXT)
        seal_and_verify()
        yield acme


OLD_MOMENT = datetime(OLD.year, 1, 1, tzinfo=UTC)


def after(time: datetime) -> datetime:
    """Return a moment after a time."""
    return time + timedelta(seconds=1)


def left(superuser: psycopg.Connection, log: UUID | None, month: str = name(OLD)) -> tuple[int, int]:
    """Return how many events and texts of a month are left of a log."""
    [(events,)] = superuser.execute(
        f"SELECT count(*) FROM audit_event_{month} WHERE organization_id IS NOT DISTINCT FROM %s",  # noqa: S608
        [log],
    ).fetchall()
    [(texts,)] = superuser.execute(
        f"SELECT count(*) FROM audit_leaftext_{month} WHERE organization_id = %s",  # noqa: S608
        [log or INSTALLATION],
    ).fetchall()
    return events, texts


def problems(log: UUID) -> list[tuple[str, int | None, int | None]]:
    return [(p.kind, p.first, p.last) for p in LogVerifier(log).run().problems]


def package(log: UUID, directory: Path, *more: str, first: int = 0) -> dict[str, Any]:
    """Return what the auditor's program says of a package."""
    report = directory.with_name(f"{directory.name}.json")
    with sealer_cursor() as cursor:
        write_package(cursor, log, directory, first=first)
    gatehouse_verify.main([str(directory), "--quiet", "--report", str(report), *more])
    said: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return said


def receipts(log: UUID) -> list[Receipt]:
    with sealer_cursor() as cursor:
        origin, keys = log_origin(cursor, log), key_history(cursor)
        return [opened(note, origin, keys) for note in receipt_notes(cursor, log)]


def test_what_is_out_of_time_goes_against_a_receipt(old: Tenant, globex: Tenant, superuser, tmp_path) -> None:
    log = old.organization.pk
    before = superuser.execute("SELECT * FROM audit_leaf WHERE organization_id = %s ORDER BY seq", [log]).fetchall()
    assert retire_month(log, OLD) == 7
    assert left(superuser, log) == (0, 0)
    assert left(superuser, globex.organization.pk) == (3, 3)
    assert left(superuser, None) == (2, 2)
    assert left(superuser, log, name(NEXT)) == (4, 4)
    leaves = superuser.execute("SELECT * FROM audit_leaf WHERE organization_id = %s ORDER BY seq", [log]).fetchall()
    assert leaves == before, "hashes stay"
    (receipt,) = receipts(log)
    assert (receipt.month, receipt.kept, receipt.count, len(receipt.ranges)) == (OLD, 24, 7, 1)
    with tenant_scope(old.organization):
        told = Event.objects.get(action="audit_log.retired")
        stored = RetirementReceipt.objects.get()
    assert told.after["events"] == stored.events == 7
    assert told.after["month"] == f"{OLD:%Y-%m}"
    assert (told.actor_kind, told.via) == ("system", "system")
    seal()
    findings = LogVerifier(log).run()
    assert (findings.problems, findings.retired) == ([], 7)
    report = package(log, tmp_path / "p")
    assert (report["result"], report["retired"], report["receipts"]) == ("verified", 7, 1)
    assert "7 retired under receipts" in call_command("audit", "verify", stdout=StringIO())


# A worker of small batches, which is killed by the system behind the deletions of one of them, before its commit.
WORKER = """
import os, signal, sys, django
django.setup()
from datetime import date
from uuid import UUID
from tests import database
from audit.retention import retiring

database.use_database(os.environ["DATABASE_OF_THE_TEST"])
retiring.BATCH, left = 3, int(sys.argv[3])

def counted(number):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return number

retiring.int = counted
print(retiring.retire_month(UUID(sys.argv[1]), date.fromisoformat(sys.argv[2])))
"""


def killed(log: UUID, batches: int) -> int:
    """Let a worker retire the old month, and be killed after so many batches; return its status."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_OF_THE_TEST": database.worker_database(),
    }
    command = [sys.executable, "-c", WORKER, str(log), str(OLD), str(batches)]
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode


def test_a_worker_that_is_killed_leaves_a_log_that_verifies_and_is_gone_on_with(
    old: Tenant, superuser, tmp_path, monkeypatch
) -> None:
    log = old.organization.pk
    for step, (batches, gone) in enumerate(((0, 0), (1, 3), (0, 3), (1, 6))):
        assert killed(log, batches) == -signal.SIGKILL
        assert left(superuser, log) == (7 - gone, 7 - gone)
        assert sum(receipt.count for receipt in receipts(log)) == gone
        seal()
        findings = LogVerifier(log).run()
        assert (findings.problems, findings.retired) == ([], gone)
        assert package(log, tmp_path / str(step))["result"] == "verified"
    monkeypatch.setattr("audit.retention.retiring.BATCH", 3)
    assert retire_month(log, OLD) == 1
    assert retire_month(log, OLD) == 0
    assert left(superuser, log) == (0, 0)
    assert [receipt.count for receipt in receipts(log)] == [3, 3, 1]
    with tenant_scope(old.organization):
        assert Event.objects.filter(action="audit_log.retired").count() == 3
    seal()
    assert watch() == 0
    report = package(log, tmp_path / "whole")
    assert (report["result"], report["retired"], report["receipts"]) == ("verified", 7, 3)


def test_a_hold_that_is_set_between_two_batches_keeps_the_rest(old: Tenant, superuser, monkeypatch) -> None:
    log = old.organization.pk
    assert killed(log, 1) == -signal.SIGKILL
    with tenant_scope(old.organization):
        set_hold(organization_id=log, name="Case 1", reason="A court", actor=SYSTEM)
    monkeypatch.setattr("audit.retention.retiring.BATCH", 3)
    assert retire_month(log, OLD) == 0
    assert left(superuser, log) == (4, 4)


def test_what_is_held_in_one_batch_holds_no_other_back(old: Tenant, superuser, monkeypatch) -> None:
    log = old.organization.pk
    with tenant_scope(old.organization):
        set_hold(organization_id=log, name="Case 1", reason="A court", subject=str(PERSON), actor=SYSTEM)
    monkeypatch.setattr("audit.retention.retiring.BATCH", 1)
    assert retire_month(log, OLD) == 5
    assert left(superuser, log) == (2, 2)
    seal()
    assert LogVerifier(log).run().problems == []


def test_proofs_reach_over_what_was_retired(old: Tenant, tmp_path) -> None:
    log = old.organization.pk
    with tenant_scope(old.organization):
        event = Event.objects.filter(action="member.added", time__year=OLD.year, time__month=OLD.month).first()
        inclusion = evidence.inclusion(event)
        early, *_, first = SignedCheckpoint.objects.all()
    assert retire_month(log, OLD) == 7
    seal()
    with tenant_scope(old.organization):
        later = evidence.consistency(log, old=first.size)
        across = evidence.consistency(log, old=early.size)
    # What somebody took away before is still proven, and the log of then is the beginning of the log of now.
    for number, proof in enumerate((inclusion, later, across)):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(proof), encoding="utf-8")
        assert gatehouse_verify.main([str(path), "--filtered", "--quiet"]) == 0
    witness = tmp_path / "witness"
    witness.write_text(f"{first.note}\n{early.note}\n", encoding="utf-8")
    assert package(log, tmp_path / "p", "--witness", str(witness))["result"] == "verified"
    assert package(log, tmp_path / "q", first=early.size - 5)["result"] == "verified"


@pytest.mark.parametrize("what", ["time", "hold", "unverified", "failing", "altered", "forever", "minimum"])
def test_what_may_not_go_stays(what: str, old: Tenant, superuser, settings) -> None:
    log = old.organization.pk
    if what == "time":
        keep(old, 60, superuser)
    elif what == "forever":
        keep(old, None, superuser)
    elif what == "minimum":
        settings.AUDIT_RETENTION_MINIMUM_MONTHS = 60
    elif what == "hold":
        with tenant_scope(old.organization):
            set_hold(organization_id=log, name="Case 7", reason="Court", actor=SYSTEM)
    elif what == "unverified":
        superuser.execute("DELETE FROM audit_verification")
    elif what == "failing":
        superuser.execute("UPDATE audit_verification SET failing_since = now()")
    elif what == "altered":
        superuser.execute(database.TRIGGERS_OFF)
        superuser.execute("UPDATE audit_leaftext SET body = body || ' '")
        superuser.execute(database.TRIGGERS_ON)
    assert retire_month(log, OLD) == 0
    assert left(superuser, log) == (7, 7)
    assert receipts(log) == []


def test_a_shorter_retention_waits_for_its_notice(old: Tenant, superuser) -> None:
    keep(old, 60, superuser)
    with tenant_scope(old.organization):
        change = change_retention(organization_id=old.organization.pk, months=24, actor=SYSTEM)
    assert change.effective_at is not None
    assert change.announced_at is not None
    assert (change.effective_at - change.announced_at).days in {29, 30}
    assert retire_month(old.organization.pk, OLD) == 0
    let_pass(superuser, "audit_retentionchange", "effective_at = announced_at")
    assert retire_month(old.organization.pk, OLD) == 7


def test_a_longer_retention_counts_at_once_also_while_a_shorter_one_waits(old: Tenant) -> None:
    log = old.organization.pk
    with tenant_scope(old.organization):
        change_retention(organization_id=log, months=12, actor=SYSTEM)
        change_retention(organization_id=log, months=72, actor=SYSTEM)
    assert retire_month(log, OLD) == 0


def test_holds_of_an_actor_and_of_a_period_keep_exactly_that(old: Tenant, superuser, tmp_path) -> None:
    log = old.organization.pk
    with tenant_scope(old.organization):
        set_hold(organization_id=log, name="Person", reason="Court", subject=str(PERSON), actor=SYSTEM)
    assert retire_month(log, OLD) == 5
    assert left(superuser, log) == (2, 2)
    with tenant_scope(old.organization):
        first = Event.objects.filter(time__year=NEXT.year, time__month=NEXT.month).order_by("time").first()
        set_hold(organization_id=log, name="Minute", reason="Court", until=first.time, since=OLD_MOMENT, actor=SYSTEM)
        set_hold(
            organization_id=log, name="Minute", reason="Court", since=first.time, until=after(first.time), actor=SYSTEM
        )
    assert retire_month(log, NEXT) == 3
    assert left(superuser, log, name(NEXT)) == (1, 1)
    assert problems(log) == []
    assert package(log, tmp_path / "p")["result"] == "verified"
    # What is held is not covered: deleting it is no retirement.
    superuser.execute(database.TRIGGERS_OFF)
    superuser.execute("DELETE FROM audit_event WHERE actor_id = %s", [PERSON])
    superuser.execute(
        "DELETE FROM audit_leaftext t USING audit_leaf l WHERE t.seq = l.seq AND t.organization_id = l.organization_id"
        " AND NOT EXISTS (SELECT FROM audit_event e WHERE e.id = l.event_id) AND t.organization_id = %s",
        [log],
    )
    assert {kind for kind, *_ in problems(log)} == {"missing"}
    assert {p["kind"] for p in package(log, tmp_path / "q")["problems"]} == {"missing"}


def test_a_released_hold_goes_on_for_a_week(old: Tenant, superuser) -> None:
    log = old.organization.pk
    with tenant_scope(old.organization):
        hold = set_hold(organization_id=log, name="Case 7", reason="Court", actor=SYSTEM)
        release_hold(hold=hold, reason="Settled", actor=SYSTEM)
    assert retire_month(log, OLD) == 0
    let_pass(superuser, "audit_legalhold", "released_at = released_at - interval '7 days'")
    assert retire_month(log, OLD) == 7


def test_a_month_of_which_nothing_is_left_is_dropped(old: Tenant, globex: Tenant, superuser, settings) -> None:
    assert retire() == 11
    assert drop_empty_partitions() == []
    settings.AUDIT_RETENTION_MONTHS = 24
    assert retire() == 5
    assert superuser.execute(f"SELECT to_regclass('audit_event_{name(OLD)}')").fetchone() == (None,)
    assert superuser.execute(f"SELECT to_regclass('audit_leaftext_{name(NEXT)}')").fetchone() == (None,)
    dropped = superuser.execute(
        "SELECT after ->> 'month', organization_id FROM audit_event WHERE action = 'audit_log.partition_dropped'"
        " ORDER BY 1"
    ).fetchall()
    assert dropped == [(f"{OLD:%Y-%m}", None), (f"{NEXT:%Y-%m}", None)]
    noted = superuser.execute("SELECT 1 FROM audit_unattributedchange WHERE operation = 'DROP TABLE'").fetchall()
    assert noted == [], "a lawful drop is an event, and no unattributed change"
    seal()
    assert watch() == 0
    for log in (old.organization.pk, globex.organization.pk, INSTALLATION):
        assert problems(log) == []
        assert receipts(log)


@pytest.mark.parametrize("trick", ["none", "other log", "other month", "other key", "grown", "early"])
def test_a_dropped_partition_is_no_retirement(trick: str, old: Tenant, globex: Tenant, superuser, tmp_path) -> None:
    log, other = old.organization.pk, globex.organization.pk
    superuser.execute(database.TRIGGERS_OFF)
    insert = (
        "INSERT INTO audit_receipt (organization_id, month, first, last, events, note, time)"
        " SELECT %s, month, first, last, events, {}, time FROM audit_receipt WHERE organization_id = %s"
    )
    if trick == "other log":
        keep(globex, 24, superuser)
        superuser.execute(database.TRIGGERS_ON)
        assert retire_month(other, OLD) == 3
        superuser.execute(database.TRIGGERS_OFF)
        superuser.execute(insert.format("note"), [log, other])
    elif trick != "none":
        superuser.execute(database.TRIGGERS_ON)
        assert retire_month(log, NEXT) == 4
        superuser.execute(database.TRIGGERS_OFF)
        (receipt,) = receipts(log)
        text = {
            "other month": f"replace(note, '{NEXT:%Y-%m}', '{OLD:%Y-%m}')",
            "grown": f"replace(note, 'events {receipt.ranges[0][0]}', 'events 0')",
            "early": "replace(note, 'kept 24', 'kept 1')",
            "other key": "overlay(note placing 'AAAA' from length(note) - 20)",
        }[trick]
        superuser.execute(f"UPDATE audit_receipt SET note = {text}")  # noqa: S608 - ours
    superuser.execute(f"DROP TABLE audit_event_{name(OLD)}, audit_leaftext_{name(OLD)}")
    kinds = {kind for kind, *_ in problems(log)}
    assert "missing" in kinds
    assert ("forged" in kinds) == (trick != "none")
    said = package(log, tmp_path / "p")
    kinds = {p["kind"] for p in said["problems"]}
    assert "missing" in kinds
    assert kinds & {"forged", "foreign"} or trick == "none"


def test_a_receipt_that_is_deleted_makes_its_events_missing(old: Tenant, superuser, tmp_path) -> None:
    log = old.organization.pk
    assert retire_month(log, OLD) == 7
    superuser.execute(database.TRIGGERS_OFF)
    superuser.execute("DELETE FROM audit_receipt")
    ((kind, first, last),) = problems(log)
    assert (kind, (last or 0) - (first or 0) + 1) == ("missing", 7)
    assert [p["kind"] for p in package(log, tmp_path / "p")["problems"]] == ["missing"]


def test_what_was_retired_cannot_be_renumbered_or_replaced(old: Tenant, superuser, tmp_path) -> None:
    log = old.organization.pk
    assert retire_month(log, OLD) == 7
    (receipt,) = receipts(log)
    first = receipt.ranges[0][0]
    superuser.execute(database.TRIGGERS_OFF)
    for old_seq, new in ((first, 1_000_000), (first + 1, first), (1_000_000, first + 1)):
        superuser.execute("UPDATE audit_leaf SET seq = %s WHERE organization_id = %s AND seq = %s", [new, log, old_seq])
    assert [kind for kind, *_ in problems(log)] == ["inconsistent"]
    assert [p["kind"] for p in package(log, tmp_path / "p")["problems"]] == ["inconsistent"]


def test_an_old_backup_is_told_from_a_retirement(old: Tenant, superuser) -> None:
    """It lacks the receipts as well, and a checkpoint that was kept elsewhere tells."""
    log = old.organization.pk
    assert retire_month(log, OLD) == 7
    seal()
    [(kept, size)] = superuser.execute(
        "SELECT note, size FROM audit_checkpoint WHERE organization_id = %s ORDER BY size DESC LIMIT 1", [log]
    ).fetchall()
    assert compare_with_witness(kept) == {}
    superuser.execute(database.TRIGGERS_OFF)
    superuser.execute("DELETE FROM audit_checkpoint WHERE organization_id = %s AND size = %s", [log, size])
    superuser.execute("DELETE FROM audit_receipt")
    assert [p.kind for p in compare_with_witness(kept)[log]] == ["rolled back"]


def test_a_copy_with_receipts_and_no_lines_of_what_is_gone(old: Tenant, tmp_path) -> None:
    log = old.organization.pk
    assert retire_month(log, OLD) == 7
    seal()
    package(log, tmp_path / "p")
    lines = [json.loads(line) for line in (tmp_path / "p" / "events.ndjson").read_text("utf-8").splitlines()]
    notes = [json.loads(line)["note"] for line in (tmp_path / "p" / "receipts.ndjson").read_text("utf-8").splitlines()]
    keys = [json.loads(line)["statement"] for line in (tmp_path / "p" / "keys.ndjson").read_text("utf-8").splitlines()]
    ends = {}
    for line in (tmp_path / "p" / "checkpoints.ndjson").read_text("utf-8").splitlines():
        said = json.loads(line)
        ends[int(said["note"].split("\n")[1]) - 1] = said
    for line in lines:
        if line["seq"] in ends:
            line["checkpoint"] = ends[line["seq"]]
    kept = [line for line in lines if line["leaf"] is not None]
    kept[0] |= {"keys": keys, "receipts": notes}
    copy = tmp_path / "copy.ndjson"
    copy.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
    report = tmp_path / "r.json"
    gatehouse_verify.main([str(copy), "--quiet", "--report", str(report)])
    said = json.loads(report.read_text("utf-8"))
    assert "missing" not in {p["kind"] for p in said["problems"]}
    assert said["retired"] == 7


def test_ranges_are_looked_up() -> None:
    chance = random.Random(7)  # noqa: S311 - a test
    for _ in range(50):
        ranges = [(first, first + chance.randrange(4)) for first in chance.sample(range(60), 8)]
        receipt = Receipt("o", OLD, 1, tuple(ranges), 99, b"", OLD_MOMENT)
        wanted = {seq for first, last in ranges for seq in range(first, last + 1)}
        assert {seq for seq in range(70) if seq in Retired([receipt])} == wanted
        taken = gatehouse_verify.merged([list(each) for each in ranges])
        left_over = {seq for first, last in gatehouse_verify.without(0, 69, taken) for seq in range(first, last + 1)}
        assert left_over == set(range(70)) - wanted


def test_nobody_but_the_sealer_retires(old: Tenant, superuser) -> None:
    log = old.organization.pk
    for statement in (
        "SELECT audit_retire(%s, %s, 1, 1, 'x')",
        "SELECT * FROM audit_retirable(%s, %s, 1, 1)",
    ):
        for alias in ("default", "operator"):
            with pytest.raises(DatabaseError, match="permission denied"), connections[alias].cursor() as cursor:
                cursor.execute(statement, [log, OLD])


@pytest.mark.parametrize("forged", ["x", "gatehouse-audit-receipt/v1\n"])
def test_the_sealer_retires_nothing_against_another_receipt(forged: str, old: Tenant, superuser) -> None:
    with pytest.raises(DatabaseError, match="does not say"), sealer_cursor() as cursor:
        cursor.execute("SELECT audit_retire(%s, %s, NULL, 12, %s)", [old.organization.pk, OLD, forged])
    assert left(superuser, old.organization.pk) == (7, 7)
