"""What a receiver keeps proves itself: the guide of docs/siem/console.md, with the auditor's own program."""

import json
from pathlib import Path
from typing import Any

from audit.services.sink_delivery import replay_sink
from audit.verifier import gatehouse_verify
from tests.audit.sinks.receivers import Receiver
from tests.audit.sinks.stage import happen, sealed, turns, webhook
from tests.people import Tenant, signed_in


def verify(acme: Tenant, lines: list[dict[str, Any]], tmp_path: Path) -> tuple[int, list[dict[str, Any]]]:
    """Return (exit status, problems) of the verifier over a copy."""
    copy, keys, report = (tmp_path / name for name in ("copy.ndjson", "keys.txt", "report.json"))
    browser = signed_in(acme.auditor)
    keys.write_bytes(browser.get("/o/acme/audit/checkpoint/keys/").content)
    copy.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    key = browser.get("/o/acme/audit/checkpoint/").context["verifier_key"]
    told = [str(copy), "--key", key, "--keys", str(keys), "--quiet", "--report", str(report)]
    status = gatehouse_verify.main(told)
    return status, json.loads(report.read_text(encoding="utf-8"))["problems"]


def kept(receiver: Receiver) -> list[dict[str, Any]]:
    """Return what the receiver has, each number once, in their order."""
    events = {event["seq"]: event for request in receiver.requests for event in request.json()["events"]}
    return [events[seq] for seq in sorted(events)]


def test_a_copy_is_proven_complete_and_a_gap_is_named_and_filled(
    acme: Tenant, receiver: Receiver, tmp_path: Path
) -> None:
    sink = webhook(acme, receiver.url, from_beginning=True, batch_events=7)
    for _ in range(3):
        happen(acme, 10)
        turns()
    copy = kept(receiver)
    assert [line["seq"] for line in copy] == list(range(sealed(acme)))
    assert verify(acme, copy, tmp_path) == (0, [])

    status, problems = verify(acme, [line for line in copy if line["seq"] not in {11, 12}], tmp_path)
    assert status == 1
    assert {problem["kind"] for problem in problems} >= {"missing"}
    assert any("11" in problem["text"] for problem in problems)

    receiver.requests.clear()
    with acme.acting("owner") as actor:
        replay_sink(sink=sink, seq=11, actor=actor)
    turns()
    filled = {line["seq"]: line for line in [*copy[:11], *kept(receiver)]}
    assert verify(acme, [filled[seq] for seq in sorted(filled)], tmp_path)[0] == 0


def test_a_changed_event_is_named(acme: Tenant, receiver: Receiver, tmp_path: Path) -> None:
    webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 10)
    turns()
    copy = kept(receiver)
    copy[5]["event"]["action"] = "nothing.happened"
    status, problems = verify(acme, copy, tmp_path)
    assert (status, [problem["kind"] for problem in problems]) == (1, ["altered"])
