"""Elasticsearch's `_bulk`, against a strict fake of our own."""

import json
from typing import Any

import pytest

from audit.models import DeadLetterState, SinkState
from audit.services.sink_delivery import replay_sink, retry_dead_letters
from audit.sinks.destinations.elasticsearch import Elasticsearch
from isolation.exceptions import DomainError
from tests.audit.sinks.fakes.base import check_complete, item, said, unpacked
from tests.audit.sinks.fakes.elasticsearch import BUSY, ElasticsearchFake, wrong
from tests.audit.sinks.receivers import Answer, Receiver
from tests.audit.sinks.stage import cursor_of, due, happen, letters_of, sealed, turns
from tests.people import Tenant


@pytest.fixture
def cluster(receiver: Receiver) -> ElasticsearchFake:
    return ElasticsearchFake(receiver)


def test_every_event_is_a_document_by_its_id(acme: Tenant, cluster: ElasticsearchFake) -> None:
    sink = cluster.sink(acme, batch_events=10)
    happen(acme, 25)
    turns()
    check_complete(cluster, acme, sink)
    document = next(iter(cluster.documents.values()))
    assert document["@timestamp"] == document["event"]["time"].replace("Z", "+00:00")
    assert document["leaf"]


def test_a_replay_makes_no_document_twice(acme: Tenant, cluster: ElasticsearchFake) -> None:
    sink = cluster.sink(acme)
    happen(acme, 10)
    turns()
    before = len(cluster.arrived)
    with acme.acting("owner") as actor:
        replay_sink(sink=sink, seq=0, actor=actor)
    turns()
    happen(acme, 0)
    turns()
    assert len(cluster.documents) == len(cluster.arrived) == sealed(acme) > before
    assert cursor_of(sink).lag_events == 0


def test_documents_that_do_not_fit_are_set_aside_with_the_reason(acme: Tenant, cluster: ElasticsearchFake) -> None:
    sink = cluster.sink(acme)
    happen(acme, 30)
    cluster.poison = {4, 17}
    turns()
    check_complete(cluster, acme, sink)
    assert len(cluster.requests()) == 1  # nothing is halved
    reason = letters_of(sink)[0].reason
    assert "status 400: document_parsing_exception: [1:200] failed to parse field" in reason
    assert 'For input string: "Viewer"' in reason
    cluster.poison = set()
    with acme.acting("owner") as actor:
        retry_dead_letters(sink=sink, letters=[letter.pk for letter in letters_of(sink)], actor=actor)
    turns()
    assert {letter.state for letter in letters_of(sink)} == {DeadLetterState.DELIVERED}
    assert sorted(cluster.numbers()) == list(range(sealed(acme)))


def test_a_mapping_that_fits_nothing_loses_nothing(acme: Tenant, cluster: ElasticsearchFake) -> None:
    sink = cluster.sink(acme)
    happen(acme, 30)
    cluster.poison = set(range(1_000))
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.next_seq) == (SinkState.BLOCKED, 0)
    assert "refuses every event" in cursor.last_error
    assert letters_of(sink) == []
    cluster.poison = set()
    due(acme)
    turns()
    check_complete(cluster, acme, sink)


def test_what_went_into_the_failure_store_is_told(acme: Tenant, cluster: ElasticsearchFake) -> None:
    sink = cluster.sink(acme)
    cluster.has_failure_store = True
    happen(acme, 10)
    cluster.poison = {3}
    turns()
    check_complete(cluster, acme, sink)
    assert "failure store" in letters_of(sink)[0].reason


@pytest.mark.parametrize(
    "told",
    [
        wrong(429, BUSY),
        wrong(503, ("unavailable_shards_exception", "primary shard is not active")),
        wrong(500, ("exception", "oops")),
        wrong(403, ("cluster_block_exception", "index [x] blocked by: [FORBIDDEN/12/index read-only]")),
        wrong(409, ("snapshot_in_progress_exception", "try later")),
        {"status": "201"},
        {},
    ],
)
def test_a_success_with_events_that_were_not_taken_is_none(
    acme: Tenant, cluster: ElasticsearchFake, told: dict[str, Any]
) -> None:
    sink = cluster.sink(acme)
    happen(acme, 9)
    cluster.failing = {5: told}
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.next_seq) == (SinkState.RETRYING, 0)
    assert "could not take 1 of" in cursor.last_error
    assert told.get("error", {}).get("type", "") in cursor.last_error
    cluster.failing = {}
    due(acme)
    turns()
    check_complete(cluster, acme, sink)


