"""Sinks by API: their settings, secrets that only go in, and what is done to delivery."""

from typing import Any

from accounts.key_format import KeyKind
from accounts.services.api_keys import create_api_key
from audit.models import DeadLetterState, Sink
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.permissions import P
from tests.accounts.api.stage import with_key
from tests.api.calls import Caller, by, fresh_key
from tests.audit.sinks.receivers import Answer, Receiver, Request
from tests.audit.sinks.stage import happen, letters_of, numbers, sealed, turns, webhook
from tests.people import Tenant

SINKS = "/organizations/acme/sinks"


def new(url: str, **values: Any) -> dict[str, Any]:
    return {"kind": "webhook", "name": "Our SIEM", "options": {"url": url}, **values}


def key_of(tenant: Tenant, *scopes: str) -> Caller:
    with tenant_scope(tenant.organization):
        issued = create_api_key(
            organization=tenant.organization,
            kind=KeyKind.ORGANIZATION,
            name="Terraform",
            scopes=scopes,
            actor=SYSTEM,
        )
    return with_key(issued.secret)


def test_another_organization_finds_none_of_it(acme: Tenant, globex: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url)
    stranger = by(globex.owner)
    assert stranger.get(f"{SINKS}/{sink.pk}").status_code == 404
    own = f"/organizations/globex/sinks/{sink.pk}"
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/dead-letters"), ("GET", "/preview")):
        assert stranger(method, own + path, {} if method == "PATCH" else None).status_code == 404, path
    for path in ("/test", "/pause", "/resume", "/try-now", "/rotate-secret"):
        assert stranger.post(own + path).status_code == 404, path
    assert stranger.post(f"{own}/replay", {"seq": 0}).status_code == 404
    assert stranger.get("/organizations/globex/sinks").json()["data"] == []
    assert receiver.requests == []


def test_a_sink_is_made_and_its_secret_is_in_that_answer_alone(acme: Tenant, receiver: Receiver) -> None:
    caller = by(acme.owner)
    key = fresh_key()
    values = new(receiver.url, from_beginning=True, batch_seconds=0)
    made = caller.post(SINKS, values, idempotency_key=key)
    assert made.status_code == 201, made.content
    body = made.json()
    assert body["secret"].startswith("whsec_")
    assert body["public_key"].startswith("whpk_")
    assert body["has_secrets"] is True
    assert made["Location"].endswith(body["id"])
    assert (
        caller.post(SINKS, new(receiver.url, from_beginning=True, batch_seconds=0), idempotency_key=key).json() == body
    )
    assert caller.post(SINKS, new(receiver.url)).json()["code"] == "taken"
    shown = caller.get(f"{SINKS}/{body['id']}")
    assert body["secret"] not in shown.content.decode()
    assert body["secret"] not in caller.get(SINKS).content.decode()
    happen(acme, 3)
    turns()
    health = caller.get(f"{SINKS}/{body['id']}").json()["health"]
    assert (health["state"], health["next_seq"], health["lag_events"]) == ("up_to_date", sealed(acme), 0)
    assert caller.get(f"{SINKS}/{body['id']}")["ETag"] == shown["ETag"]  # health is no part of it


def test_an_error_names_its_place(acme: Tenant, receiver: Receiver) -> None:
    caller = by(acme.owner)
    for values, pointer in (
        (new("ftp://x"), "#/options/url"),
        (new(receiver.url, options={"url": receiver.url, "a/b~c": "x"}), "#/options/a~1b~0c"),
        (new(receiver.url, options={"url": receiver.url, "secret": 7}), "#/options/secret"),
        (new(receiver.url, kind="pigeon"), "#/kind"),
        (new(receiver.url, query="time:7d"), "#/query"),
        (new(receiver.url, batch_events=501), "#/batch_events"),
        (new(receiver.url, name=" "), "#/name"),
    ):
        answer = caller.post(SINKS, values)
        assert answer.status_code == 422, values
        assert answer.json()["errors"][0]["pointer"] == pointer


def test_a_sink_takes_two_permissions(acme: Tenant, receiver: Receiver) -> None:
    for scopes, status in (
        ([P.SINKS_READ], 403),
        ([P.SINKS_MANAGE], 403),
        ([P.AUDIT_LOG_EXPORT], 403),
        ([P.SINKS_MANAGE, P.AUDIT_LOG_EXPORT], 201),
    ):
        assert key_of(acme, *scopes).post(SINKS, new(receiver.url)).status_code == status, scopes


