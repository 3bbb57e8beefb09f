"""The pages of sinks: who opens them, what they show and hide, what their buttons do."""

from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import conditional_escape

from audit.masking.selection import LABELS
from audit.models import DeadLetter, DeadLetterState, Sink, SinkCursor
from audit.services.sinks import set_sink_active
from audit.sinks.registry import DESTINATIONS
from isolation.scope import tenant_scope
from tests.audit.sinks.receivers import Answer, Receiver, Request
from tests.audit.sinks.stage import cursor_of, happen, letters_of, numbers, sealed, turns, webhook
from tests.people import Tenant, signed_in
from tests.sso.test_fresh_sign_in import stale
from tests.tenants.stage import events

PAGES = ("", "change/", "replay/", "secret/", "remove/", "refused/", "preview/", "state/")
ACTS = ("test/", "pause/", "resume/", "try/")
COMMON = {
    "format": "ndjson",
    "sent_fields": [*LABELS],
    "has_proofs": "on",
    "batch_events": 500,
    "batch_bytes": 1_000_000,
    "batch_seconds": 0,
}


def filled(url: str, **values: Any) -> dict[str, Any]:
    """Return a form of a webhook as it is sent."""
    return {"name": "Our SIEM", "option_url": url, "start": "now", **COMMON, **values}


def only(tenant: Tenant) -> Sink:
    with tenant_scope(tenant.organization):
        found: Sink = Sink.objects.get()
        return found


def refused_three(acme: Tenant, receiver: Receiver) -> Sink:
    """Return a sink whose receiver refused three events."""
    sink = webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 30)

    def rule(request: Request) -> Answer:
        return Answer(400 if {7, 8, 9} & set(numbers([request.json()])) else 200, b"field too long")

    receiver.rule = rule
    turns()
    assert len(letters_of(sink)) == 3
    return sink


def test_a_stranger_finds_nothing_of_it(acme: Tenant, globex: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url, name="Acme SIEM")
    elsewhere = signed_in(globex.owner)
    for page in (*PAGES, *ACTS):
        for path in (f"/o/acme/sinks/{sink.pk}/{page}", f"/o/globex/sinks/{sink.pk}/{page}"):
            for method in (elsewhere.get, elsewhere.post):
                response = method(path)
                assert response.status_code in {404, 405}, path
                assert b"Acme SIEM" not in response.content
    assert b"Acme SIEM" not in elsewhere.get("/o/globex/sinks/").content
    assert only(acme).is_active
    assert receiver.requests == []


@pytest.mark.parametrize("who", ["member", "viewer", "auditor", "none"])
def test_who_may_not_see_sinks_is_refused(acme: Tenant, receiver: Receiver, who: str) -> None:
    sink = webhook(acme, receiver.url)
    browser = signed_in(acme.people[who])
    assert browser.get("/o/acme/sinks/").status_code == 403
    for page in (*PAGES, *ACTS):
        assert browser.post(f"/o/acme/sinks/{sink.pk}/{page}").status_code == 403, page
    assert only(acme).is_active


def test_changes_take_a_fresh_sign_in(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url)
    browser = stale(acme.owner)
    assert browser.get(f"/o/acme/sinks/{sink.pk}/").status_code == 200
    for page in ("change/", "replay/", "secret/", "remove/"):
        assert browser.get(f"/o/acme/sinks/{sink.pk}/{page}").status_code in {302, 403}, page
    browser.post(f"/o/acme/sinks/{sink.pk}/pause/")
    assert only(acme).is_active


def test_nothing_yet(acme: Tenant) -> None:
    shown = signed_in(acme.owner).get("/o/acme/sinks/").content.decode()
    assert "No sinks yet" in shown
    assert "/o/acme/sinks/new/" in shown


def test_a_sink_is_added_and_its_secret_shown_once(acme: Tenant, receiver: Receiver) -> None:
    browser = signed_in(acme.owner)
    assert "Webhook" in browser.get("/o/acme/sinks/new/").content.decode()
    assert "Where batches are posted to." in browser.get("/o/acme/sinks/new/webhook/").content.decode()
    added = browser.post("/o/acme/sinks/new/webhook/", filled(receiver.url, start="beginning"))
    assert added.status_code == 200
    assert "no-store" in added["Cache-Control"]
    sink = only(acme)
    with tenant_scope(acme.organization):
        secret = sink.revealed()["secret"]
    assert secret in added.content.decode()
    for page in PAGES:
        assert secret not in browser.get(f"/o/acme/sinks/{sink.pk}/{page}").content.decode(), page
    happen(acme, 2)
    turns()
    assert numbers(request.json() for request in receiver.requests) == list(range(sealed(acme)))