@pytest.mark.parametrize(
    ("told", "advice"),
    [
        (wrong(403, ("security_exception", "action is unauthorized")), "create_doc"),
        (wrong(404, ("index_not_found_exception", "no such index")), "Make it first"),
        (wrong(401, ("security_exception", "missing credentials")), "API key"),
    ],
)
def test_events_that_need_a_person(acme: Tenant, cluster: ElasticsearchFake, told: dict[str, Any], advice: str) -> None:
    sink = cluster.sink(acme)
    happen(acme, 3)
    cluster.failing = dict.fromkeys(range(100), told)
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.next_seq) == (SinkState.BLOCKED, 0)
    assert told["error"]["type"] in cursor.last_error
    assert advice in cursor.last_error
    assert letters_of(sink) == []


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (said(200, {"took": 1, "errors": False, "items": []}), SinkState.RETRYING),
        (said(200, {"items": [{"create": {"_id": "another", "status": 201}}] * 5}), SinkState.RETRYING),
        (said(200, {"items": [None, {}, {"create": 7}]}), SinkState.RETRYING),
        (said(200, {"tagline": "You Know, for Search"}), SinkState.BLOCKED),
        (said(200, []), SinkState.BLOCKED),
        (Answer(200, b"<html>Kibana</html>"), SinkState.RETRYING),
        (Answer(429, headers={"Retry-After": "30"}), SinkState.RETRYING),
        (Answer(503), SinkState.RETRYING),
        (said(403, {"error": {"type": "cluster_block_exception"}, "status": 403}), SinkState.RETRYING),
        (said(403, {"error": {"type": "security_exception"}, "status": 403}), SinkState.BLOCKED),
        (Answer(302, headers={"Location": "/login"}), SinkState.BLOCKED),
        (Answer(401), SinkState.BLOCKED),
        (Answer(403), SinkState.BLOCKED),
        (Answer(404), SinkState.BLOCKED),
    ],
)
def test_an_answer_about_the_whole_batch(
    acme: Tenant, cluster: ElasticsearchFake, answer: Answer, state: SinkState
) -> None:
    sink = cluster.sink(acme)
    happen(acme, 3)
    cluster.fault = lambda _request: answer
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.next_seq) == (state, 0)
    cluster.fault = lambda _request: None
    due(acme)
    turns()
    check_complete(cluster, acme, sink)


def test_a_batch_that_is_too_large_is_halved(acme: Tenant, cluster: ElasticsearchFake) -> None:
    sink = cluster.sink(acme)
    happen(acme, 60)
    cluster.largest = 10_000
    turns()
    check_complete(cluster, acme, sink)


def test_user_and_password_are_an_alternative(acme: Tenant, cluster: ElasticsearchFake) -> None:
    cluster.user = "gatehouse:not a real pässword"
    options = {"api_key": "", "username": "gatehouse", "password": "not a real pässword"}
    sink = cluster.sink(acme, options=options)
    happen(acme, 3)
    turns()
    check_complete(cluster, acme, sink)


def test_credentials_that_are_repeated_to_us_are_not_shown(acme: Tenant, cluster: ElasticsearchFake) -> None:
    cluster.user = "gatehouse:not-a-real-password"
    options = {"api_key": "", "username": "gatehouse", "password": "not-a-real-password"}
    sink = cluster.sink(acme, options=options)
    happen(acme, 1)

    def repeats(text: str) -> None:
        cluster.fault = lambda _request: Answer(503, text.encode())
        due(acme)
        turns()

    repeats("your password not-a-real-password is wrong")
    assert "your password ••• is wrong" in cursor_of(sink).last_error
    turns()
    repeats(cluster.requests()[0].headers["authorization"])
    assert "Basic •••" in cursor_of(sink).last_error


def test_records_get_a_timestamp_once(cluster: ElasticsearchFake) -> None:
    cluster.fault = lambda _request: Answer(503)
    destination = Elasticsearch(cluster.options(), item().log)
    ecs = json.dumps({"@timestamp": "2026-01-05T09:00:00Z", "seq": 1})
    talks = json.dumps({"text": 'says "@timestamp"'})
    batch = [item(text=ecs), item(text="CEF:0|Gatehouse"), item(text=talks)]
    with pytest.raises(Exception, match="503"):
        destination.send(batch)
    destination.close()
    first, second, third = (json.loads(line) for line in unpacked(cluster.requests()[0]).splitlines()[1::2])
    assert first == json.loads(ecs)
    assert second == {"@timestamp": "2026-01-05T09:00:00.123456+00:00", "message": "CEF:0|Gatehouse"}
    assert third == {"@timestamp": "2026-01-05T09:00:00.123456+00:00", "text": 'says "@timestamp"'}


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("index", {"index": "Gatehouse"}),
        ("index", {"index": "_bulk"}),
        ("index", {"index": "a/b"}),
        ("index", {"index": "a%2fb"}),
        ("api_key", {"api_key": ""}),
        ("api_key", {"username": "u", "password": "p"}),
        ("api_key", {"api_key": "two words"}),
        ("password", {"api_key": "", "username": "u"}),
        ("username", {"api_key": "", "password": "p"}),
        ("username", {"api_key": "", "username": "u:v", "password": "p"}),
        ("url", {"url": "https://search.example?pretty"}),
    ],
)
def test_settings_that_cannot_work_are_refused(
    acme: Tenant, cluster: ElasticsearchFake, field: str, values: dict[str, str]
) -> None:
    with pytest.raises(DomainError) as refused:
        cluster.sink(acme, options=values)
    assert refused.value.field == field
