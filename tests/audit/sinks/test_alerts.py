"""Who is told that a sink receives no events."""

from django.core import mail

from accounts.models import User
from isolation.scope import tenant_scope
from tests.audit.sinks.receivers import Answer, Receiver
from tests.audit.sinks.stage import due, happen, turns, webhook
from tests.people import Tenant
from tests.tenants.stage import custom_role, join


def test_owners_and_who_manages_sinks_are_told_once(
    acme: Tenant, globex: Tenant, operator: User, receiver: Receiver
) -> None:
    with tenant_scope(acme.organization):
        keeper = join(acme, "keeper", custom_role(acme, "Keepers", ["sinks:manage"])).user
    sink = webhook(acme, receiver.url, from_beginning=True, name="SIEM & Söhne")
    happen(acme, 2)
    receiver.rule = lambda _request: Answer(401, b"<b>who</b> are you?")
    mail.outbox.clear()
    turns()
    due(acme)
    turns()
    told = sorted(message.to[0] for message in mail.outbox)
    assert told == sorted([acme.owner.email, acme.admin.email, keeper.email])
    message = mail.outbox[0]
    assert message.subject == "Acme: the SIEM sink SIEM & Söhne receives no events"
    assert f"/o/acme/sinks/{sink.pk}/" in str(message.body)
    assert "status 401" in str(message.body)
    html = str(message.alternatives[0][0])  # type: ignore[attr-defined]
    assert "&lt;b&gt;who" in html
    assert "<b>who" not in html


def test_a_receiver_that_is_briefly_away_wakes_nobody(acme: Tenant, receiver: Receiver) -> None:
    webhook(acme, receiver.url, from_beginning=True)
    happen(acme, 2)
    receiver.rule = lambda _request: Answer(503)
    mail.outbox.clear()
    turns()
    assert mail.outbox == []
