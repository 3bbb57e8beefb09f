"""Presidio as a detector: what it finds does not leave, and nothing leaves where it should look and cannot."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import spacy

from accounts.models import User
from audit.masking import presidio
from audit.masking.presidio import EMPTY, LONGEST, PRESIDIO, DetectorMissing, installed_model
from audit.masking.rules import KNOWN, Rules, rules_of
from audit.models import SinkState
from audit.services.redaction import set_redaction
from isolation.exceptions import DomainError
from tests.api.calls import by
from tests.audit.masking.test_redaction import redact, samples
from tests.audit.sealing.stage import write, writer
from tests.audit.sinks.receivers import Receiver
from tests.audit.sinks.stage import cursor_of, due, happen, turns, webhook
from tests.people import Tenant, signed_in

REASON = "Ada Lovelace of London asked, NHS 401-023-2137, by ada@acme.example"


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    """Let each test have its own model."""
    yield
    presidio._engine.cache_clear()
    presidio._finds.cache_clear()


@pytest.fixture
def model(settings: Any, tmp_path: Path) -> Path:
    """Name a model that knows two names; a trained one is read in the same way."""
    language = spacy.blank("en")
    ruler: Any = language.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PERSON", "pattern": "Ada Lovelace"}, {"label": "GPE", "pattern": "London"}])
    path = tmp_path / "model"
    language.to_disk(path)
    settings.PRESIDIO_MODEL = installed_model(str(path))
    return path


@pytest.fixture
def no_presidio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presidio, "find_spec", lambda _name: None)


def happened(tenant: Tenant, reason: str) -> None:
    with writer() as connection:
        write(connection, tenant.organization.pk, reason)
    happen(tenant, 0)


def shown(text: str, **methods: str) -> str | None:
    return rules_of({"detectors": methods}, b"key").text("reason", text)


def test_a_stranger_s_redaction_does_not_touch_ours(
    acme: Tenant, globex: Tenant, stranger: User, model: Path, receiver: Receiver
) -> None:
    redact(globex, detectors={"presidio": "mask"})
    webhook(acme, receiver.url)
    happened(acme, REASON)
    turns()
    assert samples(receiver)[0]["event"]["reason"] == REASON


def test_names_and_places_do_not_leave(acme: Tenant, model: Path, receiver: Receiver) -> None:
    redact(acme, detectors={"presidio": "mask", "email": "mask"})
    webhook(acme, receiver.url)
    happened(acme, REASON)
    turns()
    (record,) = samples(receiver)
    assert record["event"]["reason"] == "[presidio] of [presidio] asked, NHS [presidio], by [email]"
    assert "reason" not in record["openings"]
    assert "Lovelace" not in json.dumps(record)


def test_without_a_model_only_what_has_a_pattern_is_found(settings: Any) -> None:
    assert settings.PRESIDIO_MODEL == EMPTY
    assert shown(REASON, presidio="mask") == REASON.replace("401-023-2137", "[presidio]")
    assert shown("nobody", presidio="mask") == "nobody"
    assert shown(" \n", presidio="drop") == " \n"


def test_a_hash_is_the_same_each_time(model: Path) -> None:
    text = "Ada Lovelace, and Ada Lovelace again"
    found = shown(text, presidio="hash") or ""
    first, second = (part.partition("]")[0] for part in found.split("[presidio:")[1:])
    assert first == second
    assert "Lovelace" not in found


def test_of_a_find_that_another_detector_has_in_part_the_rest_goes_as_well(settings: Any, tmp_path: Path) -> None:
    language = spacy.blank("en")
    ruler: Any = language.add_pipe("entity_ruler")
    ruler.add_patterns(
        [{"label": "PERSON", "pattern": [{"LOWER": "ada"}, {"TEXT": {"REGEX": "@"}}, {"LOWER": "lovelace"}]}]
    )
    language.to_disk(tmp_path / "model")
    settings.PRESIDIO_MODEL = str(tmp_path / "model")
    found = shown("Ada ada@acme.example Lovelace called", presidio="mask", email="mask")
    assert found == "[presidio][email][presidio] called"


def test_a_text_that_is_too_long_to_look_into_is_withheld_whole(settings: Any) -> None:
    assert shown("x" * (LONGEST + 1), presidio="mask") == "[presidio]"


def test_where_it_is_missing_it_cannot_be_set_and_the_console_says_why(acme: Tenant, no_presidio: None) -> None:
    with acme.acting("owner") as actor, pytest.raises(DomainError, match="extra presidio") as refused:
        set_redaction(organization_id=acme.organization.pk, rules={"detectors": {"presidio": "mask"}}, actor=actor)
    assert refused.value.code == "missing"
    page = signed_in(acme.owner).get("/o/acme/sinks/redaction/").content.decode()
    assert "has to install Gatehouse with the extra presidio" in page
    answer = by(acme.owner)("PUT", "/organizations/acme/redaction", {"detectors": {"presidio": "mask"}})
    assert (answer.status_code, answer.json()["code"]) == (422, "missing")


def test_where_it_goes_missing_nothing_leaves_until_it_is_back_or_taken_out(
    acme: Tenant, settings: Any, model: Path, receiver: Receiver
) -> None:
    sink = webhook(acme, receiver.url)
    redact(acme, detectors={"presidio": "mask"})
    turns()
    receiver.requests.clear()
    presidio._finds.cache_clear()
    presidio._engine.cache_clear()
    settings.PRESIDIO_MODEL = str(model / "gone")
    happened(acme, REASON)
    due(acme)
    turns()
    assert receiver.requests == []
    cursor = cursor_of(sink)
    assert cursor.state == SinkState.BLOCKED
    assert "Presidio cannot be used" in cursor.last_error
    pulled = by(acme.auditor).get("/organizations/acme/audit/events")
    assert pulled.status_code == 422
    assert b"Lovelace" not in pulled.content
    preview = signed_in(acme.owner).get(f"/o/acme/sinks/{sink.pk}/preview/").content.decode()
    assert "Presidio cannot be used" in preview
    assert "Lovelace" not in preview
    settings.PRESIDIO_MODEL = str(model)
    due(acme)
    turns()
    assert "Lovelace" not in json.dumps([request.json() for request in receiver.requests])
    assert cursor_of(sink).lag_events == 0


def test_what_was_set_can_be_taken_out_where_it_is_missing(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    redact(acme, detectors={"presidio": "mask"})
    monkeypatch.setattr(presidio, "find_spec", lambda _name: None)
    browser = signed_in(acme.owner)
    kept = browser.post("/o/acme/sinks/redaction/", {"detector_presidio": "mask"})
    assert kept.status_code == 422
    assert browser.post("/o/acme/sinks/redaction/", {"detector_presidio": ""}).status_code == 302


@pytest.mark.parametrize(
    "name", ["en_core_web_lg", "json.tool", "../etc", "/nowhere/model", "blank:klingon", "blank:../x"]
)
def test_a_model_that_is_not_here_is_refused_at_the_start(name: str) -> None:
    with pytest.raises(ValueError, match="nothing is downloaded"):
        installed_model(name)


def test_models_that_are_here(model: Path) -> None:
    assert installed_model("") == EMPTY
    assert installed_model("blank:de") == "blank:de"
    assert installed_model(str(model)) == str(model)


def test_a_model_without_presidio_is_refused_at_the_start(no_presidio: None) -> None:
    assert installed_model("") == EMPTY
    with pytest.raises(ValueError, match="extra presidio"):
        installed_model("blank:en")


def test_an_engine_that_breaks_is_no_find_of_nothing(settings: Any) -> None:
    settings.PRESIDIO_MODEL = "blank:klingon"
    with pytest.raises(DetectorMissing):
        shown(REASON, presidio="mask")
    assert Rules(detectors={}).text("reason", REASON) == REASON
    assert KNOWN["presidio"] is PRESIDIO
