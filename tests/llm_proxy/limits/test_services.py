"""Limits and prices as people change them: who may, what is refused, what the log tells."""

import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from audit.alerts.facts import Facts
from audit.alerts.registry import RULES
from gateway.models import Price, UsageCounter, UsageHour, UsageLimit
from gateway.services.prices import LIST, add_price, delete_price, dollars, load_price_list, micros
from gateway.services.usage_limits import (
    MOST_AMOUNT,
    create_usage_limit,
    delete_usage_limit,
    tell_of_reached_limits,
    update_usage_limit,
)
from gateway.tasks import watch_limits
from isolation.actor import SYSTEM
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import tenant_scope
from tenants.models import Organization
from tenants.services.organizations import purge_organization, request_deletion
from tests.people import Tenant
from tests.tenants.stage import events

REQUESTS: dict[str, Any] = {"subject_kind": "organization", "metric": "requests", "window": "minute", "amount": 10}


def make(tenant: Tenant, person: str = "owner", **values: Any) -> UsageLimit:
    """Return a new limit."""
    with tenant.acting(person) as actor:
        return create_usage_limit(organization=tenant.organization, actor=actor, **REQUESTS | values)


def actions(tenant: Tenant, prefix: str) -> list[str]:
    """Return the audited actions of a kind."""
    return [event.action for event in events(tenant) if event.action.startswith(prefix)]


def test_a_stranger_changes_nothing_and_names_nothing(acme: Tenant, globex: Tenant) -> None:
    limit = make(acme)
    with globex.acting("owner") as actor:
        changes = (partial(update_usage_limit, limit=limit, amount=1), partial(delete_usage_limit, limit=limit))
        for change in changes:
            with pytest.raises((DomainError, MissingPermission)):
                change(actor=actor)
        for kind, subject in (("project", acme.project.pk), ("actor", acme.member.pk)):
            with pytest.raises(DomainError, match="There is no such"):
                create_usage_limit(
                    organization=globex.organization,
                    actor=actor,
                    **REQUESTS | {"subject_kind": kind, "subject": str(subject)},
                )
    with tenant_scope(acme.organization):
        assert UsageLimit.objects.get().amount == 10


@pytest.mark.parametrize("person", ["member", "viewer", "auditor"])
def test_who_may_not_manage_limits_changes_none(person: str, acme: Tenant) -> None:
    limit = make(acme)
    with pytest.raises(MissingPermission):
        make(acme, person, metric="tokens")
    with acme.acting(person) as actor:
        with pytest.raises(MissingPermission):
            update_usage_limit(limit=limit, amount=1, actor=actor)
        with pytest.raises(MissingPermission):
            delete_usage_limit(limit=limit, actor=actor)


def test_every_change_is_in_the_log(acme: Tenant) -> None:
    limit = make(acme, subject_kind="project", subject=str(acme.project.pk))
    with acme.acting("owner") as actor:
        update_usage_limit(limit=limit, amount=20, actor=actor)
        update_usage_limit(limit=limit, amount=20, actor=actor)
        update_usage_limit(limit=limit, is_enabled=False, actor=actor)
        delete_usage_limit(limit=limit, actor=actor)
    names = ["usage_limit.created", "usage_limit.updated", "usage_limit.updated", "usage_limit.deleted"]
    assert actions(acme, "usage_limit") == names
    told = [event for event in events(acme) if event.action == "usage_limit.updated"]
    assert (told[0].before, told[0].after) == ({"amount": 10}, {"amount": 20})
    assert told[0].project_label == "Chatbot"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"amount": -1}, "amount"),
        ({"amount": MOST_AMOUNT + 1}, "amount"),
        ({"metric": "concurrency", "window": "none", "amount": 100_000}, "amount"),
        ({"window": "none"}, "window"),
        ({"metric": "concurrency"}, "window"),
        ({"metric": "cost"}, "window"),
        ({"metric": "calls"}, "metric"),
        ({"subject_kind": "team"}, "subject_kind"),
        ({"subject": "x"}, "subject"),
        ({"subject_kind": "project", "subject": "x"}, "subject"),
        ({"subject_kind": "api_key", "subject": "00000000-0000-0000-0000-000000000000"}, "subject"),
        ({"subject_kind": "model", "subject": "gpt 4"}, "subject"),
        ({"subject_kind": "model", "subject": "[a]"}, "subject"),
    ],
)
def test_what_cannot_be_counted_is_refused_at_its_field(values: dict[str, Any], field: str, acme: Tenant) -> None:
    with pytest.raises(DomainError) as caught:
        make(acme, **values)
    assert caught.value.field == field


def test_there_is_one_limit_of_a_kind(acme: Tenant) -> None:
    make(acme)
    with pytest.raises(DomainError, match="Change that one"):
        make(acme, amount=5)


def count(tenant: Tenant, limit: UsageLimit, used: int, subject: str = "") -> None:
    """Let the counter of a limit say what is used."""
    start = timezone.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    with tenant_scope(tenant.organization):
        UsageCounter.objects.update_or_create(
            organization_id=tenant.organization.pk,
            limit_id=limit.pk,
            subject=subject,
            defaults={"started_at": start, "used": used},
        )


