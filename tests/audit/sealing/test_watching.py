"""The verification in the background: what it notes, whom it tells, and that it forgets what is mended."""

import psycopg
import pytest
from django.core import mail
from django.core.cache import cache

from accounts.models import User
from audit import watching
from audit.sealing.sealer import seal
from audit.tasks import publish_checkpoints, verify_log
from audit.verification import LogVerifier
from tests import database
from tests.audit.sealing.stage import write, writer
from tests.people import Tenant, signed_in
from tests.tenants.stage import events


def tamper(superuser: psycopg.Connection, tenant: Tenant, reason: str = "altered") -> None:
    superuser.execute(database.TRIGGERS_OFF)
    superuser.execute(
        "UPDATE audit_event e SET reason = %s FROM audit_leaf l"
        " WHERE l.event_id = e.id AND l.organization_id = %s AND l.seq = 1",
        [reason, tenant.organization.pk],
    )
    superuser.execute(database.TRIGGERS_ON)


def state(superuser: psycopg.Connection, tenant: Tenant) -> tuple[int, list[str], bool]:
    row = superuser.execute(
        "SELECT size, problems, failing_since IS NOT NULL FROM audit_verification WHERE organization_id = %s",
        [tenant.organization.pk],
    ).fetchone()
    assert row is not None
    return row[0], [each["text"] for each in row[1]], row[2]


def test_what_is_new_is_verified_and_what_is_old_again(acme: Tenant, superuser, monkeypatch) -> None:
    monkeypatch.setattr(watching, "AGAIN", 5)
    seal()
    assert verify_log() == 0
    size = state(superuser, acme)[0]
    for count in (30, 5):
        with writer() as connection:
            for _ in range(count):
                write(connection, acme.organization.pk)
        seal()
    verify_log()
    assert state(superuser, acme) == (size + 35, [], False)
    tamper(superuser, acme)
    for _ in range(4):  # the turn comes to it, wherever it stood
        verify_log()
    assert state(superuser, acme)[1:] == (["event 1 was altered: reason"], True)


def test_all_logs_share_what_a_run_reads_again_and_take_turns(
    acme: Tenant, globex: Tenant, superuser, monkeypatch
) -> None:
    monkeypatch.setattr(watching, "AGAIN", 1)
    seal()
    completed = "SELECT count(*) FROM audit_verification WHERE completed_at IS NOT NULL"
    counts: list[int] = []
    for _ in range(3):
        verify_log()
        counts += superuser.execute(completed).fetchone() or ()
    assert counts == [1, 2, 3]


def test_two_runs_at_once_are_one(acme: Tenant, superuser) -> None:
    seal()
    cache.add("audit-watch", 1)
    assert verify_log() == 0
    assert superuser.execute("SELECT count(*) FROM audit_verification").fetchone() == (0,)


def test_owners_and_operators_are_told_once(acme: Tenant, operator: User, superuser) -> None:
    seal()
    verify_log()
    tamper(superuser, acme)
    mail.outbox.clear()
    assert verify_log() == 1
    assert verify_log() == 1
    (told,) = events(acme, "audit_log.verification_failed")
    assert told.after == {"problems": 1, "first": ["event 1 was altered: reason"]}
    assert told.outcome == "failed"
    assert sorted(message.to[0] for message in mail.outbox) == ["operator@gatehouse.example", "owner@acme.example"]
    for message in mail.outbox:
        assert "Acme" in message.subject
        assert "event 1 was altered: reason" in message.body
    page = signed_in(acme.auditor).get("/o/acme/audit/checkpoint/")
    assert "Problem: this log is not what was sealed" in page.text
    assert "event 1 was altered: reason" in page.text
    assert "1 problem" in signed_in(operator).get("/admin/audit/checkpoint/").text


def test_a_tampered_installation_log_is_told_to_operators_alone(operator: User, acme: Tenant, superuser) -> None:
    seal()
    superuser.execute(database.TRIGGERS_OFF)
    superuser.execute("UPDATE audit_event SET reason = 'altered' WHERE organization_id IS NULL")
    superuser.execute(database.TRIGGERS_ON)
    mail.outbox.clear()
    assert verify_log() == 1
    assert [message.to for message in mail.outbox] == [["operator@gatehouse.example"]]
    assert superuser.execute(
        "SELECT count(*) FROM audit_event WHERE organization_id IS NULL AND action = 'audit_log.verification_failed'"
    ).fetchone() == (1,)


def test_what_is_mended_is_forgotten_after_a_whole_turn(acme: Tenant, superuser) -> None:
    seal()
    verify_log()
    tamper(superuser, acme)
    assert verify_log() == 1
    tamper(superuser, acme, reason="")
    assert verify_log() == 0
    assert state(superuser, acme)[1:] == ([], False)
    assert len(events(acme, "audit_log.verification_passed")) == 1


def test_a_log_that_is_shorter_than_it_was_is_rolled_back(acme: Tenant, superuser) -> None:
    seal()
    verify_log()
    size = state(superuser, acme)[0]
    superuser.execute(database.TRIGGERS_OFF)
    for table in ("audit_leaf", "audit_leaftext", "audit_checkpoint"):
        superuser.execute(f"DELETE FROM {table} WHERE organization_id = %s", [acme.organization.pk])
    superuser.execute("DELETE FROM audit_event WHERE organization_id = %s", [acme.organization.pk])
    superuser.execute(database.TRIGGERS_ON)
    problems = LogVerifier(acme.organization.pk, start=size).run().problems
    assert [problem.kind for problem in problems] == ["rolled back"]


def test_the_file_of_a_witness_is_compared_too(acme: Tenant, superuser, settings, tmp_path) -> None:
    settings.AUDIT_CHECKPOINT_FILE = tmp_path / "checkpoints.txt"
    for _ in range(2):
        with writer() as connection:
            write(connection, acme.organization.pk)
        seal()
        publish_checkpoints()
    assert verify_log() == 0
    superuser.execute(database.TRIGGERS_OFF)
    superuser.execute(
        "DELETE FROM audit_checkpoint WHERE id = (SELECT max(id) FROM audit_checkpoint WHERE organization_id = %s)",
        [acme.organization.pk],
    )
    superuser.execute("DELETE FROM audit_verification")
    superuser.execute(database.TRIGGERS_ON)
    assert verify_log() == 1
    assert any("a witness has a checkpoint" in text for text in state(superuser, acme)[1])


@pytest.mark.parametrize("gone", [True, False])
def test_a_worker_without_the_sealers_password_verifies_nothing(gone: bool, acme: Tenant, monkeypatch) -> None:
    monkeypatch.setattr("audit.tasks.can_seal", lambda: not gone)
    seal()
    assert verify_log() == 0