def test_a_secret_that_was_typed_in_is_never_rendered_back(acme: Tenant, receiver: Receiver) -> None:
    browser = signed_in(acme.owner)
    typed = "whsec_" + "QUJD" * 10
    key = "-----BEGIN PRIVATE KEY-----\nTYPED\n-----END PRIVATE KEY-----"
    values = filled("ftp://wrong", option_secret=typed, option_client_key=key)
    refused = browser.post("/o/acme/sinks/new/webhook/", values)
    assert refused.status_code == 422
    assert typed not in refused.content.decode()
    assert "TYPED" not in refused.content.decode()
    added = browser.post("/o/acme/sinks/new/webhook/", filled(receiver.url, option_secret=typed))
    assert added.status_code == 302  # nothing to show: they know it
    change = browser.get(f"/o/acme/sinks/{only(acme).pk}/change/").content.decode()
    assert typed not in change
    assert "leave it empty to keep it" in change


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("option_url", "ftp://x", "https://"),
        ("option_url", "", "required"),
        ("name", "", "required"),
        ("query", "nonsense:1", "nonsense"),
        ("batch_events", 501, "1 to 500 events"),
        ("option_secret", "short", "24 to 64 bytes"),
        ("option_authorities", "none", "PEM"),
    ],
)
def test_what_is_refused_is_said_at_its_field(
    acme: Tenant, receiver: Receiver, field: str, value: Any, text: str
) -> None:
    response = signed_in(acme.owner).post("/o/acme/sinks/new/webhook/", filled(receiver.url, **{field: value}))
    assert response.status_code == 422
    form = response.context["form"]
    assert list(form.errors) == [field], form.errors
    assert text in str(form.errors[field])
    with tenant_scope(acme.organization):
        assert not Sink.objects.exists()


def test_a_name_is_taken_once(acme: Tenant, receiver: Receiver) -> None:
    webhook(acme, receiver.url)
    response = signed_in(acme.owner).post("/o/acme/sinks/new/webhook/", filled(receiver.url, name="our siem"))
    assert "already" in str(response.context["form"].errors["name"])


def test_a_destination_that_is_none_or_not_for_tenants_is_not_found(acme: Tenant) -> None:
    assert signed_in(acme.owner).get("/o/acme/sinks/new/pigeon/").status_code == 404


def test_a_destination_that_lacks_something_says_what(
    acme: Tenant, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit.sinks.destinations.webhook import Webhook  # noqa: PLC0415 - a class to bend

    monkeypatch.setattr(Webhook, "missing", classmethod(lambda cls: "Install gatehouse[pigeons] first."))
    browser = signed_in(acme.owner)
    assert "gatehouse[pigeons]" in browser.get("/o/acme/sinks/new/").content.decode()
    assert "gatehouse[pigeons]" in browser.get("/o/acme/sinks/new/webhook/").content.decode()
    refused = browser.post("/o/acme/sinks/new/webhook/", filled(receiver.url))
    assert "gatehouse[pigeons]" in refused.content.decode()
    with tenant_scope(acme.organization):
        assert not Sink.objects.exists()


def test_health_is_what_was_acknowledged(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 4)
    receiver.rule = lambda _request: Answer(401, b"who are you?")
    turns()
    browser = signed_in(acme.owner)
    shown = browser.get(f"/o/acme/sinks/{sink.pk}/").content.decode()
    assert "Needs you" in shown
    assert "status 401: “who are you?”. Check the address and the secret." in shown
    assert f"0 of {sealed(acme)} events" in shown
    assert "data-moving" in browser.get(f"/o/acme/sinks/{sink.pk}/state/").content.decode()
    assert "Needs you" in browser.get("/o/acme/sinks/").content.decode()
    receiver.rule = lambda _request: Answer()
    browser.post(f"/o/acme/sinks/{sink.pk}/try/")
    turns()
    state = browser.get(f"/o/acme/sinks/{sink.pk}/state/").content.decode()
    assert "Up to date" in state
    assert "data-moving" not in state
    assert "data-sink-state" in state


def test_a_worker_that_is_not_there_is_noticed(acme: Tenant, receiver: Receiver, superuser) -> None:
    sink = webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 1)
    superuser.execute("SET session_replication_role = replica")
    superuser.execute("UPDATE audit_sink SET created_at = now() - interval '1 day'")
    superuser.execute("UPDATE audit_sinkcursor SET waiting_since = now() - interval '1 hour', head = 5")
    superuser.execute("SET session_replication_role = origin")
    assert "Nobody delivers" in signed_in(acme.owner).get(f"/o/acme/sinks/{sink.pk}/").content.decode()


