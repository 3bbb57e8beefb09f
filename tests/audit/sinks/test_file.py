"""Files and the standard output: for the installation alone, flushed before they count, rotated by anybody."""

import json
import os
import resource
import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from audit.models import Sink, SinkCursor, SinkState
from audit.sinks.claims import claim, wake
from audit.sinks.delivery import Turn
from isolation.exceptions import DomainError
from isolation.scope import INSTALLATION, tenant_scope
from tests.audit.sinks.stage import cursor_in, happen, installation_sink, sealed, sink_of, turns
from tests.people import Tenant


@pytest.fixture
def directory(settings: Any, tmp_path: Path) -> Path:
    settings.AUDIT_SINK_DIRECTORY = tmp_path
    return tmp_path


def file_sink(**values: Any) -> Sink:
    return installation_sink("file", values.pop("options", {}), **{"from_beginning": True, **values})


def records(*files: Path) -> list[Any]:
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def numbers(tenant: Tenant, *files: Path) -> list[int]:
    """Return the numbers of an organization's events in files, as they stand there."""
    log = str(tenant.organization.pk)
    return [each["seq"] for each in records(*files) if each["event"].get("organization_id") == log]


def again() -> None:
    with tenant_scope(INSTALLATION):
        SinkCursor.objects.update(retry_at=None)


def test_an_organization_has_none(acme: Tenant, directory: Path) -> None:
    with pytest.raises(DomainError, match="for sinks of the installation alone"):
        sink_of(acme, "file", {})
    assert list(directory.iterdir()) == []


def test_every_event_of_every_log_is_a_line(acme: Tenant, globex: Tenant, directory: Path) -> None:
    sink = file_sink(batch_events=7)
    happen(acme, 50)
    happen(globex, 20)
    turns()
    file = directory / "audit.ndjson"
    assert numbers(acme, file) == list(range(sealed(acme)))
    assert numbers(globex, file) == list(range(sealed(globex)))
    assert cursor_in(sink, acme).lag_events == 0
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_rotated_file_is_left_alone(acme: Tenant, directory: Path) -> None:
    file_sink()
    happen(acme, 10)
    turns()
    file, old = directory / "audit.ndjson", directory / "audit.ndjson.1"
    file.rename(old)
    before = old.read_bytes()
    happen(acme, 10)
    turns()
    assert old.read_bytes() == before
    assert numbers(acme, old, file) == list(range(sealed(acme)))


def test_a_file_that_is_rotated_between_two_batches_is_opened_again(
    acme: Tenant, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_sink(batch_events=10)
    happen(acme, 50)
    file, old = directory / "audit.ndjson", directory / "audit.ndjson.1"
    synced = os.fsync

    def rotating(descriptor: int) -> None:
        synced(descriptor)
        if file.exists() and file.stat().st_size and not old.exists():
            file.rename(old)

    monkeypatch.setattr(os, "fsync", rotating)
    turns()
    assert records(old)
    assert numbers(acme, old, file) == list(range(sealed(acme)))


def test_a_file_that_takes_no_more_keeps_whole_lines_and_nothing_is_lost(acme: Tenant, directory: Path) -> None:
    sink = file_sink(batch_events=5)
    happen(acme, 20)
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, unlimited[1]))
    try:
        turns()
        cursor = cursor_in(sink, acme)
        assert cursor.state == SinkState.RETRYING
        assert "The disk is full" in cursor.last_error
        records(directory / "audit.ndjson")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    again()
    turns()
    assert numbers(acme, directory / "audit.ndjson") == list(range(sealed(acme)))


def test_a_line_that_was_torn_by_a_death_is_ended(acme: Tenant, directory: Path) -> None:
    file = directory / "audit.ndjson"
    file.write_text('{"seq":12,"ha')
    file_sink()
    happen(acme, 5)
    turns()
    torn, rest = file.read_text().split("\n", 1)
    assert torn == '{"seq":12,"ha'
    file.write_text(rest)
    assert numbers(acme, file) == list(range(sealed(acme)))


def test_two_workers_write_whole_lines_into_one_file(acme: Tenant, globex: Tenant, directory: Path) -> None:
    file_sink(batch_events=3)
    happen(acme, 100)
    happen(globex, 100)
    wake()
    held = [claim(), claim(), claim()]

    def work(number: int) -> None:
        found = held[number]
        if found is not None:
            Turn(found).run()
        connections.close_all()

    workers = [threading.Thread(target=work, args=(number,)) for number in range(len(held))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    turns()
    file = directory / "audit.ndjson"
    assert numbers(acme, file) == list(range(sealed(acme)))
    assert numbers(globex, file) == list(range(sealed(globex)))


def test_a_link_is_not_followed(acme: Tenant, directory: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    target = tmp_path_factory.mktemp("elsewhere") / "file"
    target.write_text("untouched")
    (directory / "audit.ndjson").symlink_to(target)
    sink = file_sink()
    happen(acme, 1)
    turns()
    assert target.read_text() == "untouched"
    assert "cannot be written" in cursor_in(sink, acme).last_error


def test_a_directory_that_is_gone_waits(acme: Tenant, directory: Path, settings: Any) -> None:
    settings.AUDIT_SINK_DIRECTORY = directory / "absent"
    sink = file_sink()
    happen(acme, 1)
    turns()
    assert cursor_in(sink, acme).state == SinkState.RETRYING
    settings.AUDIT_SINK_DIRECTORY = None
    again()
    turns()
    assert cursor_in(sink, acme).state == SinkState.BLOCKED


def test_lines_on_the_standard_output(acme: Tenant, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file_sink(options={"target": "stdout"})
    happen(acme, 5)
    turns()
    printed = tmp_path / "printed"
    printed.write_text("".join(f"{line}\n" for line in capfd.readouterr().out.splitlines() if line.startswith("{")))
    assert numbers(acme, printed) == list(range(sealed(acme)))


@pytest.mark.parametrize("name", ["../audit.ndjson", "/etc/passwd", "a/b", ".hidden", ""])
def test_names_that_lead_elsewhere_are_refused(db: None, directory: Path, name: str) -> None:
    with pytest.raises(DomainError, match=r"file name|needed"):
        file_sink(options={"name": name})


def test_without_a_directory_there_are_no_files(db: None) -> None:
    with pytest.raises(DomainError, match="AUDIT_SINK_DIRECTORY"):
        file_sink()
