"""Exports are made whatever happens to the worker, and end when they are canceled, fail, or expire."""

import os
import signal
import subprocess
import sys
import tracemalloc
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from audit.exports import making, selection, storage
from audit.exports.lines import lines_of
from audit.exports.storage import DamagedFile
from audit.models import Event, EvidenceExport
from audit.notes import INSTALLATION
from audit.sealing.sealer import seal
from audit.services.exports import (
    MOST_RUNNING,
    cancel_export,
    complete_export,
    delete_export,
    place_of,
    request_export,
    take_export,
)
from audit.tasks import make_export, sweep_exports
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.exceptions import DomainError
from isolation.scope import operator_scope, tenant_scope
from tests import database
from tests.audit.exports.stage import SHELL, export_of, sealed, stored, taken, verified
from tests.audit.sealing.stage import write_many, writer
from tests.people import Tenant

# A worker of small pieces, which is killed by the system in the middle of a write.
WORKER = """
import os, signal, sys, django
django.setup()
from uuid import UUID
from django.conf import settings
from tests import database
from audit.exports import making, selection, storage
from isolation.actor import SYSTEM
from isolation.context import acting_as

organization, export, directory, lines = sys.argv[1:]
database.use_database(os.environ["DATABASE_OF_THE_TEST"])
settings.AUDIT_EXPORT_DIRECTORY = directory
selection.EVERY_EVENT, selection.SOME_EVENTS, storage.CHUNK = 5, 5, 300
left = int(lines)

class Mortal(storage.Writer):
    def write(self, data):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().write(data)

storage.Writer = Mortal
with acting_as(SYSTEM):
    making.make(UUID(organization), UUID(export))
"""


@pytest.fixture
def no_worker(monkeypatch) -> None:
    """Lose every message: the broker forgets, and nobody is told."""
    monkeypatch.setattr(make_export, "delay", lambda *arguments: None)


def told(tenant: Tenant, name: str) -> list[Event]:
    with tenant_scope(tenant.organization):
        return list(Event.objects.filter(action=f"evidence_export.{name}"))


