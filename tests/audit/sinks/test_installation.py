"""Sinks of the installation: they receive every log; only operators reach them."""

from typing import Any
from uuid import UUID

import pytest
from django.core import mail
from django.db import connection
from django.test import Client

from accounts.models import User
from accounts.services.users import operator_actor
from audit.masking.selection import LABELS
from audit.models import Event, Sink, SinkCursor
from audit.sealing.sealer import seal
from audit.services.sink_delivery import replay_sink, test_sink
from audit.services.sinks import create_sink, delete_sink
from audit.sinks.claims import wake
from audit.sinks.delivery import deliver
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import INSTALLATION, operator_scope, tenant_scope
from tests.audit.sinks.receivers import Answer, Receiver
from tests.audit.sinks.stage import happen, sealed, turns
from tests.people import Tenant, make_tenant, signed_in

PAGES = ("", "new/", "new/webhook/")
BELOW = ("", "change/", "replay/", "secret/", "remove/", "refused/", "preview/", "state/")


def central(url: str, **values: Any) -> Sink:
    """Return a new sink of the installation's."""
    with tenant_scope(INSTALLATION), acting_as(SYSTEM):
        return create_sink(
            organization_id=INSTALLATION,
            kind="webhook",
            name=values.pop("name", "Central SIEM"),
            options={"url": url},
            actor=SYSTEM,
            **{"batch_seconds": 0, "sends_checkpoints": False, **values},
        ).sink


def cursors(sink: Sink) -> dict[UUID, SinkCursor]:
    with tenant_scope(INSTALLATION):
        return {cursor.log: cursor for cursor in SinkCursor.objects.filter(sink=sink)}


def received(receiver: Receiver) -> dict[str, list[int]]:
    """Return the numbers that came, by the log that they are of."""
    found: dict[str, list[int]] = {}
    for request in receiver.requests:
        for event in request.json()["events"]:
            found.setdefault(event["event"].get("organization_id") or "", []).append(event["seq"])
    return found


def due() -> None:
    with tenant_scope(INSTALLATION):
        SinkCursor.objects.update(retry_at=None)


def test_an_owner_cannot_make_one(acme: Tenant, receiver: Receiver) -> None:
    with acme.acting("owner") as owner, pytest.raises(MissingPermission), tenant_scope(INSTALLATION):
        create_sink(organization_id=INSTALLATION, kind="webhook", name="x", options={"url": receiver.url}, actor=owner)
    sink = central(receiver.url)
    with acme.acting("owner") as owner, tenant_scope(INSTALLATION):
        for work in (test_sink, delete_sink):
            with pytest.raises(MissingPermission):
                work(sink=sink, actor=owner)
        with pytest.raises(MissingPermission):
            replay_sink(sink=sink, seq=0, actor=owner)
    assert receiver.requests == []


def test_the_function_that_adds_logs_serves_the_installation_s_own_scope_only(acme: Tenant, receiver: Receiver) -> None:
    sink = central(receiver.url)
    with tenant_scope(acme.organization), connection.cursor() as cursor:
        cursor.execute("SELECT audit_add_sink_logs(%s, true)", [sink.pk])
        assert cursor.fetchone() == (0,)


def test_it_receives_the_logs_that_were_there_and_those_that_come(acme: Tenant, receiver: Receiver) -> None:
    happen(acme, 5)
    sink = central(receiver.url, from_beginning=True)
    assert set(cursors(sink)) >= {INSTALLATION, acme.organization.pk}
    seal()
    turns()
    later = make_tenant("initech", everybody=False)
    happen(later, 3)
    turns()
    found = received(receiver)
    for tenant in (acme, later):
        assert found[str(tenant.organization.pk)] == list(range(sealed(tenant)))
    own = found[""]
    assert sorted(own) == list(range(cursors(sink)[INSTALLATION].head))
    assert {cursor.lag_events for cursor in cursors(sink).values()} == {0}


def test_from_now_on_leaves_out_what_is_in_the_logs(acme: Tenant, receiver: Receiver) -> None:
    happen(acme, 5)
    before = sealed(acme)
    central(receiver.url)
    happen(acme, 2)
    turns()
    assert received(receiver)[str(acme.organization.pk)] == [before, before + 1]


def test_its_changes_are_events_of_the_installation(acme: Tenant, receiver: Receiver) -> None:
    sink = central(receiver.url)
    with acting_as(SYSTEM), operator_scope("look"):
        (event,) = Event.objects.filter(action="sink.created", target_id=str(sink.pk))
        assert event.organization_id is None
    with tenant_scope(acme.organization):
        assert not Event.objects.filter(target_id=str(sink.pk)).exists()


def test_replay_of_every_log_or_of_one(acme: Tenant, receiver: Receiver) -> None:
    sink = central(receiver.url, from_beginning=True)
    happen(acme, 5)
    turns()
    receiver.requests.clear()
    with tenant_scope(INSTALLATION):
        count = replay_sink(sink=sink, seq=2, log=acme.organization.pk, actor=SYSTEM)
    assert count == sealed(acme) - 2
    turns()
    assert received(receiver)[str(acme.organization.pk)] == list(range(2, sealed(acme)))
    receiver.requests.clear()
    everything = sum(cursor.head for cursor in cursors(sink).values())
    with tenant_scope(INSTALLATION):
        assert replay_sink(sink=sink, since=sink.created_at.replace(year=2020), actor=SYSTEM) >= everything
    wake()
    deliver(30)
    assert sum(len(numbers) for numbers in received(receiver).values()) >= everything


