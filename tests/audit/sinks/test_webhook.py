"""Webhooks: what a receiver verifies, and how secrets change."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.utils import timezone
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from audit.models import Sink, SinkCursor, SinkState
from audit.services.sink_delivery import test_sink
from audit.services.sinks import create_sink, rotate_sink_secret, set_sink_active, update_sink
from audit.sinks.destinations.webhook import Webhook
from audit.sinks.http import retry_after
from isolation.actor import SYSTEM
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import tenant_scope
from outbound.exchange import Reply
from tenants.services.members import set_project_role
from tests.api.calls import by
from tests.audit.sinks.receivers import Answer, Receiver, Request
from tests.audit.sinks.stage import (
    cursor_of,
    happen,
    installation_sink,
    letters_of,
    numbers,
    sealed,
    turns,
    webhook,
)
from tests.people import Tenant
from tests.tenants.stage import events


def made(tenant: Tenant, url: str, **options: Any) -> tuple[Sink, str]:
    """Return a new webhook with the secret that is shown once."""
    with tenant.acting("owner") as actor:
        new = create_sink(
            organization_id=tenant.organization.pk,
            kind="webhook",
            name="Signed",
            options={"url": url, **options},
            actor=actor,
            batch_seconds=0,
            sends_checkpoints=False,
        )
    return new.sink, new.secret


def verified(secret: str, request: Request) -> Any:
    """Return the body, once it verifies as its receiver would do it."""
    return Verifier(secret).verify(request.body, request.headers)


def test_a_receiver_verifies_the_signature(acme: Tenant, receiver: Receiver) -> None:
    _sink, secret = made(acme, receiver.url)
    happen(acme, 3)
    turns()
    (request,) = receiver.requests
    assert verified(secret, request)["type"] == "audit.events"
    with pytest.raises(WebhookVerificationError):
        verified("whsec_" + base64.b64encode(b"x" * 32).decode(), request)


def test_the_public_key_verifies_the_other_signature(acme: Tenant, receiver: Receiver) -> None:
    sink, _secret = made(acme, receiver.url)
    happen(acme, 1)
    turns()
    (request,) = receiver.requests
    with tenant_scope(acme.organization):
        public = Webhook.public_key(sink.revealed())
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_")))
    signature = next(each for each in request.headers["webhook-signature"].split() if each.startswith("v1a,"))
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    key.verify(base64.b64decode(signature.removeprefix("v1a,")), signed)


def test_both_secrets_verify_for_a_day_after_a_change(
    acme: Tenant, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink, old = made(acme, receiver.url)
    with acme.acting("owner") as actor:
        new = rotate_sink_secret(sink=sink, actor=actor)
    happen(acme, 1)
    turns()
    verified(old, receiver.requests[-1])
    verified(new, receiver.requests[-1])
    later = timezone.now() + timedelta(hours=25)
    with tenant_scope(acme.organization):
        stored = Sink.objects.get(pk=sink.pk)
        signer = Webhook({**stored.options, **stored.revealed()}, stored.pk)
    signatures = signer._signatures("msg_1", later, b"{}")
    assert len([each for each in signatures if each.startswith("v1,")]) == 1
    signer.close()


def test_a_secret_of_one_s_own_is_used_and_never_shown(acme: Tenant, receiver: Receiver) -> None:
    own = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
    sink, shown = made(acme, receiver.url, secret=own)
    assert shown == ""
    happen(acme, 1)
    turns()
    verified(own, receiver.requests[-1])
    told = json.dumps([event.after for event in events(acme, "sink.created")])
    assert own not in told
    assert own not in repr(sink.secrets)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"url": "https://169.254.169.254/latest"}, "url"),
        ({"url": "ftp://siem.example"}, "url"),
        ({"url": ""}, "url"),
        ({"url": "https://siem.example", "secret": "whsec_short"}, "secret"),
        ({"url": "https://siem.example", "authorities": "nonsense"}, "authorities"),
        ({"url": "https://siem.example", "client_certificate": "nonsense"}, "client_certificate"),
        ({"url": "https://siem.example", "proxy": "https://10.0.0.1"}, "proxy"),
        ({"url": "https://siem.example", "colour": "red"}, "colour"),
    ],
)
def test_what_cannot_work_is_refused_at_its_field(acme: Tenant, options: dict[str, Any], field: str) -> None:
    with acme.acting("owner") as actor, pytest.raises(DomainError) as refused:
        create_sink(organization_id=acme.organization.pk, kind="webhook", name="Bad", options=options, actor=actor)
    assert refused.value.field == field
    with tenant_scope(acme.organization):
        assert not Sink.objects.exists()


@pytest.mark.parametrize("who", ["member", "viewer", "auditor", "none"])
def test_only_who_manages_sinks_makes_one(acme: Tenant, receiver: Receiver, who: str) -> None:
    with pytest.raises(MissingPermission):
        webhook(acme, receiver.url, who)


def test_whose_role_takes_a_project_s_log_away_sends_none_of_it_out(acme: Tenant, receiver: Receiver) -> None:
    with tenant_scope(acme.organization):
        membership = acme.membership("admin")
        set_project_role(project=acme.project, membership=membership, role=acme.role("none"), actor=SYSTEM)
    with acme.acting("admin") as actor:
        assert actor.can("audit_log:export")
    with pytest.raises(DomainError) as refused:
        webhook(acme, receiver.url, "admin")
    assert refused.value.code == "above_own_permissions"
    assert by(acme.admin).get("/organizations/acme/audit/events").json()["code"] == "above_own_permissions"


def test_a_test_event_says_how_it_went(acme: Tenant, receiver: Receiver) -> None:
    sink = webhook(acme, receiver.url)
    with acme.acting("owner") as actor:
        assert test_sink(sink=sink, actor=actor) == ""
    assert receiver.requests[-1].json()["events"][0]["test"] is True
    receiver.rule = lambda _request: Answer(403, b"no entry")
    with acme.acting("owner") as actor:
        assert "403: “no entry”" in test_sink(sink=sink, actor=actor)
    assert [event.after["answer"][:8] for event in events(acme, "sink.tested")] == ["accepted", "The rece"]


def test_messages_are_told_apart_by_their_ids(acme: Tenant, receiver: Receiver) -> None:
    """A receiver that keeps one message of each id loses nothing, also where an event's number is that of a test."""
    sink = webhook(acme, receiver.url, from_beginning=True, batch_events=1)
    with acme.acting("owner") as actor:
        for _time in range(2):
            assert test_sink(sink=sink, actor=actor) == ""
    happen(acme, 1)
    turns()
    identifiers = [request.headers["webhook-id"] for request in receiver.requests]
    assert len(set(identifiers)) == len(identifiers) == 2 + sealed(acme)


