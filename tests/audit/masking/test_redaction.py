"""Redaction: what leaves has lost what was to be withheld, and is proven all the same."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from audit.services.redaction import set_redaction
from audit.services.sinks import update_sink
from audit.verifier import gatehouse_verify
from isolation.exceptions import DomainError, MissingPermission
from tests.api.calls import by
from tests.audit.sinks.receivers import Receiver
from tests.audit.sinks.stage import happen, turns, webhook
from tests.people import Tenant
from tests.tenants.stage import events

ADDRESS = "ada@acme.example"


def sent(receiver: Receiver) -> list[dict[str, Any]]:
    """Return the records that a receiver has."""
    return [record for request in receiver.requests for record in request.json()["events"]]


def samples(receiver: Receiver) -> list[dict[str, Any]]:
    """Return those of the events that the tests let happen."""
    return [record for record in sent(receiver) if record["event"]["action"] == "member.role_changed"]


def redact(tenant: Tenant, **rules: dict[str, str]) -> None:
    with tenant.acting("owner") as actor:
        set_redaction(organization_id=tenant.organization.pk, rules=rules, actor=actor)


def test_a_stranger_s_redaction_does_not_touch_ours_and_only_who_manages_sinks_sets_it(
    acme: Tenant, globex: Tenant, stranger: User, receiver: Receiver
) -> None:
    redact(globex, fields={"actor_label": "drop"})
    webhook(acme, receiver.url)
    happen(acme, 1)
    turns()
    assert samples(receiver)[0]["event"]["actor_label"] == ADDRESS
    for who in ("member", "viewer", "auditor", "none"):
        with acme.acting(who) as actor, pytest.raises(MissingPermission):
            set_redaction(organization_id=acme.organization.pk, rules={}, actor=actor)


def test_fields_are_dropped_masked_and_hashed(acme: Tenant, receiver: Receiver) -> None:
    redact(acme, fields={"target_label": "drop", "ip": "mask", "actor_label": "hash", "changes": "mask"})
    webhook(acme, receiver.url)
    happen(acme, 2)
    turns()
    first, second = samples(receiver)
    assert first["event"]["target_label"] == ""
    assert first["event"]["ip"] == "203.0.113.0"
    assert len(first["event"]["actor_label"]) == 32
    assert first["event"]["actor_label"] == second["event"]["actor_label"]
    assert first["event"]["after"] == {"role": "[redacted]", "active": True}
    assert ADDRESS not in json.dumps(sent(receiver))
    assert first["openings"].keys() & {"target_label", "ip", "actor_label", "after.role"} == set()


def test_hashes_of_two_organizations_cannot_be_compared(acme: Tenant, globex: Tenant, receiver: Receiver) -> None:
    for tenant in (acme, globex):
        redact(tenant, fields={"actor_label": "hash"})
        webhook(tenant, receiver.url)
        happen(tenant, 1)
    turns()
    assert len({record["event"]["actor_label"] for record in samples(receiver)}) == 2


def test_detectors_replace_what_they_find_in_texts(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url)
    with acme.acting("owner") as actor:
        update_sink(sink=sink, redaction={"detectors": {"email": "hash"}}, actor=actor)
    happen(acme, 1)
    turns()
    label = samples(receiver)[0]["event"]["actor_label"]
    assert label.startswith("[email:")
    assert "actor_label" not in samples(receiver)[0]["openings"]
    assert "after.role" in samples(receiver)[0]["openings"]


def test_a_sink_withholds_more_than_its_organization_and_never_less(acme: Tenant, receiver: Receiver) -> None:
    redact(acme, fields={"ip": "drop"})
    webhook(acme, receiver.url, redaction={"fields": {"actor_label": "mask"}})
    happen(acme, 1)
    turns()
    event = samples(receiver)[0]["event"]
    assert event["ip"] is None
    assert event["actor_label"] == "a***@acme.example"


def test_what_is_pulled_is_redacted_as_well(acme: Tenant) -> None:
    redact(acme, fields={"actor_label": "mask", "ip": "drop"})
    happen(acme, 1)
    lines = by(acme.auditor).get("/organizations/acme/audit/events").content.decode()
    assert ADDRESS not in lines
    assert "203.0.113.7" not in lines


def test_a_redacted_copy_is_proven_and_a_change_of_it_is_found(
    acme: Tenant, receiver: Receiver, tmp_path: Path
) -> None:
    redact(
        acme,
        fields={"ip": "mask", "user_agent": "drop", "changes": "hash"},
        detectors={"email": "mask", "secret": "drop"},
    )
    webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 20)
    turns()
    keys = by(acme.auditor).get("/organizations/acme/audit/checkpoint").json()["keys"]
    rows = sent(receiver)
    rows[0]["keys"] = keys
    copy = tmp_path / "copy.ndjson"

    def verify() -> "subprocess.CompletedProcess[str]":
        copy.write_text("".join(json.dumps(row) + "\n" for row in rows))
        command = [sys.executable, str(gatehouse_verify.__file__), str(copy)]
        return subprocess.run(command, capture_output=True, check=False, text=True)

    told = verify()
    assert told.returncode == 0, told.stdout
    rows[-1]["event"]["outcome"] = "denied"
    assert verify().returncode == 1


@pytest.mark.parametrize(
    "rules",
    [
        {"fields": {"action": "drop"}},
        {"fields": {"ip": "erase"}},
        {"detectors": {"colour": "mask"}},
        {"detectors": ["email"]},
        {"colours": {}},
    ],
)
def test_what_cannot_be_meant_is_refused_and_changes_nothing(acme: Tenant, rules: dict[str, Any]) -> None:
    with acme.acting("owner") as actor, pytest.raises(DomainError):
        set_redaction(organization_id=acme.organization.pk, rules=rules, actor=actor)
    assert events(acme, "redaction.changed") == []


def test_its_change_is_an_event_without_the_key(acme: Tenant) -> None:
    redact(acme, fields={"ip": "drop"})
    made, changed = events(acme, "redaction.changed")
    assert made.after["key"] == "[redacted]"
    assert "drop" in str(changed.after["rules"])