def test_the_buttons(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url)
    browser = signed_in(acme.owner)
    address = f"/o/acme/sinks/{sink.pk}/"
    assert browser.get(f"{address}test/").status_code == 405
    told = browser.post(f"{address}test/", follow=True).content.decode()
    assert "accepted the test event" in told
    receiver.rule = lambda _request: Answer(403, b"go away")
    told = browser.post(f"{address}test/", follow=True).content.decode()
    assert "not accepted" in told
    assert "go away" in told
    browser.post(f"{address}pause/")
    assert not only(acme).is_active
    assert "Resume" in browser.get(address).content.decode()
    browser.post(f"{address}resume/")
    assert only(acme).is_active
    assert next(event.after["answer"] for event in events(acme, "sink.tested")) == "accepted"


def test_replay_says_how_many_before_it_does_it(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 10)
    turns()
    receiver.requests.clear()
    browser = signed_in(acme.owner)
    address = f"/o/acme/sinks/{sink.pk}/replay/"
    head = sealed(acme)
    asked = browser.post(address, {"seq": "4", "since": ""})
    assert f"{head - 4} events" in " ".join(asked.content.decode().split()).replace("<strong>", "").replace(
        "</strong>", ""
    )
    assert cursor_of(sink).next_seq == head
    browser.post(address, {"seq": "4", "since": "", "confirmed": "yes"})
    turns()
    assert numbers(request.json() for request in receiver.requests)[: head - 4] == list(range(4, head))
    for values in ({}, {"seq": "1", "since": "2026-01-01T00:00"}, {"seq": "999999"}, {"seq": "-1"}, {"since": "x"}):
        assert browser.post(address, values).status_code == 422, values


def test_the_secret_is_changed_and_shown_once(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url)
    browser = signed_in(acme.owner)
    with tenant_scope(acme.organization):
        old = only(acme).revealed()["secret"]
    answer = browser.post(f"/o/acme/sinks/{sink.pk}/secret/").content.decode()
    with tenant_scope(acme.organization):
        new = only(acme).revealed()["secret"]
    assert new != old
    assert new in answer
    assert old not in answer


def test_settings_are_changed_and_secrets_stay(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url)
    with tenant_scope(acme.organization):
        before = only(acme).revealed()
    browser = signed_in(acme.owner)
    values = filled(receiver.url, name="Renamed", query="outcome:denied", batch_events=7)
    assert browser.post(f"/o/acme/sinks/{sink.pk}/change/", values).status_code == 302
    changed = only(acme)
    assert (changed.name, changed.query, changed.batch_events) == ("Renamed", "outcome:denied", 7)
    with tenant_scope(acme.organization):
        assert changed.revealed() == before
    assert browser.post(f"/o/acme/sinks/{sink.pk}/change/", filled(receiver.url, name="")).status_code == 422


def test_it_is_removed_by_its_typed_name(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url)
    browser = signed_in(acme.owner)
    assert browser.post(f"/o/acme/sinks/{sink.pk}/remove/", {"typed_confirmation": "other"}).status_code == 422
    assert browser.post(f"/o/acme/sinks/{sink.pk}/remove/", {"typed_confirmation": "Our SIEM"}).status_code == 302
    with tenant_scope(acme.organization):
        assert not Sink.objects.exists()
        assert not SinkCursor.objects.exists()


def test_refused_events_are_listed_sent_again_and_dismissed(acme: Tenant, receiver: Receiver) -> None:
    sink = refused_three(acme, receiver)
    browser = signed_in(acme.owner)
    address = f"/o/acme/sinks/{sink.pk}/refused/"
    shown = browser.get(address).content.decode()
    first, second, _third = letters_of(sink)
    assert "field too long" in shown
    assert f"/o/acme/audit/{first.event_id}/" in shown
    assert "3 events" in " ".join(browser.get(f"/o/acme/sinks/{sink.pk}/").content.decode().split())
    receiver.rule = lambda _request: Answer()
    browser.post(address, {"do": "retry-chosen", "letter": [str(first.pk), "nonsense", str(UUID(int=5))]})
    browser.post(address, {"do": "dismiss-chosen", "letter": [str(second.pk)]})
    assert "Choose events first." in browser.post(address, {"do": "retry-chosen"}, follow=True).content.decode()
    turns()
    states = {letter.seq: letter.state for letter in letters_of(sink)}
    assert states == {7: DeadLetterState.DELIVERED, 8: DeadLetterState.DISMISSED, 9: DeadLetterState.OPEN}
    browser.post(address, {"do": "dismiss-all"})
    assert "Nothing is set aside" in browser.get(address).content.decode()
    assert "Dismissed" in browser.get(f"{address}?state=all").content.decode()


