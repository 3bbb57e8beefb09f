"""Checkpoints as records of their own: an organization's sink is a witness of its log."""

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from audit import notes
from audit.models import Sink
from audit.sealing.sealer import seal
from audit.services.sinks import update_sink
from audit.sinks.checkpoints import sends_checkpoints
from audit.verification import compare_with_witness
from audit.verifier import gatehouse_verify
from isolation.exceptions import MissingPermission
from tests import database
from tests.api.calls import by
from tests.audit.sinks.receivers import Answer, Receiver
from tests.audit.sinks.stage import cursor_of, due, happen, sealed, sink_of, turns, webhook
from tests.audit.sinks.test_s3 import bucket, keys, options, read  # noqa: F401 - a fixture
from tests.people import Tenant, signed_in


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def records(receiver: Receiver) -> list[dict[str, Any]]:
    """Return the checkpoints that came, in order."""
    bodies = [request.json() for request in receiver.requests]
    return [body["checkpoint"] for body in bodies if body["type"] == "audit.checkpoint"]


def events(receiver: Receiver) -> list[dict[str, Any]]:
    bodies = [request.json() for request in receiver.requests]
    return [event for body in bodies if body["type"] == "audit.events" for event in body["events"]]


def verify(acme: Tenant, tmp_path: Path, *given: str) -> tuple[int, list[dict[str, Any]]]:
    report = tmp_path / "report.json"
    key = signed_in(acme.auditor).get("/o/acme/audit/checkpoint/").context["verifier_key"]
    status = gatehouse_verify.main([*given, "--key", key, "--quiet", "--report", str(report)])
    return status, json.loads(report.read_text(encoding="utf-8"))["problems"]


