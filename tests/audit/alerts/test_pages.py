"""Alerts, rules and channels on the pages and by API: who sees and changes them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from audit.alerts.registry import RULES
from audit.models import AlertRule
from audit.services.alert_rules import mute_rule, reset_rule, rule_named, try_rule, update_rule
from isolation.actor import FRESH_FOR
from isolation.exceptions import DomainError, FreshSignInNeeded, MissingPermission
from isolation.scope import INSTALLATION, tenant_scope
from tests.api.calls import by
from tests.audit.alerts.stage import alerts_of, evaluated, failed_from, happened
from tests.people import Tenant, signed_in
from tests.tenants.stage import events

LIST, RULE_LIST, CHANNELS = (f"/o/acme/audit/{name}/" for name in ("alerts", "alert-rules", "alert-channels"))
API = "/organizations/acme"


def raised(tenant: Tenant) -> Any:
    """Return an alert."""
    happened(tenant, "sso_connection.disabled", target_label="Okta")
    evaluated()
    return alerts_of(tenant, "sign_in_weakened")[-1]


def test_a_stranger_finds_and_changes_nothing(acme: Tenant, globex: Tenant, stranger: User) -> None:
    alert = raised(acme)
    client, caller = signed_in(stranger), by(stranger)
    for address in (LIST, f"{LIST}{alert.pk}/", RULE_LIST, f"{RULE_LIST}sign_in_burst/", CHANNELS):
        assert client.get(address).status_code == 404
        assert client.post(address, {"save": "1"}).status_code == 404
    for address in (f"/o/globex/audit/alerts/{alert.pk}/", f"/o/globex/audit/alerts/{alert.pk}/mute/"):
        assert client.post(address, {"note": "mine", "span": "day"}).status_code == 404
        assert client.get(address).status_code == 404
    client.post("/o/globex/audit/alerts/", {"alert": [str(alert.pk)]})
    assert b"Okta" not in client.get("/o/globex/audit/alerts/?state=all").content
    for path in ("alerts", f"alerts/{alert.pk}", "alert-rules", "alert-rules/sign_in_burst", "alert-channels"):
        assert caller.get(f"{API}/{path}").status_code == 404
    assert caller.get(f"/organizations/globex/alerts/{alert.pk}").status_code == 404
    assert caller.post(f"/organizations/globex/alerts/{alert.pk}/acknowledge", {}).status_code == 404
    assert alerts_of(acme, "sign_in_weakened")[0].state == "open"
    with tenant_scope(acme.organization):
        assert not AlertRule.objects.exists()


def test_who_reads_the_whole_log_sees_alerts_and_changes_none(acme: Tenant) -> None:
    alert = raised(acme)
    client, caller = signed_in(acme.auditor), by(acme.auditor)
    assert b"Okta" in client.get(LIST).content
    page = client.get(f"{LIST}{alert.pk}/").content.decode()
    assert "A connection to an identity provider was switched off: Okta." in page
    assert "Acknowledge</button>" not in page
    for address, data in (
        (f"{LIST}{alert.pk}/", {"note": "x"}),
        (f"{LIST}{alert.pk}/mute/", {"span": "day"}),
        (LIST, {"alert": [str(alert.pk)]}),
        (f"{RULE_LIST}sign_in_weakened/", {"mute": "1", "span": "day"}),
        (f"{RULE_LIST}sign_in_weakened/", {"reset": "1"}),
        (f"{CHANNELS}new/chat/", {"name": "x", "option_url": "https://a.example"}),
    ):
        assert client.post(address, data).status_code == 403, address
    assert caller.post(f"{API}/alerts/{alert.pk}/acknowledge", {}).status_code == 403
    assert caller.patch(f"{API}/alert-rules/sign_in_weakened", {"is_active": False}).status_code == 403
    for who in ("member", "viewer"):
        assert signed_in(acme.people[who]).get(LIST).status_code == 403
        assert by(acme.people[who]).get(f"{API}/alerts").status_code == 403


def test_an_alert_shows_its_events_and_is_acknowledged(acme: Tenant) -> None:
    alert = raised(acme)
    client = signed_in(acme.owner)
    page = client.get(f"{LIST}{alert.pk}/")
    assert [event.action for event in page.context["events"]] == ["sso_connection.disabled"]
    assert client.post(f"{LIST}{alert.pk}/", {"note": "x" * 501}).status_code == 422
    assert client.post(f"{LIST}{alert.pk}/", {"note": "Planned"}).status_code == 302
    again = client.post(f"{LIST}{alert.pk}/", {"note": "Again"}, follow=True)
    assert "has acknowledged this alert already" in again.content.decode()
    (settled,) = alerts_of(acme, "sign_in_weakened")
    assert (settled.state, settled.note, settled.settled_by) == ("acknowledged", "Planned", acme.owner.email)
    (event,) = events(acme, "alert.acknowledged")
    assert event.reason == "Planned"
    assert b"Okta" not in client.get(LIST).content
    assert b"Okta" in client.get(f"{LIST}?state=acknowledged").content


def test_several_are_acknowledged_and_the_sidebar_counts_what_is_open(acme: Tenant) -> None:
    happened(acme, "exception.granted", after={"holder": "x", "permission": "y"})
    alert = raised(acme)
    client = signed_in(acme.owner)
    count = len(alerts_of(acme))
    assert count > 1
    assert f"{count}\n" in _badge(client)
    client.post(LIST, {"alert": [str(alert.pk), "no id", str(acme.organization.pk)]})
    assert f"{count - 1}\n" in _badge(client)
    assert _badge(signed_in(acme.member)) == ""


def _badge(client: Client) -> str:
    text = client.get("/o/acme/").content.decode()
    return text.partition("rounded-xs text-center text-[11px]")[2].partition("</span>")[0]


def test_the_empty_list_leads_to_the_rules(globex: Tenant) -> None:
    page = signed_in(globex.owner).get("/o/globex/audit/alerts/").content.decode()
    assert "No alerts" in page
    assert "See the rules" in page


def test_a_rule_is_changed_and_set_back(acme: Tenant) -> None:
    client, address = signed_in(acme.owner), f"{RULE_LIST}sign_in_burst/"
    assert client.get(address).status_code == 200
    given = {"is_active": "on", "threshold": "3", "window_minutes": "5", "is_default": "on", "save": "1"}
    assert client.post(address, {**given, "threshold": "2000"}).status_code == 422
    assert client.post(address, given).status_code == 302
    with tenant_scope(acme.organization):
        row = AlertRule.objects.get()
    assert (row.threshold, row.window_minutes, row.channels, row.is_active) == (3, 5, None, True)
    for _ in range(3):
        failed_from(acme, "192.0.2.1")
    evaluated()
    assert len(alerts_of(acme, "sign_in_burst")) == 1
    assert client.post(address, {"reset": "1"}).status_code == 302
    with tenant_scope(acme.organization):
        assert not AlertRule.objects.exists()
    assert [each.action for each in events(acme) if each.action.startswith("alert_rule")] == [
        "alert_rule.updated",
        "alert_rule.reset",
    ]


def test_a_rule_that_is_off_finds_nothing(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        rule = rule_named("sign_in_weakened")
        update_rule(organization_id=acme.organization.pk, rule=rule, is_active=False, actor=actor)
    happened(acme, "sso_connection.disabled")
    evaluated()
    assert alerts_of(acme, "sign_in_weakened") == []


def test_a_rule_is_muted_from_an_alert(acme: Tenant) -> None:
    alert = raised(acme)
    client = signed_in(acme.owner)
    assert client.post(f"{LIST}{alert.pk}/mute/", {"span": "week"}).status_code == 302
    assert b"Muted until" in client.get(f"{RULE_LIST}sign_in_weakened/").content
    assert client.post(f"{RULE_LIST}sign_in_weakened/", {"unmute": "1"}).status_code == 302
    assert b"Muted until" not in client.get(f"{RULE_LIST}sign_in_weakened/").content
    assert len(events(acme, "alert_rule.muted")) == len(events(acme, "alert_rule.unmuted")) == 1


def test_a_dry_run_shows_what_would_have_been_raised_and_stores_nothing(acme: Tenant) -> None:
    for number in range(4):
        failed_from(acme, "192.0.2.1", ago=24 * 60 * 20 + number)
    evaluated()
    before = (len(alerts_of(acme)), len(events(acme)))
    for who in ("owner", "auditor"):
        address, client = f"{RULE_LIST}sign_in_burst/", signed_in(acme.people[who])
        page = client.post(address, {"try": "1", "threshold": "4", "window_minutes": "10", "is_default": "on"})
        assert page.status_code == 200
        found = page.context["found"]
        assert (found.count, found.events, found.is_complete) == ((1, 4, True) if who == "owner" else (0, 4, True))
    assert (len(alerts_of(acme)), len([each for each in events(acme) if "alert" in each.action])) == (
        before[0],
        before[0],
    )
    with acme.acting("auditor") as actor:
        found = try_rule(
            organization_id=acme.organization.pk, rule=rule_named("sign_in_burst"), actor=actor, threshold=4
        )
    assert found.count == 1
    answer = by(acme.auditor).post(f"{API}/alert-rules/sign_in_burst/dry-run", {"threshold": 4}).json()
    assert (answer["count"], answer["events"], answer["alerts"][0]["count"]) == (1, 4, 4)


def test_a_dry_run_is_bounded(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        failed_from(acme, "192.0.2.1", ago=number)
    evaluated()
    monkeypatch.setattr("audit.alerts.dry_run.MOST_EVENTS", 3)
    monkeypatch.setattr("audit.alerts.dry_run._AT_ONCE", 2)
    with acme.acting("owner") as actor:
        found = try_rule(organization_id=acme.organization.pk, rule=rule_named("sign_in_burst"), actor=actor)
    assert (found.events, found.is_complete) == (3, False)
    assert found.until < timezone.now() - timedelta(minutes=2)
    with pytest.raises(MissingPermission), acme.acting("member") as actor:
        try_rule(organization_id=acme.organization.pk, rule=rule_named("sign_in_burst"), actor=actor)


@pytest.mark.parametrize("key", RULES)
def test_each_rule_has_a_page_and_a_dry_run(acme: Tenant, key: str) -> None:
    evaluated()
    client = signed_in(acme.owner)
    page = client.get(f"{RULE_LIST}{key}/")
    assert page.status_code == 200
    initial = {name: str(value) for name, value in page.context["form"].initial.items() if name != "channels"}
    assert client.post(f"{RULE_LIST}{key}/", {**initial, "is_default": "on", "try": "1"}).status_code == 200
    answer = by(acme.owner).get(f"{API}/alert-rules/{key}").json()
    assert (answer["id"], answer["is_changed"]) == (key, False)


@pytest.mark.parametrize(
    ("rule", "values", "field"),
    [
        ("sign_in_burst", {"threshold": 1_001}, "threshold"),
        ("sign_in_burst", {"window_minutes": 1_441}, "window_minutes"),
        ("break_glass_used", {"threshold": 2}, "threshold"),
        ("new_network", {"window_minutes": 2}, "window_minutes"),
        ("sign_in_burst", {"channels": ["pigeon"]}, "channels"),
    ],
)
def test_what_a_rule_cannot_be(acme: Tenant, rule: str, values: dict[str, Any], field: str) -> None:
    with pytest.raises(DomainError) as caught, acme.acting("owner") as actor:
        update_rule(organization_id=acme.organization.pk, rule=rule_named(rule), actor=actor, **values)
    assert caught.value.field == field
    answer = by(acme.owner).patch(f"{API}/alert-rules/{rule}", values)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"#/{field}"


def test_another_organization_s_channel_is_none(acme: Tenant, globex: Tenant) -> None:
    made = by(globex.owner).post(
        "/organizations/globex/alert-channels",
        {"name": "Theirs", "kind": "chat", "options": {"url": "https://a.example"}},
    )
    assert made.status_code == 201
    with pytest.raises(DomainError), acme.acting("owner") as actor:
        rule = rule_named("sign_in_burst")
        update_rule(organization_id=acme.organization.pk, rule=rule, channels=[made.json()["id"]], actor=actor)


def test_a_session_that_is_long_open_cannot_silence_anything(acme: Tenant) -> None:
    rule, log = rule_named("sign_in_burst"), acme.organization.pk
    with acme.acting("owner") as actor:
        stale = replace(actor, proved_at=timezone.now() - 2 * FRESH_FOR)
        for verb in (
            lambda: update_rule(organization_id=log, rule=rule, is_active=False, actor=stale),
            lambda: mute_rule(organization_id=log, rule=rule, until=timezone.now() + timedelta(days=1), actor=stale),
            lambda: reset_rule(organization_id=log, rule=rule, actor=stale),
        ):
            with pytest.raises(FreshSignInNeeded):
                verb()
        for until in (timezone.now() - timedelta(days=1), timezone.now() + timedelta(days=31)):
            with pytest.raises(DomainError, match="30 days"):
                mute_rule(organization_id=log, rule=rule, until=until, actor=actor)


def test_channels_on_the_pages(acme: Tenant) -> None:
    client = signed_in(acme.owner)
    assert b"Add a channel" in client.get(CHANNELS).content
    assert client.get(f"{CHANNELS}new/pigeon/").status_code == 404
    refused = client.post(f"{CHANNELS}new/webhook/", {"name": "Room", "option_url": "ftp://x"})
    assert refused.status_code == 422
    made = client.post(f"{CHANNELS}new/webhook/", {"name": "Room", "option_url": "https://a.example/x"})
    assert made.context["secret"].startswith("whsec_")
    assert "no-store" in made["Cache-Control"]
    channel = made.context["channel"]
    page = client.get(f"{CHANNELS}{channel.pk}/").content.decode()
    assert "An alert counts as sent when" in page
    assert made.context["secret"] not in page
    assert "whpk_" in page
    changed = {"name": "Night shift", "option_url": "https://a.example/x"}
    assert client.post(f"{CHANNELS}{channel.pk}/", changed).status_code == 302
    assert b"Night shift" in client.get(CHANNELS).content
    assert b"Night shift" in client.get(f"{RULE_LIST}sign_in_burst/").content
    assert client.get(f"{CHANNELS}{channel.pk}/remove/").status_code == 200
    assert client.post(f"{CHANNELS}{channel.pk}/remove/").status_code == 302
    assert client.get(f"{CHANNELS}{channel.pk}/").status_code == 404


def test_the_api(acme: Tenant) -> None:
    alert = raised(acme)
    caller = by(acme.owner)
    assert [each["id"] for each in caller.get(f"{API}/alerts?rule=sign_in_weakened&state=open").json()["data"]] == [
        str(alert.pk)
    ]
    settled = caller.post(f"{API}/alerts/{alert.pk}/acknowledge", {"note": "Planned"}).json()
    assert (settled["state"], settled["acknowledged_by"]) == ("acknowledged", acme.owner.email)
    assert caller.post(f"{API}/alerts/{alert.pk}/acknowledge", {}).status_code in {409, 422}
    assert len(caller.get(f"{API}/alert-rules?limit=100").json()["data"]) == len(RULES)
    rule = f"{API}/alert-rules/sign_in_burst"
    assert caller.get(f"{API}/alert-rules/nothing").status_code == 404
    changed = caller.patch(rule, {"threshold": 5, "channels": ["email"]}).json()
    assert (changed["threshold"], changed["channels"], changed["is_changed"]) == (5, ["email"], True)
    until = (timezone.now() + timedelta(hours=1)).isoformat()
    assert caller.post(f"{rule}/mute", {"until": until}).json()["muted_until"]
    assert caller.post(f"{rule}/reset").json()["is_changed"] is False
    made = caller.post(
        f"{API}/alert-channels", {"name": "Room", "kind": "webhook", "options": {"url": "https://a.example"}}
    ).json()
    assert made["secret"].startswith("whsec_")
    channel = f"{API}/alert-channels/{made['id']}"
    assert "secret" not in caller.get(channel).json()
    refused = caller.patch(channel, {"options": {"url": "ftp://x"}})
    assert refused.json()["errors"][0]["pointer"] == "#/options/url"
    assert caller.delete(channel).status_code == 204


def test_operators_have_the_installation_s_alerts(acme: Tenant, operator: User) -> None:
    raised(acme)
    happened(None, "second_factor.reset", target_label="ada@acme.example")
    evaluated()
    (alert,) = alerts_of(None, "sign_in_weakened")
    client = signed_in(operator)
    page = client.get("/admin/audit/alerts/?state=all").content.decode()
    assert "ada@acme.example" in page
    assert "Okta" not in page  # an organization's own
    shown = client.get(f"/admin/audit/alerts/{alert.pk}/")
    assert [event.action for event in shown.context["events"]] == ["second_factor.reset"]
    assert client.post(f"/admin/audit/alerts/{alert.pk}/", {"note": "Lost phone"}).status_code == 302
    address = "/admin/audit/alert-rules/new_network/"
    assert client.get(address).status_code == 200
    given = {"is_active": "on", "threshold": "30", "is_default": "on", "save": "1"}
    assert client.post(address, given).status_code == 302
    with tenant_scope(INSTALLATION):
        assert AlertRule.objects.get().is_active
    given = {"name": "Room", "option_url": "https://a.example/x"}
    made = client.post("/admin/audit/alert-channels/new/webhook/", given)
    assert made.context["secret"].startswith("whsec_")
    assert client.get("/admin/audit/alert-channels/").status_code == 200
    assert signed_in(acme.owner).get("/admin/audit/alerts/").status_code == 403


def test_the_number_of_statements_does_not_grow(acme: Tenant) -> None:
    client = signed_in(acme.owner)

    def statements() -> int:
        client.get(LIST)
        with CaptureQueriesContext(connections["default"]) as queries:
            client.get(LIST)
        return len(queries)

    raised(acme)
    few = statements()
    for number in range(12):
        happened(acme, "exception.granted", target_id=str(number), after={"holder": "x", "permission": "y"})
    evaluated()
    assert statements() == few