def test_who_only_reads_settles_nothing(acme: Tenant, receiver: Receiver) -> None:
    from tests.tenants.stage import custom_role, join  # noqa: PLC0415 - for this test

    sink = refused_three(acme, receiver)
    with tenant_scope(acme.organization):
        reader = join(acme, "reader", custom_role(acme, "Sink readers", ["sinks:read"])).user
    browser = signed_in(reader)
    address = f"/o/acme/sinks/{sink.pk}/refused/"
    assert "dismiss-all" not in browser.get(address).content.decode()
    assert browser.post(address, {"do": "dismiss-all"}).status_code == 403
    assert {letter.state for letter in letters_of(sink)} == {DeadLetterState.OPEN}
    assert browser.get(f"/o/acme/sinks/{sink.pk}/preview/").status_code == 403  # it shows an event
    page = browser.get(f"/o/acme/sinks/{sink.pk}/").content.decode()
    assert "Send test event" not in page
    assert browser.get("/o/acme/sinks/new/").status_code == 403


def test_refused_events_are_paged_by_keyset(acme: Tenant, receiver: Receiver, django_assert_max_num_queries) -> None:
    sink = webhook(acme, receiver.url)
    organization_id = acme.organization.pk
    with tenant_scope(acme.organization):
        DeadLetter.objects.bulk_create(
            DeadLetter(
                organization_id=organization_id,
                sink=sink,
                log=organization_id,
                seq=seq,
                event_id=UUID(int=seq + 1),
                action="member.invited",
                reason="no",
            )
            for seq in range(120)
        )
    browser: Client = signed_in(acme.owner)
    address, seen = f"/o/acme/sinks/{sink.pk}/refused/", list[int]()
    following = address
    while following:
        with django_assert_max_num_queries(30):
            response = browser.get(following)
        seen += [letter.seq for letter in response.context["letters"]]
        following = address + response.context["older_url"] if response.context["older_url"] else ""
    assert sorted(seen) == list(range(120))
    assert browser.get(f"{address}?cursor=nonsense").status_code == 200


def test_the_preview_is_what_is_sent(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 3)
    turns()
    sent = receiver.requests[-1].json()["events"][-1]
    item = signed_in(acme.owner).get(f"/o/acme/sinks/{sink.pk}/preview/").context["item"]
    assert item.seq == sent["seq"]
    assert f'"hash":"{sent["hash"]}"' in item.text


def test_the_preview_has_nothing_where_the_filter_finds_nothing(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url, query="actor:nobody@nowhere.example")
    happen(acme, 3)
    shown = signed_in(acme.owner).get(f"/o/acme/sinks/{sink.pk}/preview/").content.decode()
    assert "No event to show" in shown


def test_the_list_costs_the_same_for_many(acme: Tenant, receiver: Receiver, django_assert_num_queries: Any) -> None:
    browser = signed_in(acme.owner)
    webhook(acme, receiver.url)
    browser.get("/o/acme/sinks/")  # the first request of a session writes of it
    with CaptureQueriesContext(connection) as few:
        browser.get("/o/acme/sinks/")
    for number in range(12):
        sink = webhook(acme, receiver.url, name=f"SIEM {number} {'long' * 15}")
        with acme.acting("owner") as actor:
            set_sink_active(sink=sink, is_active=False, actor=actor)
    with django_assert_num_queries(len(few)):
        assert browser.get("/o/acme/sinks/").status_code == 200


def test_a_kind_that_this_version_does_not_know_breaks_no_page(acme: Tenant, receiver: Receiver, superuser) -> None:
    sink = webhook(acme, receiver.url)
    superuser.execute("SET session_replication_role = replica")
    superuser.execute("UPDATE audit_sink SET kind = 'pigeon'")
    superuser.execute("SET session_replication_role = origin")
    browser = signed_in(acme.owner)
    assert browser.get("/o/acme/sinks/").status_code == 200
    assert "does not know it" in browser.get(f"/o/acme/sinks/{sink.pk}/").content.decode()
    assert browser.get(f"/o/acme/sinks/{sink.pk}/change/").status_code == 404
    assert "no destination" in browser.post(f"/o/acme/sinks/{sink.pk}/test/", follow=True).content.decode()


@pytest.mark.parametrize("kind", sorted(kind for kind, each in DESTINATIONS.items() if not each.for_operators))
def test_each_destination_says_how_it_is_set_up(acme: Tenant, kind: str) -> None:
    page = signed_in(acme.owner).get(f"/o/acme/sinks/new/{kind}/").content.decode()
    steps = DESTINATIONS[kind].steps
    assert len(steps) >= 3
    assert page.count("<li>") >= len(steps)
    assert "test event" in steps[-1]
    assert conditional_escape(steps[0]) in page
