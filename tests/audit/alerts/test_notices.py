"""How people and programs are told: once each, again when it fails, and never in the way of evaluation."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.utils import timezone
from standardwebhooks.webhooks import Webhook as Verifier

from accounts.models import User
from audit.alerts.notices import PATIENCE, tell
from audit.models import Alert, AlertChannel, AlertNotice
from audit.services.alert_channels import MOST, create_channel, delete_channel, test_channel, update_channel
from audit.services.alert_rules import mute_rule, rule_named, update_rule
from isolation.actor import SYSTEM
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import tenant_scope
from tests.audit.alerts.stage import alerts_of, evaluated, happened, notices_of
from tests.audit.sinks.receivers import Answer, Receiver
from tests.people import Tenant
from tests.tenants.stage import events


def channel_of(tenant: Tenant, kind: str, url: str, **values: Any) -> tuple[AlertChannel, str]:
    """Return a new channel, and its secret."""
    with tenant.acting(values.pop("who", "owner")) as actor:
        return create_channel(
            organization_id=tenant.organization.pk,
            kind=kind,
            name=values.pop("name", "Security room"),
            options={"url": url, **values},
            actor=actor,
        )


@pytest.fixture
def receiver() -> Any:
    with Receiver().running() as running:
        yield running


@pytest.fixture
def quiet(acme: Tenant) -> Tenant:
    """Return acme with what its making raised told already."""
    evaluated()
    tell(30)
    mail.outbox.clear()
    return acme


def weaken(tenant: Tenant) -> Alert:
    """Let single sign-on be switched off; return the alert of it."""
    happened(tenant, "sso_connection.disabled", target_label="Okta <b>")
    evaluated()
    return alerts_of(tenant, "sign_in_weakened")[-1]


def due(tenant: Tenant) -> None:
    with tenant_scope(tenant.organization):
        AlertNotice.objects.exclude(retry_at=None).update(retry_at=timezone.now())


def test_who_manages_alerts_gets_a_mail_and_a_stranger_none(quiet: Tenant, globex: Tenant, stranger: User) -> None:
    alert = weaken(quiet)
    assert tell(30)
    assert sorted(address for each in mail.outbox for address in each.to) == [quiet.admin.email, quiet.owner.email]
    message: Any = mail.outbox[0]
    assert message.subject == "Sign-in weakened: Okta <b>"
    assert f"/o/acme/audit/alerts/{alert.pk}/" in message.body
    html = str(message.alternatives[0][0])
    assert "Okta &lt;b&gt;" in html
    assert "Okta <b>" not in html
    assert tell(30) == 0
    assert len(mail.outbox) == 2


def test_operators_hear_of_the_installation(db: None, operator: User) -> None:
    happened(None, "second_factor.reset", target_label="ada@acme.example")
    evaluated()
    tell(30)
    (message,) = [each for each in mail.outbox if "weakened" in each.subject]
    assert message.to == [operator.email]
    assert "/admin/audit/alerts/" in message.body


def test_low_severity_tells_nobody_by_itself(quiet: Tenant) -> None:
    happened(quiet, "user.signed_in", ip="192.0.2.1", actor_id=quiet.owner.pk)
    happened(quiet, "user.signed_in", ip="203.0.113.1", actor_id=quiet.owner.pk)
    evaluated()
    assert len(alerts_of(quiet, "new_network")) == 1
    assert tell(30) == 0


def test_what_has_a_mail_of_its_own_goes_to_channels_only(quiet: Tenant, receiver: Receiver) -> None:
    channel_of(quiet, "webhook", receiver.url)
    happened(quiet, "sign_in_policy.break_glass_used")
    evaluated()
    tell(30)
    assert mail.outbox == []
    assert [request.json()["data"]["rule"] for request in receiver.requests] == ["break_glass_used"]


def test_a_webhook_is_signed_and_says_everything(quiet: Tenant, receiver: Receiver) -> None:
    _channel, secret = channel_of(quiet, "webhook", receiver.url)
    alert = weaken(quiet)
    tell(30)
    (request,) = receiver.requests
    body = Verifier(secret).verify(request.body, request.headers)
    assert body["type"] == "alert.raised"
    assert body["data"]["id"] == str(alert.pk)
    assert body["data"]["organization"] == "acme"
    assert body["data"]["numbers"] == alert.numbers
    assert body["data"]["link"].endswith(f"/o/acme/audit/alerts/{alert.pk}/")


def test_a_chat_gets_no_mention_that_a_stranger_wrote(quiet: Tenant, receiver: Receiver) -> None:
    channel_of(quiet, "chat", receiver.url)
    happened(quiet, "sso_connection.disabled", target_label="<!channel> <https://evil.example|Okta>")
    evaluated()
    tell(30)
    (request,) = receiver.requests
    body = request.json()
    assert "&lt;!channel&gt;" in body["text"]
    assert "<!channel>" not in request.body.decode()
    assert "<https://evil" not in request.body.decode()
    assert "|Open the alert>" in body["attachments"][0]["text"]


def test_a_failing_channel_is_tried_again_and_holds_nobody_up(quiet: Tenant, receiver: Receiver) -> None:
    channel_of(quiet, "webhook", receiver.url)
    receiver.rule = lambda _request: Answer(503, b"busy")
    weaken(quiet)
    tell(30)
    assert len(mail.outbox) == 2
    (waiting,) = [each for each in notices_of(quiet) if each.channel_id and not each.sent_at]
    assert waiting.attempts == 1
    assert waiting.retry_at is not None
    assert "503" in waiting.last_error
    assert tell(30) == 0
    due(quiet)
    receiver.rule = lambda _request: Answer()
    assert tell(30) == 1
    first, second = (request.headers["webhook-id"] for request in receiver.requests)
    assert first == second
    assert all(each.sent_at for each in notices_of(quiet) if each.channel_id)
    assert len(mail.outbox) == 2


def test_after_two_days_it_is_given_up(quiet: Tenant, receiver: Receiver) -> None:
    channel_of(quiet, "webhook", receiver.url)
    receiver.rule = lambda _request: Answer(401)
    alert = weaken(quiet)
    with tenant_scope(quiet.organization):
        happened(quiet, "project.updated")
        Alert.objects.filter(pk=alert.pk).update(raised_at=timezone.now() - PATIENCE)
    tell(30)
    (given_up,) = [each for each in notices_of(quiet) if each.channel_id]
    assert (given_up.retry_at, given_up.sent_at, given_up.attempts) == (None, None, 1)
    due(quiet)
    assert tell(30) == 0


def test_a_mail_server_that_is_down_is_tried_again(quiet: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*args: Any) -> int:
        raise OSError("connection refused")

    weaken(quiet)
    with monkeypatch.context() as patched:
        patched.setattr(EmailBackend, "send_messages", down)
        tell(30)
    (notice,) = [each for each in notices_of(quiet) if each.retry_at]
    assert "OSError" in notice.last_error
    due(quiet)
    tell(30)
    assert len(mail.outbox) == 2


def test_a_worker_that_dies_while_sending_leaves_it_to_the_next(
    quiet: Tenant, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    weaken(quiet)

    def dies(*args: Any) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(EmailBackend, "send_messages", dies)
        tell(30)
    assert tell(30) == 0
    with tenant_scope(quiet.organization):
        AlertNotice.objects.update(leased_until=timezone.now())
    assert tell(30) == 1
    assert len(mail.outbox) == 2


def test_a_muted_rule_keeps_what_it_finds_and_tells_nobody(quiet: Tenant) -> None:
    rule, log = rule_named("sign_in_weakened"), quiet.organization.pk
    with quiet.acting("owner") as actor:
        mute_rule(organization_id=log, rule=rule, until=timezone.now() + timedelta(hours=1), actor=actor)
    alert = weaken(quiet)
    assert alert.state == "muted"
    assert tell(30) == 0
    with quiet.acting("owner") as actor:
        mute_rule(organization_id=log, rule=rule, until=None, actor=actor)
    assert weaken(quiet).state == "open"
    assert tell(30) == 1


def test_a_rule_tells_the_channels_that_it_names(quiet: Tenant, receiver: Receiver) -> None:
    first, _secret = channel_of(quiet, "webhook", f"{receiver.url}/first", name="First")
    channel_of(quiet, "webhook", f"{receiver.url}/second", name="Second")
    rule, log = rule_named("sign_in_weakened"), quiet.organization.pk
    with quiet.acting("owner") as actor:
        update_rule(organization_id=log, rule=rule, channels=[str(first.pk)], actor=actor)
    weaken(quiet)
    tell(30)
    assert [request.path for request in receiver.requests] == ["/first"]
    assert mail.outbox == []
    with quiet.acting("owner") as actor:
        delete_channel(channel=first, actor=actor)
    happened(quiet, "sign_in_exception.added")
    evaluated()
    assert tell(30) == 0


def test_a_test_alert(quiet: Tenant, receiver: Receiver) -> None:
    channel, secret = channel_of(quiet, "webhook", receiver.url)
    with quiet.acting("owner") as actor:
        assert test_channel(channel=channel, actor=actor) == ""
        assert Verifier(secret).verify(receiver.requests[0].body, receiver.requests[0].headers)["data"]["test"] is True
        receiver.rule = lambda _request: Answer(404)
        assert "404" in test_channel(channel=channel, actor=actor)
    assert len(events(quiet, "alert_channel.tested")) == 2


def test_who_may_change_channels(quiet: Tenant, globex: Tenant, receiver: Receiver) -> None:
    with pytest.raises(MissingPermission):
        channel_of(quiet, "chat", receiver.url, who="auditor")
    channel, _secret = channel_of(quiet, "chat", receiver.url)
    with pytest.raises(MissingPermission), quiet.acting("auditor") as actor:
        test_channel(channel=channel, actor=actor)
    with pytest.raises(AlertChannel.DoesNotExist), globex.acting("owner") as actor:
        update_channel(channel=channel, name="Mine", actor=actor)
    with pytest.raises(AlertChannel.DoesNotExist), globex.acting("owner") as actor:
        delete_channel(channel=channel, actor=actor)


def test_no_secret_is_in_an_event_or_in_plain_columns(quiet: Tenant, receiver: Receiver, superuser: Any) -> None:
    _channel, secret = channel_of(quiet, "webhook", receiver.url)
    channel_of(quiet, "chat", f"{receiver.url}/T000/B000/token", name="Chat")
    text = json.dumps([row[0] for row in superuser.execute("SELECT t::text FROM audit_event t").fetchall()])
    text += json.dumps([row[0] for row in superuser.execute("SELECT t::text FROM audit_alertchannel t").fetchall()])
    assert secret not in text
    assert "B000" not in text


def test_another_address_needs_its_secret_again(quiet: Tenant, receiver: Receiver) -> None:
    channel, _secret = channel_of(quiet, "webhook", receiver.url)
    with quiet.acting("owner") as actor:
        update_channel(channel=channel, options={"url": f"{receiver.url}/other"}, actor=actor)
    with tenant_scope(quiet.organization):
        assert AlertChannel.objects.get().options["url"].endswith("/other")


@pytest.mark.parametrize(
    ("kind", "options", "name", "field"),
    [
        ("pigeon", {"url": "https://a.example"}, "Room", "kind"),
        ("webhook", {"url": "https://10.0.0.1/x"}, "Room", "url"),
        ("webhook", {"url": "ftp://a.example"}, "Room", "url"),
        ("chat", {}, "Room", "url"),
        ("chat", {"url": "https://a.example", "token": "x"}, "Room", "token"),
        ("chat", {"url": "https://a.example"}, " ", "name"),
        ("webhook", {"url": "https://a.example", "secret": "short"}, "Room", "secret"),
    ],
)
def test_what_is_no_channel(acme: Tenant, kind: str, options: dict[str, str], name: str, field: str) -> None:
    with pytest.raises(DomainError) as caught, acme.acting("owner") as actor:
        create_channel(organization_id=acme.organization.pk, kind=kind, name=name, options=options, actor=actor)
    assert caught.value.field == field


def test_there_are_not_endlessly_many(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST == 20
    monkeypatch.setattr("audit.services.alert_channels.MOST", 1)
    channel_of(acme, "chat", "https://a.example")
    with pytest.raises(DomainError, match="Remove one"):
        channel_of(acme, "chat", "https://a.example", name="Other")
    with pytest.raises(DomainError, match="name already"):
        monkeypatch.setattr("audit.services.alert_channels.MOST", 2)
        channel_of(acme, "chat", "https://a.example")
    assert SYSTEM.label
