"""OCSF: every action of the catalogue has its class, and what is written is what the schema wants."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from ocsf.v1_7_0 import events as schema

from audit.catalogue import Action, catalogue
from audit.formats.ocsf import encode, record
from audit.formats.ocsf_classes import kind_of
from audit.leaf import FIELDS
from audit.masking.selection import left_out, selected
from audit.sealing.reading import SealedEvent

CLASSES: dict[int, Any] = {
    3001: schema.AccountChange,
    3002: schema.Authentication,
    3004: schema.EntityManagement,
    3005: schema.UserAccess,
    3006: schema.GroupManagement,
    6003: schema.ApiActivity,
}
ACTIONS = [action.name for action in catalogue]


def event(action: str, **columns: str | None) -> SealedEvent:
    values = dict.fromkeys(FIELDS, "") | {
        "id": str(uuid4()),
        "time": "2026-01-05T09:00:00.123456Z",
        "organization_id": str(uuid4()),
        "actor_id": None,
        "project_id": None,
        "ip": None,
        "actor_kind": "user",
        "actor_label": "ada@acme.example",
        "via": "console",
        "action": action,
        "outcome": "success",
        "target_type": "member",
        "target_id": str(uuid4()),
        "target_label": "grace@acme.example",
        "before": "{}",
        "after": '{"role": "Member"}',
    }
    values |= columns
    time = int(datetime(2026, 1, 5, 9, tzinfo=UTC).timestamp()) * 1_000_000
    return SealedEvent((7, b"\1" * 32, values["id"], time, "{}", b"", True, *(values[name] for name in FIELDS)))


def checked(found: dict[str, Any]) -> Any:
    """Return the event as the schema's own model reads it: it raises for what is missing, or of the wrong type."""
    one = CLASSES[found["class_uid"]]
    # What a model does not know it takes as more: of an event and of its objects nothing may be left over.
    read = one.model_validate(found)
    assert not read.model_extra, read.model_extra
    for name in ("actor", "user", "entity", "group", "api", "metadata", "http_request", "src_endpoint"):
        inner = getattr(read, name, None)
        assert inner is None or not inner.model_extra, (name, inner.model_extra)
    return read


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_has_a_class_that_the_schema_accepts(action: str) -> None:
    kind = kind_of(action)
    assert kind is not None, f"Say in ocsf_classes.py what {action} is."
    found = record(event(action))
    assert found is not None
    checked(found)
    assert kind.activity in {each.value for each in CLASSES[kind.of.uid].ActivityId} or kind.activity == 99
    assert found["activity_id"] == kind.activity
    assert found["type_uid"] == kind.of.uid * 100 + kind.activity
    assert found["category_uid"] == kind.of.uid // 1000


@pytest.mark.parametrize("outcome", ["success", "denied", "failed"])
@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"actor_label": "", "target_label": "", "target_id": ""},  # erased
        {"actor_kind": "api_key", "actor_id": str(uuid4()), "actor_label": "gatesk_x"},
        {"ip": "203.0.113.7", "user_agent": "curl/8", "session": "s", "request_id": "r", "reason": "Why"},
        {"before": '"a text"', "after": '{"permissions": ["a", "b"], "role": {"deep": 1}}'},
        {"target_type": "organization", "organization_id": None, "project_id": str(uuid4()), "project_label": "P"},
    ],
)
@pytest.mark.parametrize(
    "action", ["member.role_changed", "user.signed_in", "api_key.created", "group.role_set", "access.denied"]
)
def test_whatever_an_event_holds_or_lacks(action: str, columns: dict[str, str | None], outcome: str) -> None:
    found = record(event(action, outcome=outcome, **columns))
    assert found is not None
    checked(found)
    assert found["status_id"] == (1 if outcome == "success" else 2)
    assert json.loads(encode(event(action, outcome=outcome, **columns)))["metadata"]["event_code"] == action


def test_what_it_says() -> None:
    found = record(event("user.sign_in_failed", outcome="failed", ip="203.0.113.7", reason="A wrong code"))
    assert found is not None
    assert (found["class_name"], found["activity_name"], found["status"]) == ("Authentication", "Logon", "Failure")
    assert found["user"]["name"] == "grace@acme.example"
    assert found["actor"]["user"]["email_addr"] == "ada@acme.example"
    assert found["src_endpoint"] == {"ip": "203.0.113.7"}
    assert found["status_detail"] == "A wrong code"
    assert found["time"] == 1_767_603_600_123
    assert found["metadata"]["sequence"] == 7
    assert found["unmapped"]["after"] == {"role": "Member"}


def test_an_action_that_this_version_does_not_know_is_an_entity_with_another_activity() -> None:
    assert kind_of("user.levitated") is None
    assert kind_of("kettle.boiled") is None
    found = record(event("kettle.boiled"))
    assert found is not None
    assert (found["class_uid"], found["activity_id"]) == (3004, 99)
    checked(found)


def test_the_test_finds_an_action_without_a_class() -> None:
    added = catalogue.add(Action("kettle.boiled", "Boiled water"))
    try:
        assert [action.name for action in catalogue if kind_of(action.name) is None] == ["kettle.boiled"]
    finally:
        catalogue._actions.pop(added.name)


def test_an_event_that_is_gone_has_no_line() -> None:
    there = event("user.signed_in")
    gone = SealedEvent((*there[:6], False, *(None for _ in FIELDS)))
    assert record(gone) is None
    assert encode(gone) == b""


@pytest.mark.parametrize("action", ACTIONS)
def test_an_event_without_any_field_that_may_be_left_out_is_one_as_well(action: str) -> None:
    found = record(selected(event(action), left_out([])))
    assert found is not None
    checked(found)
    assert "acme.example" not in json.dumps(found)
