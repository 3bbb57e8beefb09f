"""Field selection: a sink sends what was chosen, whatever its format, and its copy is proven all the same."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from audit.masking.selection import LABELS
from audit.models import RecordFormat, Sink
from audit.services.redaction import set_redaction
from audit.services.sink_preview import preview_redaction
from audit.services.sinks import update_sink
from audit.sinks.base import Limits
from audit.sinks.records import stretch
from audit.verifier import gatehouse_verify
from isolation.exceptions import DomainError, MissingPermission
from tests.api.calls import by
from tests.audit.masking.test_redaction import ADDRESS, samples, sent
from tests.audit.sinks.receivers import Receiver
from tests.audit.sinks.stage import happen, sealed, turns, webhook
from tests.people import Tenant, signed_in
from tests.tenants.stage import events

COMMITTED_ALONE = ["actor_id", "target_type", "target_id", "project_id", "request_id"]
"""Everything that the leaf commits to left out."""
KEPT = {"id", "time", "organization_id", "actor_kind", "via", "action", "outcome"}


def test_a_stranger_cannot_widen_a_selection(acme: Tenant, globex: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url, sent_fields=COMMITTED_ALONE)
    stranger = by(globex.owner)
    for path in (f"/organizations/acme/sinks/{sink.pk}", f"/organizations/globex/sinks/{sink.pk}"):
        assert stranger("PATCH", path, {"sent_fields": None}).status_code == 404
    for who in ("member", "viewer", "auditor", "none"):
        with acme.acting(who) as actor, pytest.raises(MissingPermission):
            update_sink(sink=sink, sent_fields=None, actor=actor)
    happen(acme, 1)
    turns()
    assert ADDRESS not in json.dumps(sent(receiver))


def test_what_was_not_chosen_does_not_leave_and_the_rest_does(acme: Tenant, receiver: Receiver) -> None:
    webhook(acme, receiver.url, sent_fields=[*COMMITTED_ALONE, "actor_label"])
    happen(acme, 1)
    turns()
    (record,) = samples(receiver)
    assert record["event"].keys() == {*KEPT, *COMMITTED_ALONE, "actor_label"}
    assert record["event"]["actor_label"] == ADDRESS
    assert record["openings"].keys() == {"actor_label"}
    assert "203.0.113" not in json.dumps(record)
    assert {"seq", "hash", "leaf"} <= record.keys()


def test_without_proofs_nothing_else_stays(acme: Tenant, receiver: Receiver) -> None:
    webhook(acme, receiver.url, sent_fields=[], has_proofs=False)
    happen(acme, 1)
    turns()
    (record,) = samples(receiver)
    assert record.keys() == {"seq", "hash", "event"}
    assert record["event"].keys() == KEPT


def test_a_copy_with_less_fields_is_proven_and_a_change_of_it_is_found(
    acme: Tenant, receiver: Receiver, tmp_path: Path
) -> None:
    with acme.acting("owner") as actor:
        rules = {"fields": {"ip": "mask"}, "detectors": {"email": "hash"}}
        set_redaction(organization_id=acme.organization.pk, rules=rules, actor=actor)
    webhook(acme, receiver.url, from_beginning=True, sent_fields=[*COMMITTED_ALONE, "ip", "target_label"])
    happen(acme, 20)
    turns()
    rows = sent(receiver)
    rows[0]["keys"] = by(acme.auditor).get("/organizations/acme/audit/checkpoint").json()["keys"]
    copy = tmp_path / "copy.ndjson"

    def verify() -> "subprocess.CompletedProcess[str]":
        copy.write_text("".join(json.dumps(row) + "\n" for row in rows))
        command = [sys.executable, str(gatehouse_verify.__file__), str(copy)]
        return subprocess.run(command, capture_output=True, check=False, text=True)

    told = verify()
    assert told.returncode == 0, told.stdout
    assert "Withheld" in told.stdout
    rows[-1]["event"]["actor_id"] = "11111111-1111-1111-1111-111111111111"
    assert verify().returncode == 1


@pytest.mark.parametrize("format_name", RecordFormat.values)
def test_every_format_sends_no_more(acme: Tenant, format_name: str) -> None:
    happen(acme, 1)
    log = acme.organization.pk
    sink = Sink(organization_id=log, format=format_name, sent_fields=[], has_proofs=False)
    text = stretch(sink, log, 0, sealed(acme), Limits(events=500, bytes=1 << 20)).items[-1].text
    assert "member.role_changed" in text
    assert str(log) in text
    for withheld in (ADDRESS, "203.0.113", '"after":{"', '"active"'):
        assert withheld not in text


def test_cloudevents_carry_a_proof_only_where_it_is_wanted(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url, format="cloudevents", sent_fields=COMMITTED_ALONE)
    happen(acme, 1)
    turns()
    with_proof = receiver.requests[-1].json()["events"][-1]
    assert with_proof["data"]["leaf"]
    assert ADDRESS not in json.dumps(with_proof)
    with acme.acting("owner") as actor:
        update_sink(sink=sink, has_proofs=False, sent_fields=[], actor=actor)
    happen(acme, 1)
    turns()
    without = receiver.requests[-1].json()["events"][-1]
    assert without["data"].keys() == {"seq", "hash", "event"}
    assert "subject" not in without


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"sent_fields": ["colour"]}, "invalid"),
        ({"sent_fields": ["action"]}, "invalid"),
        ({"sent_fields": ["actor_label"]}, "in_leaf"),
        ({"sent_fields": [], "format": "cloudevents"}, "in_leaf"),
    ],
)
def test_what_cannot_be_kept_is_refused(acme: Tenant, receiver: Receiver, values: dict[str, Any], code: str) -> None:
    sink = webhook(acme, receiver.url)
    with acme.acting("owner") as actor, pytest.raises(DomainError) as refused:
        update_sink(sink=sink, actor=actor, **values)
    assert (refused.value.code, refused.value.field) == (code, "sent_fields")
    assert events(acme, "sink.updated") == []


def test_proofs_cannot_be_turned_on_over_a_selection_that_they_would_undo(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url, sent_fields=["actor_label"], has_proofs=False)
    with acme.acting("owner") as actor, pytest.raises(DomainError, match="turn the proofs off"):
        update_sink(sink=sink, has_proofs=True, actor=actor)


def test_every_field_is_no_selection_and_a_change_is_an_event(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url, sent_fields=[*reversed(LABELS)])
    assert sink.sent_fields is None
    with acme.acting("owner") as actor:
        update_sink(sink=sink, sent_fields=COMMITTED_ALONE, actor=actor)
    (changed,) = events(acme, "sink.updated")
    assert changed.before["sent_fields"] is None
    assert changed.after["sent_fields"] == sorted(COMMITTED_ALONE)


def test_the_form_the_page_and_the_preview_say_it(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url)
    happen(acme, 1)
    browser = signed_in(acme.owner)
    change = f"/o/acme/sinks/{sink.pk}/change/"
    assert browser.get(change).content.decode().count('name="sent_fields"') == len(LABELS)
    values = {
        "name": "Our SIEM",
        "option_url": receiver.url,
        "format": "ndjson",
        "batch_events": 500,
        "batch_bytes": 1_000_000,
        "batch_seconds": 0,
        "sent_fields": ["actor_label"],
    }
    refused = browser.post(change, values | {"has_proofs": "on"})
    assert refused.status_code == 422
    assert "turn the proofs off" in refused.content.decode()
    assert browser.post(change, values).status_code == 302
    assert "all but actor id, target type" in browser.get(f"/o/acme/sinks/{sink.pk}/").content.decode()
    preview = browser.get(f"/o/acme/sinks/{sink.pk}/preview/").content.decode()
    assert "all but actor id" in preview
    assert "actor_label" in preview
    assert "target_label" not in preview
    with acme.acting("owner") as actor:
        sink.refresh_from_db()
        tried = preview_redaction(sink=sink, rules={}, actor=actor)
    assert tried is not None
    assert "target_label" in tried[0]
    assert "target_label" not in tried[1]


def test_by_api(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url)
    path = f"/organizations/acme/sinks/{sink.pk}"
    caller = by(acme.owner)
    assert caller.get(path).json()["sent_fields"] is None
    changed = caller("PATCH", path, {"sent_fields": COMMITTED_ALONE})
    assert changed.json()["sent_fields"] == [name for name in LABELS if name in COMMITTED_ALONE]
    refused = caller("PATCH", path, {"sent_fields": []})
    assert (refused.status_code, refused.json()["code"]) == (422, "in_leaf")
    assert caller("PATCH", path, {"sent_fields": None}).json()["sent_fields"] is None