def killed(export: EvidenceExport, directory: Path, lines: int) -> int:
    """Let a worker begin, and be killed before so many lines; return its status."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_OF_THE_TEST": database.worker_database(),
    }
    command = [sys.executable, "-c", WORKER, str(export.organization_id), str(export.pk), str(directory), str(lines)]
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [("ndjson", {}), ("csv", {"query": "action:member.added"}), ("package", {"query": "via:console"})],
)
def test_a_worker_that_was_killed_is_gone_on_with(
    acme: Tenant, directory: Path, tmp_path: Path, no_worker, monkeypatch, kind: str, wanted: dict[str, Any]
) -> None:
    sealed(acme.organization.pk)
    whole = export_of(acme.organization.pk, kind, **wanted)
    export = export_of(acme.organization.pk, kind, **wanted)
    positions = []
    for lines in (8, 8):
        assert killed(export, directory, lines) == -signal.SIGKILL
        positions.append(stored(export).position)
    assert positions == sorted(positions)
    assert 0 < positions[0] < positions[1]
    # The lost message is made up by the sweep.
    monkeypatch.undo()
    monkeypatch.setattr("django.conf.settings.AUDIT_EXPORT_DIRECTORY", directory)
    assert sweep_exports() == 2
    export, whole = stored(export), stored(whole)
    assert export.is_completed
    assert export.events == whole.events
    if kind != "package":
        assert taken(export) == taken(whole)
        return
    path = tmp_path / "package.zip"
    path.write_bytes(taken(export))
    found = verified(path)
    assert (found.status, found.report["events"]) == (0, whole.events)


@pytest.mark.parametrize("kind", ["ndjson", "package", "parquet"])
def test_a_commit_that_fails_at_the_end_is_made_up(
    acme: Tenant, no_worker, monkeypatch, directory: Path, kind: str
) -> None:
    sealed(acme.organization.pk)
    export = export_of(acme.organization.pk, kind)

    def lost(**values: Any) -> bool:
        complete_export(**values)
        raise ConnectionError("The connection is gone.")

    monkeypatch.setattr(making, "complete_export", lost)
    with acting_as(SYSTEM):
        making.make(export.organization_id, export.pk)
    assert stored(export).is_running
    assert stored(export).attempts == 1
    monkeypatch.setattr(making, "complete_export", complete_export)
    with acting_as(SYSTEM):
        making.make(export.organization_id, export.pk)
    assert taken(stored(export))
    assert [path.name for path in directory.rglob("*") if path.is_file()] == ["export"]


def test_two_workers_do_not_get_into_each_others_way(acme: Tenant, no_worker, monkeypatch) -> None:
    sealed(acme.organization.pk)
    export = export_of(acme.organization.pk, "ndjson")
    monkeypatch.setattr(selection, "EVERY_EVENT", 5)
    read = making._read

    def with_another_beside(export: Any, *arguments: Any) -> bool:
        before = stored(export).position
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_OF_THE_TEST": database.worker_database(),
        }
        command = [sys.executable, "-c", WORKER, str(export.organization_id), str(export.pk)]
        command += [str(storage.directory()), "1000"]
        assert subprocess.run(command, env=environment, check=False).returncode == 0
        assert stored(export).position == before
        monkeypatch.setattr(making, "_read", read)
        return read(export, *arguments)

    monkeypatch.setattr(making, "_read", with_another_beside)
    with acting_as(SYSTEM):
        making.make(export.organization_id, export.pk)
    assert stored(export).is_completed


def test_a_task_that_has_worked_long_enough_lets_another_one_go_on(acme: Tenant, no_worker, monkeypatch) -> None:
    sealed(acme.organization.pk)
    export = export_of(acme.organization.pk, "ndjson")
    monkeypatch.setattr(selection, "EVERY_EVENT", 5)
    percents = [export.percent]
    with acting_as(SYSTEM):
        while making.make(export.organization_id, export.pk, seconds=0):
            percents.append(stored(export).percent)
    assert stored(export).is_completed
    assert percents == sorted(percents)
    assert len({percent for percent in percents if 0 < percent < 100}) > 2


def test_what_it_holds_is_what_was_sealed_when_it_was_asked_for(acme: Tenant, no_worker) -> None:
    sealed(acme.organization.pk)
    export = export_of(acme.organization.pk, "ndjson")
    sealed(acme.organization.pk)
    with acting_as(SYSTEM):
        making.make(export.organization_id, export.pk)
    assert taken(export).count(b"\n") == stored(export).as_of


def test_each_step_is_told(acme: Tenant, directory: Path) -> None:
    sealed(acme.organization.pk)
    with acme.acting("auditor") as auditor:
        export = export_of(acme.organization.pk, "csv", actor=auditor, reason="")
    taken(export)

    (requested,), (completed,), (downloaded,) = (told(acme, name) for name in ("requested", "completed", "downloaded"))
    assert requested.actor_label == acme.auditor.email
    assert requested.after["format"] == "csv"
    assert completed.actor_kind == "system"
    assert completed.after["sha256"] == downloaded.after["sha256"] == stored(export).sha256
    for event in (requested, completed, downloaded):
        assert event.target_id == str(export.pk)
        assert "file_key" not in event.after
    with tenant_scope(acme.organization):
        delete_export(export=export, actor=SHELL)
    assert len(told(acme, "deleted")) == 1
    assert list(directory.rglob("*")) == []


def test_a_running_one_is_canceled(acme: Tenant, directory: Path, no_worker) -> None:
    sealed(acme.organization.pk)
    export = export_of(acme.organization.pk, "ndjson")
    assert killed(export, directory, 8) == -signal.SIGKILL
    assert [path.name for path in directory.rglob("*") if path.is_file()] == ["export"]
    with tenant_scope(acme.organization):
        cancel_export(export=export, actor=SHELL)
    assert list(directory.rglob("*")) == []
    assert len(told(acme, "canceled")) == 1
    with acting_as(SYSTEM):
        making.make(export.organization_id, export.pk)  # a message that came late
    assert list(directory.rglob("*")) == []


def test_one_that_is_canceled_while_a_piece_is_stored_leaves_nothing(
    acme: Tenant, directory: Path, no_worker, monkeypatch, superuser
) -> None:
    sealed(acme.organization.pk)
    export = export_of(acme.organization.pk, "ndjson")

    def canceled(*arguments: Any, **options: Any) -> Any:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute("DELETE FROM audit_evidenceexport WHERE id = %s", [export.pk])
        superuser.execute("RESET session_replication_role")
        return lines_of(*arguments, **options)

    monkeypatch.setattr(making, "lines_of", canceled)
    with acting_as(SYSTEM):
        making.make(export.organization_id, export.pk)
    assert [path for path in directory.rglob("*") if path.is_file()] == []


def test_its_time_is_over(acme: Tenant, directory: Path) -> None:
    sealed(acme.organization.pk)
    export = export_of(acme.organization.pk, "ndjson", days=1)
    kept = export_of(acme.organization.pk, "ndjson", days=30)
    assert export.expires_at is not None
    assert export.completed_at is not None
    assert export.expires_at - export.completed_at == timedelta(days=1)
    _age(export)
    with tenant_scope(acme.organization), pytest.raises(DomainError, match="The file is gone"):
        take_export(export=export, actor=SHELL)
    sweep_exports()
    assert len(told(acme, "expired")) == 1
    assert {path.parent.name for path in directory.rglob("*") if path.is_file()} == {str(kept.pk)}
    with tenant_scope(acme.organization):
        assert list(EvidenceExport.objects.values_list("pk", flat=True)) == [kept.pk]


def _age(export: EvidenceExport) -> None:
    with writer() as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE audit_evidenceexport SET expires_at = %s WHERE id = %s",
            [timezone.now() - timedelta(seconds=1), export.pk],
        )


def test_files_that_no_export_names_are_deleted(acme: Tenant, globex: Tenant, directory: Path, superuser) -> None:
    exports = []
    for tenant in (acme, globex):
        sealed(tenant.organization.pk)
        exports.append(export_of(tenant.organization.pk, "ndjson"))
    superuser.execute("SET session_replication_role = replica")
    superuser.execute("DELETE FROM audit_evidenceexport WHERE id = %s", [exports[0].pk])
    (directory / "lost+found").mkdir()
    sweep_exports()
    assert {path.parent.name for path in directory.rglob("*") if path.is_file()} == {str(exports[1].pk)}


def test_one_that_cannot_be_made_is_given_up(acme: Tenant, directory: Path, settings, caplog) -> None:
    sealed(acme.organization.pk)
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.write_text("not a directory")
    export = export_of(acme.organization.pk, "ndjson")
    assert export.is_running
    for _ in range(making.MOST_ATTEMPTS):
        with acting_as(SYSTEM):
            making.make(export.organization_id, export.pk)
    export = stored(export)
    assert export.state == "failed"
    assert "could not be made" in export.problem
    assert export.expires_at is not None
    (event,) = told(acme, "failed")
    assert event.reason == export.problem
    with tenant_scope(acme.organization), pytest.raises(DomainError, match="Ask for the export again"):
        take_export(export=export, actor=SHELL)


def test_what_is_not_sealed_yet_cannot_be_exported(acme: Tenant) -> None:
    with tenant_scope(acme.organization), pytest.raises(DomainError, match="Nothing is sealed yet"):
        request_export(organization_id=acme.organization.pk, format="ndjson", actor=SHELL, reason="Early")
    seal()
    later = timezone.now() + timedelta(hours=1)
    assert export_of(acme.organization.pk, "ndjson", since=later).problem.startswith(
        "No sealed event is in this period"
    )


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"kind": "xml"}, "format"),
        ({"days": 0}, "days"),
        ({"days": 31}, "days"),
        ({"query": "nonsense:x"}, "query"),
        ({"query": "project:nowhere"}, "query"),
        ({"query": "time:2026-01", "since": timezone.now()}, "until"),
        ({"since": timezone.now(), "until": timezone.now() - timedelta(days=1)}, "until"),
        ({"reason": " "}, "reason"),
        ({"reason": "x" * 501}, "reason"),
    ],
)
def test_what_cannot_be_meant_is_refused(acme: Tenant, wanted: dict[str, Any], field: str) -> None:
    sealed(acme.organization.pk, (1,))
    with pytest.raises(DomainError) as refused:
        export_of(acme.organization.pk, **{"kind": "csv", **wanted})
    assert refused.value.field == field


def test_so_many_at_a_time(acme: Tenant, no_worker) -> None:
    sealed(acme.organization.pk, (1,))
    for _ in range(MOST_RUNNING):
        export_of(acme.organization.pk, "csv")
    with pytest.raises(DomainError, match="being made already"):
        export_of(acme.organization.pk, "csv")


def test_a_file_that_was_altered_is_not_sent_to_its_end(acme: Tenant, directory: Path) -> None:
    sealed(acme.organization.pk)
    export = export_of(acme.organization.pk, "ndjson")
    (path,) = (path for path in directory.rglob("export") if path.is_file())
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFile):
        taken(export)


def test_its_file_opens_with_its_organizations_key_alone(acme: Tenant, directory: Path, superuser) -> None:
    sealed(acme.organization.pk)
    export = export_of(acme.organization.pk, "ndjson")
    (path,) = (path for path in directory.rglob("export") if path.is_file())
    content = path.read_bytes()
    assert b"member.added" not in content
    assert b"ada@" not in content
    (key,) = superuser.execute("SELECT file_key FROM audit_evidenceexport").fetchone()
    assert len(key) > 60
    assert place_of(export).path("export") == path


def test_the_installations_own_log(acme: Tenant, tmp_path: Path) -> None:
    with writer() as connection:
        write_many(connection, None, 12)
    seal()
    with acting_as(SYSTEM), operator_scope("test"):
        export = export_of(INSTALLATION, "package")
    assert export.is_completed, export.problem
    path = tmp_path / "package.zip"
    with acting_as(SYSTEM), operator_scope("test"):
        path.write_bytes(taken(export))
    found = verified(path)
    assert (found.status, found.report["problems"]) == (0, [])
    assert found.report["origin"].endswith("/installation")
    seal()
    with acting_as(SYSTEM), operator_scope("test"):
        again = export_of(INSTALLATION, "package")
        path.write_bytes(taken(again))
    # By now its log tells of the first export.
    found = verified(path)
    assert (found.status, found.report["problems"]) == (0, [])


@pytest.mark.parametrize("kind", ["ndjson", "parquet", "package"])
def test_memory_stays_flat(acme: Tenant, no_worker, monkeypatch, kind: str) -> None:
    """Ten times the events take about the same memory."""
    monkeypatch.setattr(storage, "CHUNK", 64 * 1024)
    monkeypatch.setattr("audit.formats.parquet.ROW_GROUP", 500)
    monkeypatch.setattr("audit.sealing.reading.AT_ONCE", 200)
    peaks = []
    for more in (600, 5_400):
        with writer() as connection:
            write_many(connection, acme.organization.pk, more)
        seal()
        export = export_of(acme.organization.pk, kind)
        with acting_as(SYSTEM):
            tracemalloc.start()
            try:
                making.make(export.organization_id, export.pk)
                peaks.append(tracemalloc.get_traced_memory()[1])
            finally:
                tracemalloc.stop()
        assert stored(export).is_completed, stored(export).problem
        assert stored(export).events > more
    small, large = peaks
    assert large < small * 1.5 + 500_000, peaks