def test_a_replay_of_a_log_that_it_does_not_receive_is_refused(db: None, receiver: Receiver) -> None:
    sink = central(receiver.url)
    with tenant_scope(INSTALLATION), pytest.raises(DomainError, match="does not receive"):
        replay_sink(sink=sink, seq=0, log=UUID(int=7), actor=SYSTEM)


def test_operators_are_told_once_whatever_the_number_of_logs(
    acme: Tenant, globex: Tenant, operator: User, receiver: Receiver
) -> None:
    sink = central(receiver.url, from_beginning=True)
    happen(acme, 2)
    happen(globex, 2)
    receiver.rule = lambda _request: Answer(401)
    mail.outbox.clear()
    turns()
    (message,) = mail.outbox
    assert message.to == [operator.email]
    assert f"/admin/sinks/{sink.pk}/" in str(message.body)
    assert "status 401" in str(message.body)
    receiver.rule = lambda _request: Answer()
    due()
    turns()
    with acting_as(SYSTEM), operator_scope("look"):
        told = list(Event.objects.filter(target_id=str(sink.pk)).values_list("action", flat=True))
    assert (told.count("sink.failing"), told.count("sink.recovered")) == (1, 1)


# The pages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["owner", "stranger", "nobody"])
def test_nobody_but_operators_opens_the_pages(acme: Tenant, stranger: User, receiver: Receiver, who: str) -> None:
    sink = central(receiver.url)
    browser = {"owner": lambda: signed_in(acme.owner), "stranger": lambda: signed_in(stranger), "nobody": Client}[who]()
    addresses = [f"/admin/sinks/{page}" for page in PAGES]
    addresses += [f"/admin/sinks/{sink.pk}/{page}" for page in (*BELOW, "test/", "pause/")]
    for address in addresses:
        for method in (browser.get, browser.post):
            response = method(address)
            assert response.status_code in {302, 403, 404}, address
            assert b"Central" not in response.content
    assert receiver.requests == []
    # Below an organization there is no such sink either.
    inside = signed_in(acme.owner)
    assert inside.get(f"/o/acme/sinks/{sink.pk}/").status_code == 404


def test_an_operator_adds_looks_tests_pauses_and_removes(acme: Tenant, operator: User, receiver: Receiver) -> None:
    happen(acme, 2)
    browser = signed_in(operator)
    added = browser.post(
        "/admin/sinks/new/webhook/",
        {
            "name": "Central SIEM",
            "option_url": receiver.url,
            "start": "beginning",
            "format": "ndjson",
            "sent_fields": [*LABELS],
            "has_proofs": "on",
            "batch_events": 500,
            "batch_bytes": 1_000_000,
            "batch_seconds": 0,
        },
    )
    assert added.status_code == 200
    assert b"whsec_" in added.content
    seal()
    turns()
    assert received(receiver)[str(acme.organization.pk)] == list(range(sealed(acme)))
    with tenant_scope(INSTALLATION):
        sink = Sink.objects.get()
        secret = sink.revealed()["secret"]
    for page in PAGES:
        assert browser.get(f"/admin/sinks/{page}").status_code == 200
    for page in BELOW:
        response = browser.get(f"/admin/sinks/{sink.pk}/{page}")
        assert response.status_code == 200, page
        assert secret not in response.content.decode()
    shown = browser.get(f"/admin/sinks/{sink.pk}/").content.decode()
    assert "acme" in shown
    assert "Installation" in shown
    assert browser.post(f"/admin/sinks/{sink.pk}/test/").status_code == 302
    assert receiver.requests[-1].json()["events"][0]["test"] is True
    browser.post(f"/admin/sinks/{sink.pk}/pause/")
    with tenant_scope(INSTALLATION):
        assert not Sink.objects.get().is_active
    browser.post(f"/admin/sinks/{sink.pk}/remove/", {"typed_confirmation": "Central SIEM"})
    with tenant_scope(INSTALLATION):
        assert not Sink.objects.exists()
    log = browser.get("/admin/audit/?log=installation&q=action:sink.*").content.decode()
    assert "Removed a sink" in log
    assert "00000000-0000" not in log


def test_changes_take_a_fresh_sign_in_of_operators_too(operator: User, receiver: Receiver) -> None:
    from tests.sso.test_fresh_sign_in import stale  # noqa: PLC0415 - its own fixtures stay there

    sink = central(receiver.url)
    browser = stale(operator)
    assert browser.get("/admin/sinks/").status_code == 200
    assert browser.get("/admin/sinks/new/webhook/").status_code in {302, 403}  # before anything is typed in
    response = browser.post(f"/admin/sinks/{sink.pk}/pause/")
    assert response.status_code in {302, 403}
    with tenant_scope(INSTALLATION):
        assert Sink.objects.get().is_active


def test_an_operator_s_actor_may_and_has_no_organization(operator: User, receiver: Receiver) -> None:
    actor = operator_actor(operator)
    with tenant_scope(INSTALLATION), acting_as(actor):
        made = create_sink(
            organization_id=INSTALLATION, kind="webhook", name="Ops", options={"url": receiver.url}, actor=actor
        )
    assert made.sink.receives_every_log
    assert made.sink.created_by == operator.email