def test_settings_change_and_secrets_are_not_sent_elsewhere(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url)
    caller, address = by(acme.owner), f"{SINKS}/{sink.pk}"
    etag = caller.get(address)["ETag"]
    changed = caller("PATCH", address, {"query": "outcome:denied", "options": {"proxy": ""}}, if_match=etag)
    assert changed.status_code == 200
    assert changed.json()["query"] == "outcome:denied"
    assert caller("PATCH", address, {"query": ""}, if_match=etag).status_code == 412
    assert caller("PATCH", address, {"kind": "other"}).status_code == 422
    assert caller("PATCH", address, {}).status_code == 200


def test_what_is_done_to_delivery(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 5)
    turns()
    caller, address = by(acme.owner), f"{SINKS}/{sink.pk}"
    assert caller.post(f"{address}/test").json() == {"accepted": True, "answer": ""}
    receiver.rule = lambda _request: Answer(401)
    refused = caller.post(f"{address}/test").json()
    assert refused["accepted"] is False
    assert "status 401" in refused["answer"]
    receiver.rule = lambda _request: Answer()
    assert caller.post(f"{address}/pause").json()["health"]["state"] == "paused"
    assert caller.post(f"{address}/resume").json()["is_active"] is True
    assert caller.post(f"{address}/try-now").status_code == 200
    assert caller.post(f"{address}/replay", {"seq": 1}).json() == {"events": sealed(acme) - 1}
    assert caller.post(f"{address}/replay", {}).status_code == 422
    assert caller.post(f"{address}/replay", {"seq": 10_000}).json()["errors"][0]["pointer"] == "#/seq"
    first = caller.post(f"{address}/rotate-secret").json()["secret"]
    with tenant_scope(acme.organization):
        assert Sink.objects.get().revealed()["secret"] == first
    seq = caller.get(f"{address}/preview").json()["seq"]
    assert seq < sealed(acme)
    assert caller("DELETE", address).status_code == 204
    assert caller.get(address).status_code == 404


def test_refused_events_by_api(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 30)

    def rule(request: Request) -> Answer:
        return Answer(400 if {7, 8, 9} & set(numbers([request.json()])) else 200)

    receiver.rule = rule
    turns()
    caller, address = by(acme.owner), f"{SINKS}/{sink.pk}/dead-letters"
    rows = caller.get(address).json()["data"]
    assert sorted(row["seq"] for row in rows) == [7, 8, 9]
    assert {row["state"] for row in rows} == {"open"}
    ids = {row["seq"]: row["id"] for row in rows}
    receiver.rule = lambda _request: Answer()
    assert caller.post(f"{address}/retry", {"ids": [ids[7]]}).json() == {"events": 1}
    assert caller.post(f"{address}/dismiss", {"ids": [ids[8]]}).json() == {"events": 1}
    turns()
    assert [row["seq"] for row in caller.get(f"{address}?state=delivered").json()["data"]] == [7]
    assert caller.post(f"{address}/dismiss", {}).status_code == 422
    assert caller.post(f"{address}/dismiss", {"ids": [ids[9]], "everything": True}).status_code == 422
    assert caller.post(f"{address}/dismiss", {"everything": True}).json() == {"events": 1}
    assert [letter.state for letter in letters_of(sink)] == [
        DeadLetterState.DELIVERED,
        DeadLetterState.DISMISSED,
        DeadLetterState.DISMISSED,
    ]


def test_a_form_can_be_built_from_the_destinations(acme: Tenant) -> None:
    found = {row["kind"]: row for row in by(acme.owner).get("/organizations/acme/sink-destinations").json()["data"]}
    options = {option["name"]: option for option in found["webhook"]["options"]}
    assert options["url"]["is_required"] is True
    assert options["secret"]["is_secret"] is True
    assert found["webhook"]["missing"] == ""
    assert "delivered" in found["webhook"]["guarantee"]


def test_the_list_costs_the_same_for_many(acme: Tenant, receiver: Receiver, django_assert_max_num_queries: Any) -> None:
    for number in range(10):
        webhook(acme, receiver.url, name=f"SIEM {number}")
    caller = by(acme.owner)
    with django_assert_max_num_queries(20):
        assert len(caller.get(SINKS).json()["data"]) == 10