def test_a_budget_is_told_of_at_80_and_100_percent_once(acme: Tenant, globex: Tenant) -> None:
    limit = make(acme, metric="cost", window="month", amount=1_000_000)
    told = []
    for used in (799_999, 800_000, 900_000, 1_000_000, 2_000_000):
        count(acme, limit, used)
        with tenant_scope(acme.organization):
            told.append(tell_of_reached_limits(acme.organization.pk))
    assert told == [0, 1, 0, 1, 0]
    found = [event for event in events(acme) if event.action == "usage_limit.reached"]
    assert [event.after["percent"] for event in found] == [80, 100]
    assert found[0].after["subject"] == "The organization"
    with tenant_scope(globex.organization):
        assert tell_of_reached_limits(globex.organization.pk) == 0
    assert not actions(globex, "usage_limit")


def test_who_jumps_to_the_end_is_told_of_the_end_alone_and_each_subject_by_name(acme: Tenant) -> None:
    limit = make(acme, subject_kind="actor", metric="tokens", window="month", amount=100)
    count(acme, limit, 150, str(acme.member.pk))
    count(acme, limit, 90, str(acme.viewer.pk))
    assert watch_limits() == 1
    with tenant_scope(acme.organization):
        tell_of_reached_limits(acme.organization.pk)
    found = [event.after for event in events(acme) if event.action == "usage_limit.reached"]
    assert {(each["percent"], each["subject"]) for each in found} == {
        (100, "member@acme.example"),
        (80, "viewer@acme.example"),
    }


def test_a_limit_of_a_minute_alerts_nobody(acme: Tenant) -> None:
    make(acme)
    assert watch_limits() == 0


def test_a_budget_that_nobody_used_since_a_crash_goes_by_the_hours(acme: Tenant) -> None:
    make(acme, metric="tokens", window="month", amount=100)
    with tenant_scope(acme.organization):
        UsageHour.objects.create(
            organization=acme.organization, hour=timezone.now(), outcome="allowed", requests=1, input_tokens=85
        )
        assert tell_of_reached_limits(acme.organization.pk) == 1


def test_the_rule_raises_an_alert_for_each_step(acme: Tenant) -> None:
    rule = RULES["usage_limit_reached"]

    def sign(percent: int) -> Any:
        after = {"percent": percent, "subject": "Chatbot"}
        given: dict[str, Any] = dict.fromkeys(
            ("outcome", "actor_kind", "actor_id", "actor_label", "reason", "ip", "user_agent"), ""
        )
        facts = Facts(
            seq=1,
            time=timezone.now(),
            action="usage_limit.reached",
            target_type="usage limit",
            target_id="1",
            target_label="Cost per month: a project",
            after=after,
            **given,
        )
        return rule.read(facts, None)  # type: ignore[arg-type]

    assert rule.looks_at("usage_limit.reached")
    assert sign(80).subject != sign(100).subject
    assert (sign(80).label, sign(80).told) == ("Cost per month: a project (Chatbot)", "80 % of this limit are used.")


def test_prices_are_operators(acme: Tenant, operator: Any) -> None:
    price = add_price(provider="openai", model="m", input=1, cached_input=1, output=1, actor=SYSTEM)
    with acme.acting("owner") as actor:
        for change in (
            lambda: add_price(provider="openai", model="x", input=0, cached_input=0, output=0, actor=actor),
            lambda: delete_price(price=price, actor=actor),
        ):
            with pytest.raises(DomainError, match="Only an operator"):
                change()
    delete_price(price=price, actor=SYSTEM)
    assert not Price.objects.exists()


@pytest.mark.django_db
def test_the_list_that_comes_along_is_read_once() -> None:
    listed = json.loads(LIST.read_text(encoding="utf-8"))
    number = sum(len(models) for models in listed["prices"].values())
    own = timezone.now() - timedelta(days=1)
    assert load_price_list() == number
    assert load_price_list() == 0
    assert Price.objects.filter(valid_from__lt=own).count() == number


@pytest.mark.parametrize(
    ("text", "amount"), [("2.50", 2_500_000), ("0", 0), ("0.000001", 1), ("1000000", 1_000_000_000_000)]
)
def test_money_is_whole_numbers(text: str, amount: int) -> None:
    assert micros(text) == amount
    assert micros(dollars(amount).replace(",", "")) == amount


def test_money_has_no_parts_below_a_millionth() -> None:
    with pytest.raises(ValueError, match=r"0\.0000001"):
        micros("0.0000001")


def test_nothing_of_a_purged_organization_is_left(acme: Tenant, superuser: Any) -> None:
    count(acme, make(acme, metric="tokens", window="month"), 9)
    with acme.acting("owner") as actor:
        request_deletion(organization=acme.organization, actor=actor, reason="Over")
    with superuser.transaction():  # behind the application's back
        superuser.execute("SET LOCAL session_replication_role = replica")
        superuser.execute("UPDATE tenants_organization SET purge_at = now() WHERE purge_at IS NOT NULL")
    with tenant_scope(acme.organization):
        purge_organization(organization=Organization.objects.get(), actor=SYSTEM)
    for table in ("usagecounter", "usagelimit", "usagenotice"):
        counting = f"SELECT count(*) FROM gateway_{table}"  # noqa: S608 - tables of the test
        assert superuser.execute(counting).fetchone() == (0,)