@pytest.mark.parametrize("whose", ["acme", "installation"])
def test_an_address_that_is_gone_is_sent_nothing_more(
    acme: Tenant, receiver: Receiver, whose: str, mailoutbox: list[Any]
) -> None:
    receiver.rule = lambda _request: Answer(410, b"moved away")
    if whose == "acme":
        sink = webhook(acme, receiver.url, from_beginning=True)
    else:
        sink = installation_sink("webhook", {"url": receiver.url}, from_beginning=True)
    happen(acme, 3)
    turns()
    count = len(receiver.requests)
    with tenant_scope(sink.organization_id):
        assert Sink.objects.get().is_active is False
        assert all("wants no more" in cursor.last_error for cursor in SinkCursor.objects.exclude(last_error=""))
        SinkCursor.objects.update(retry_at=None)
    assert turns() == 0
    assert len(receiver.requests) == count
    if whose == "acme":
        assert [event.actor_kind for event in events(acme, "sink.paused")] == ["system"]
        assert len(events(acme, "sink.failing")) == 1
        receiver.rule = lambda _request: Answer()
        with acme.acting("owner") as actor:
            set_sink_active(sink=sink, is_active=True, actor=actor)
        turns()
        assert numbers(request.json() for request in receiver.requests[count:])[0] == 0


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (300, SinkState.BLOCKED), (307, SinkState.BLOCKED), (401, SinkState.BLOCKED), (402, SinkState.BLOCKED),
        (403, SinkState.BLOCKED), (404, SinkState.BLOCKED), (405, SinkState.BLOCKED), (400, SinkState.BLOCKED),
        (413, SinkState.BLOCKED), (415, SinkState.BLOCKED), (422, SinkState.BLOCKED), (408, SinkState.RETRYING),
        (418, SinkState.RETRYING), (429, SinkState.RETRYING), (500, SinkState.RETRYING), (502, SinkState.RETRYING),
        (503, SinkState.RETRYING), (504, SinkState.RETRYING), (0, SinkState.RETRYING),
    ],
)  # fmt: skip
def test_answers(acme: Tenant, receiver: Receiver, status: int, state: SinkState) -> None:
    receiver.rule = lambda _request: Answer(status)
    sink = webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 15)
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.next_seq, letters_of(sink)) == (state, 0, [])


@pytest.mark.parametrize(
    ("wish", "seconds"),
    [
        ("120", 120),
        ("9" * 5_000, 3_600),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 3_600),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Thu, 01 Jan 1970 00:00:00 +99999999999999999999", None),
        ("soon", None),
        ("", None),
    ],
)
def test_a_wish_to_wait_is_read_whatever_it_says(wish: str, seconds: float | None) -> None:
    assert retry_after(Reply(503, {"retry-after": wish}, b"", "https://siem.example")) == seconds


def test_a_receiver_that_leads_into_a_private_network_gets_nothing(
    acme: Tenant, receiver: Receiver, settings: Any
) -> None:
    sink = webhook(acme, receiver.url)
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    with acme.acting("owner") as actor:
        assert test_sink(sink=sink, actor=actor) != ""
    assert receiver.requests == []


def test_another_address_keeps_the_secret_that_was_made_here(acme: Tenant, receiver: Receiver) -> None:
    sink, secret = made(acme, "http://127.0.0.1:9999/")
    with acme.acting("owner") as actor:
        update_sink(sink=sink, options={"url": receiver.url}, actor=actor)
    happen(acme, 1)
    turns()
    verified(secret, receiver.requests[-1])
