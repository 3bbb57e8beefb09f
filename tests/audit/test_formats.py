"""The records that sinks send: every action has its place in each, and no value breaks out of its field."""

import json
import re
from typing import Any

import pytest
from django.conf import settings

from audit.catalogue import catalogue
from audit.formats import RECORD_FORMATS, TEXT_FORMATS
from audit.formats.ecs import record as ecs
from audit.models import RecordFormat
from audit.sealing.database import sealer_cursor
from audit.sealing.reading import SealedEvent, sealed_events
from audit.services.sinks import update_sink
from isolation.exceptions import DomainError
from tests.audit.sinks.stage import happen, webhook
from tests.people import Tenant

HOSTILE = 'Eve "x" \\ | = \t\r\n<script>CEF:0|\u2028'

# What ECS lists for event.type, and which of them it expects in each category used here.
ECS_TYPES = {
    "authentication": {"start", "end", "info", "denied"},
    "iam": {"user", "group", "creation", "deletion", "change", "denied"},
    "configuration": {"creation", "deletion", "change", "denied"},
}


@pytest.fixture
def sealed_event(acme: Tenant) -> SealedEvent:
    happen(acme, 1)
    with sealer_cursor() as cursor:
        *_others, last = sealed_events(cursor, acme.organization.pk, 0, 1_000)
    return last


def of(event: SealedEvent, **values: str) -> SealedEvent:
    """Return the event with other values."""
    assert event.row is not None
    return event.showing({**event.row, **values}, event.salts)


def test_the_document_has_every_action() -> None:
    document = (settings.BASE_DIR / "docs/siem/formats.md").read_text(encoding="utf-8")
    assert [action.name for action in catalogue if f"| `{action.name}` |" not in document] == []


def test_a_sink_offers_each_format() -> None:
    assert set(RecordFormat.values) == RECORD_FORMATS.keys()


@pytest.mark.parametrize("name", RECORD_FORMATS)
def test_every_action_makes_one_line(sealed_event: SealedEvent, name: str) -> None:
    for action in catalogue:
        for outcome in ("success", "denied", "failed"):
            line = RECORD_FORMATS[name].encode(of(sealed_event, action=action.name, outcome=outcome)).decode()
            assert line.endswith("\n")
            assert line.count("\n") == 1
            assert action.name in line
            if name not in TEXT_FORMATS:
                json.loads(line)


@pytest.mark.parametrize("name", RECORD_FORMATS)
def test_no_value_breaks_out_of_its_field(sealed_event: SealedEvent, name: str) -> None:
    values = dict.fromkeys(("actor_label", "target_label", "reason", "user_agent", "request_id"), HOSTILE)
    line = RECORD_FORMATS[name].encode(of(sealed_event, **values)).decode()
    assert len(line.split("\n")) == 2
    assert "\r" not in line
    if name == "cef":
        header, _, extension = line.partition("|rt=")
        assert len(re.findall(r"(?<!\\)\|", header)) == 6
        assert not re.search(r"(?<!\\)= ", extension)
    if name == "leef":
        attributes = line.rstrip("\n").split("|x09|")[1].split("\t")
        assert all(re.match(r"[A-Za-z]+=", each) for each in attributes)


def test_ecs_uses_the_types_that_belong_to_a_category(sealed_event: SealedEvent) -> None:
    for action in catalogue:
        found: Any = ecs(of(sealed_event, action=action.name, outcome="denied"))
        (category,) = found["event"]["category"]
        assert set(found["event"]["type"]) <= ECS_TYPES[category], action.name
        assert found["event"]["outcome"] == "failure"


def test_what_an_ecs_document_says(sealed_event: SealedEvent) -> None:
    found: Any = ecs(sealed_event)
    assert found["event"]["action"] == "member.role_changed"
    assert found["event"]["category"] == ["iam"]
    assert found["user"]["email"] == "ada@acme.example"
    assert found["user"]["target"]["name"] == "grace@acme.example"
    assert found["source"] == {"ip": "203.0.113.7"}
    assert found["related"]["user"] == ["ada@acme.example", "grace@acme.example"]


def test_text_goes_to_nobody_who_takes_json(acme: Tenant) -> None:
    sink = webhook(acme, "https://siem.example")
    with acme.acting("owner") as actor, pytest.raises(DomainError) as refused:
        update_sink(sink=sink, format="cef", actor=actor)
    assert refused.value.field == "format"