def written(path: Path, lines: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return str(path)


def test_a_strangers_sink_is_never_sent_a_checkpoint_of_acme(acme: Tenant, globex: Tenant, receiver: Receiver) -> None:
    webhook(globex, receiver.url, sends_checkpoints=True)
    happen(acme, 3)
    turns()
    assert not any(str(acme.organization.pk) in request.body.decode() for request in receiver.requests)
    happen(globex, 1)
    turns()
    assert {record["log"] for record in records(receiver)} == {str(globex.organization.pk)}


def test_a_stranger_does_not_switch_it_on(acme: Tenant, globex: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url)
    with globex.acting("owner") as actor, pytest.raises(MissingPermission):
        update_sink(sink=sink, sends_checkpoints=True, actor=actor)


def test_the_newest_checkpoint_comes_behind_its_events(acme: Tenant, receiver: Receiver, superuser) -> None:
    sink = webhook(acme, receiver.url, sends_checkpoints=True)
    happen(acme, 3)
    happen(acme, 3)
    turns()
    (record,) = records(receiver)
    assert receiver.requests[-1].json()["type"] == "audit.checkpoint"
    assert (record["kind"], record["size"]) == ("checkpoint", sealed(acme))
    (note,) = superuser.execute(
        "SELECT note FROM audit_checkpoint WHERE organization_id = %s ORDER BY size DESC LIMIT 1",
        [acme.organization.pk],
    ).fetchone()
    assert record["checkpoint"]["note"] == note
    cursor = cursor_of(sink)
    assert (cursor.checkpoint_size, cursor.checkpoint_refusal) == (sealed(acme), "")
    receiver.requests.clear()
    turns()
    assert receiver.requests == []
    page = signed_in(acme.owner).get(f"/o/acme/sinks/{sink.pk}/").content.decode()
    assert f"over {sealed(acme)} events" in page
    health = by(acme.owner).get(f"/organizations/acme/sinks/{sink.pk}").json()["health"]
    assert (health["checkpoint_size"], health["checkpoint_refusal"]) == (sealed(acme), "")


def test_a_sink_with_a_filter_is_a_witness_too(acme: Tenant, receiver: Receiver) -> None:
    webhook(acme, receiver.url, sends_checkpoints=True, query="outcome:denied")
    happen(acme, 3)
    turns()
    assert events(receiver) == []
    assert [record["size"] for record in records(receiver)] == [sealed(acme)]


def test_a_siem_that_holds_checkpoints_proves_its_copy_and_convicts_a_rewritten_log(
    acme: Tenant, receiver: Receiver, tmp_path: Path, superuser
) -> None:
    webhook(acme, receiver.url, sends_checkpoints=True, from_beginning=True)
    for _ in range(2):
        happen(acme, 5)
        turns()
    lines = [{name: each for name, each in line.items() if name != "checkpoint"} for line in events(receiver)]
    copy = written(tmp_path / "copy.ndjson", [*records(receiver), *lines])  # wherever the SIEM puts them
    assert verify(acme, tmp_path, copy) == (0, [])
    behind = written(tmp_path / "behind.ndjson", [*lines, *records(receiver)])
    assert verify(acme, tmp_path, behind) == (0, [])

    forged = [dict(record) for record in records(receiver)]
    text, _gap, signature = forged[-1]["checkpoint"]["note"].partition("\n\n")
    root = base64.b64encode(b"x" * 32).decode()
    altered = "\n".join([*text.split("\n")[:2], root, text.split("\n")[3]])
    forged[-1]["checkpoint"] = {"note": f"{altered}\n\n{signature}"}
    status, problems = verify(acme, tmp_path, written(tmp_path / "forged.ndjson", [*forged, *lines]))
    assert (status, {each["kind"] for each in problems}) >= (1, {"forged"})

    kept = written(tmp_path / "kept.ndjson", records(receiver))
    text = Path(kept).read_text(encoding="utf-8")
    assert compare_with_witness(text) == {}
    assert verify(acme, tmp_path, copy, "--witness", kept) == (0, [])
    superuser.execute(database.TRIGGERS_OFF)
    superuser.execute("UPDATE audit_checkpoint SET root = sha256('rewritten')")
    told = compare_with_witness(text)[acme.organization.pk]
    assert all("rewritten" in problem.text for problem in told)


def test_one_that_is_refused_holds_no_event_back(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url, sends_checkpoints=True)
    receiver.rule = lambda request: Answer(422 if b'"audit.checkpoint"' in request.body else 200, b"no such type")
    happen(acme, 2)
    turns()
    cursor = cursor_of(sink)
    assert (cursor.next_seq, cursor.state) == (sealed(acme), "delivering")
    assert "no such type" in cursor.checkpoint_refusal
    assert "no such type" in signed_in(acme.owner).get(f"/o/acme/sinks/{sink.pk}/").content.decode()
    receiver.rule = lambda _request: Answer()
    happen(acme, 1)
    turns()
    assert cursor_of(sink).checkpoint_refusal == ""


def test_one_that_did_not_arrive_is_sent_again_with_the_same_id(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url, sends_checkpoints=True)
    receiver.rule = lambda request: Answer(503 if b'"audit.checkpoint"' in request.body else 200)
    happen(acme, 1)
    turns()
    assert (cursor_of(sink).state, cursor_of(sink).checkpoint_size) == ("retrying", 0)
    receiver.rule = lambda _request: Answer()
    due(acme)
    turns()
    sent = [request for request in receiver.requests if request.json()["type"] == "audit.checkpoint"]
    assert len({request.headers["webhook-id"] for request in sent}) == 1
    ids = [request.headers["webhook-id"] for request in receiver.requests if request not in sent]
    assert sent[0].headers["webhook-id"] not in ids
    assert cursor_of(sink).checkpoint_size == sealed(acme)


def test_an_organizations_own_bucket_keeps_them_locked(acme: Tenant, moto: str, bucket: Any) -> None:  # noqa: F811
    locked = options(moto, lock="GOVERNANCE", lock_days=1)
    sink_of(acme, "s3", locked, sends_checkpoints=True)
    happen(acme, 1)
    turns()
    (key,) = [each for each in keys(bucket) if "/checkpoint-" in each]
    (record,) = [json.loads(line) for line in gzip.decompress(read(bucket, key)).splitlines()]
    assert record["size"] == sealed(acme)
    assert bucket.get_object(Bucket="siem", Key=key)["ObjectLockMode"] == "GOVERNANCE"
    (note,) = notes.kept_in(json.dumps(record))
    assert note == record["checkpoint"]["note"]


def test_records_that_are_no_json_have_none(acme: Tenant, receiver: Receiver) -> None:
    assert Sink().sends_checkpoints
    assert sends_checkpoints(webhook(acme, receiver.url, name="a", sends_checkpoints=True))
    assert not sends_checkpoints(webhook(acme, receiver.url, name="b"))
    assert not sends_checkpoints(Sink(kind="syslog", format="cef"))
    assert not sends_checkpoints(Sink(kind="s3", options={"layout": "security_lake"}))
    assert not sends_checkpoints(Sink(kind="pigeon"))


def test_the_form_and_the_api_switch_it(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url, sends_checkpoints=True)
    browser = signed_in(acme.owner)
    assert "With checkpoints" in browser.get(f"/o/acme/sinks/{sink.pk}/change/").content.decode()
    assert "as records of their own" in browser.get(f"/o/acme/sinks/{sink.pk}/").content.decode()
    path = f"/organizations/acme/sinks/{sink.pk}"
    assert by(acme.owner).patch(path, {"sends_checkpoints": False}).json()["sends_checkpoints"] is False
    seal()
    receiver.requests.clear()
    happen(acme, 1)
    turns()
    assert records(receiver) == []
