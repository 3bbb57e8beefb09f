"""Usage and limits in the console and by the API: who sees what, and what is saved."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from gateway.hotpath.denials import CODES
from gateway.hotpath.usage import UPSTREAM_ERROR
from gateway.models import Price, UsageHour, UsageLimit
from gateway.usage_names import OUTCOMES
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.services.members import set_project_role
from tests.api.calls import by
from tests.gateway.stage import Keys
from tests.llm_proxy.limits.test_services import actions, count, make
from tests.people import Tenant, make_project, signed_in
from tests.tenants.stage import events

USAGE, LIMITS = "/o/acme/llm/usage/", "/o/acme/llm/limits/"
API = "/organizations/acme"


def use(tenant: Tenant, **values: Any) -> UsageHour:
    """Return an hour of the tenant's project."""
    given: dict[str, Any] = {
        "project_id": tenant.project.pk,
        "actor_type": "user",
        "actor_id": tenant.owner.pk,
        "provider": "openai",
        "model": "gpt-4o",
        "outcome": "allowed",
        "requests": 3,
        "input_tokens": 1_000,
        "output_tokens": 500,
        "cost": 7_500_000,
        "hour": timezone.now().replace(minute=0, second=0, microsecond=0),
    }
    with tenant_scope(tenant.organization):
        made: UsageHour = UsageHour.objects.create(organization=tenant.organization, **given | values)
    return made


def page(user: User, path: str, status: int = 200) -> str:
    """Return the text of a page."""
    response = signed_in(user).get(path)
    assert response.status_code == status
    return "".join(part.decode() for part in response) if response.streaming else response.content.decode()


def test_a_stranger_sees_and_changes_nothing(acme: Tenant, stranger: User) -> None:
    limit = make(acme)
    use(acme, model="secret-model")
    browser = signed_in(stranger)
    for path in (USAGE, "/o/acme/llm/usage.csv", LIMITS, f"{LIMITS}new/", f"{LIMITS}{limit.pk}/"):
        assert browser.get(path).status_code == 404
    for path in (f"/o/globex/llm/limits/{limit.pk}/", f"/o/globex/llm/limits/{limit.pk}/delete/"):
        assert browser.get(path).status_code == 404
        assert browser.post(path, {"amount": "1"}).status_code == 404
    assert "secret-model" not in page(stranger, "/o/globex/llm/usage/")
    caller = by(stranger)
    for path in ("usage", "usage.csv", "usage-limits", f"usage-limits/{limit.pk}", f"usage-limits/{limit.pk}/usage"):
        assert caller.get(f"{API}/{path}").status_code == 404
    assert caller.patch(f"/organizations/globex/usage-limits/{limit.pk}", {"amount": 1}).status_code == 404
    own = caller.get(f"/organizations/globex/usage?project={acme.project.pk}&group_by=model").json()
    assert own["groups"] == []


@pytest.mark.parametrize(
    ("person", "sees", "changes"),
    [("owner", 200, 200), ("admin", 200, 200), ("member", 200, 403), ("viewer", 403, 403), ("auditor", 403, 403)],
)
def test_who_sees_and_who_changes(person: str, sees: int, changes: int, acme: Tenant) -> None:
    limit = make(acme)
    user = acme.people[person]
    page(user, USAGE, sees)
    page(user, LIMITS, sees)
    page(user, f"{LIMITS}new/", changes)
    page(user, f"{LIMITS}{limit.pk}/", changes)
    assert by(user).get(f"{API}/usage").status_code == sees
    assert by(user).patch(f"{API}/usage-limits/{limit.pk}", {"amount": 11}).status_code == changes


def test_who_sees_one_projects_usage_sees_that_alone(acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        judge = make_project(acme, "judge")
        viewer, member = acme.membership("viewer"), acme.role("member")
        set_project_role(membership=viewer, project=judge, role=member, actor=SYSTEM)
    use(acme, model="hidden-model")
    use(acme, model="seen-model", project_id=judge.pk)
    make(acme)
    make(acme, subject_kind="project", subject=str(acme.project.pk))
    seen = make(acme, subject_kind="project", subject=str(judge.pk), amount=77)
    text = page(acme.viewer, USAGE)
    assert "seen-model" in text
    assert "hidden-model" not in text
    assert "Chatbot" not in text
    assert "hidden-model" not in page(acme.viewer, f"{USAGE}?project={acme.project.pk}")
    assert "hidden-model" not in page(acme.viewer, "/o/acme/llm/usage.csv")
    caller = by(acme.viewer)
    assert [row["id"] for row in caller.get(f"{API}/usage-limits").json()["data"]] == [str(seen.pk)]
    assert caller.get(f"{API}/usage").json()["total"]["requests"] == 3
    assert "77" in page(acme.viewer, LIMITS)
    assert "Chatbot" not in page(acme.viewer, LIMITS)


def test_a_role_in_a_project_takes_the_sight_of_its_limits_and_of_its_keys(acme: Tenant) -> None:
    keys = Keys(acme)
    with tenant_scope(acme.organization):
        secret = make_project(acme, "secret-plan")
        member, viewer = acme.membership("member"), acme.role("viewer")
        set_project_role(membership=member, project=secret, role=viewer, actor=SYSTEM)
        key = keys.project(project=secret, name="Hidden key").key
    each = {
        "project": (str(secret.pk), str(acme.project.pk)),
        "api_key": (str(key.pk), str(keys.project(name="Known key").key.pk)),
    }
    limits = {kind: make(acme, subject_kind=kind, window="month", amount=100) for kind in each}
    named = [make(acme, subject_kind=kind, subject=subjects[0], amount=77) for kind, subjects in each.items()]
    for kind, subjects in each.items():
        for subject in subjects:
            count(acme, limits[kind], 40, subject)
    caller = by(acme.member)
    for kind, subjects in each.items():
        path = f"{API}/usage-limits/{limits[kind].pk}/usage"
        assert [row["subject"] for row in caller.get(path).json()["subjects"]] == [subjects[1]]
        assert len(by(acme.owner).get(path).json()["subjects"]) == 2
    for limit in named:
        assert caller.get(f"{API}/usage-limits/{limit.pk}").status_code == 404
        assert caller.get(f"{API}/usage-limits/{limit.pk}/usage").status_code == 404
    text = page(acme.member, LIMITS)
    assert "Chatbot" in text
    assert "Known key" in text
    for word in ("secret-plan", "Secret-plan", "Hidden key", "77"):
        assert word not in text
    assert "Hidden key" in page(acme.owner, LIMITS)


def test_the_page_shows_what_was_used_and_refused(acme: Tenant) -> None:
    use(acme)
    use(acme, outcome="rate_limited", requests=4, input_tokens=0, output_tokens=0, cost=0)
    use(acme, model="own-model", cost=0, requests=1)
    use(acme, hour=timezone.now() - timedelta(days=60), model="old-model")
    text = page(acme.owner, USAGE)
    assert "$7.50" in text
    assert "Too many in a minute" in text
    assert "Nobody has named a price of own-model (openai)" in text
    assert "old-model" not in text
    assert "old-model" in page(acme.owner, f"{USAGE}?days=90")


def test_every_refusal_has_a_name() -> None:
    told_to_nobody = {"caller_unknown"}
    beside = {"credential_unavailable", "too_many_guesses", "budget_exceeded", "rate_limited", "concurrency_exceeded"}
    transformers = {"body_too_large", "unsupported_media_type", "untranslatable", "mapping_unknown", UPSTREAM_ERROR}
    assert (CODES - told_to_nobody) | beside | transformers | {"counters_unavailable"} == OUTCOMES.keys()


def test_one_project_is_asked_for_by_name_or_id(acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        judge = make_project(acme, "judge")
    use(acme, model="chatbots-model")
    use(acme, model="judges-model", project_id=judge.pk)
    for named in ("judge", str(judge.pk)):
        text = page(acme.owner, f"{USAGE}?project={named}")
        assert "judges-model" in text
        assert "chatbots-model" not in text
        assert "chatbots-model" not in page(acme.owner, f"/o/acme/llm/usage.csv?project={named}")
    assert "There is no such project here" in page(acme.owner, f"{USAGE}?project=nowhere")
    page(acme.owner, "/o/acme/llm/usage.csv?project=nowhere", 404)


def test_an_empty_page_says_what_to_do(acme: Tenant) -> None:
    assert "Once requests pass the LLM auth proxy" in page(acme.owner, USAGE)
    assert "No limits yet" in page(acme.owner, LIMITS)


def test_a_file_is_safe_for_spreadsheets_and_is_recorded(acme: Tenant) -> None:
    use(acme, model="=HYPERLINK(1)")
    use(acme, project_id=None, model="other")
    lines = list(csv.DictReader(io.StringIO(page(acme.owner, "/o/acme/llm/usage.csv"))))
    assert [line["model"] for line in lines if line["project"] == "Chatbot"] == ["'=HYPERLINK(1)"]
    assert {line["cost_usd"] for line in lines} == {"7.50"}
    assert {line["actor"] for line in lines} == {"owner@acme.example"}
    (event,) = [event for event in events(acme) if event.action == "usage.exported"]
    assert event.after["rows"] == 2
    answer = by(acme.owner).get(f"{API}/usage.csv?project={acme.project.pk}")
    assert len(b"".join(answer).decode().splitlines()) == 2


def test_sums_by_api(acme: Tenant) -> None:
    use(acme)
    use(acme, model="o1", cost=9_000_000, outcome="allowed")
    use(acme, outcome="budget_exceeded", requests=5, cost=0, input_tokens=0, output_tokens=0)
    caller = by(acme.owner)
    total = caller.get(f"{API}/usage").json()["total"]
    assert total == {
        "requests": 11,
        "denied": 5,
        "input_tokens": 2_000,
        "cached_tokens": 0,
        "output_tokens": 1_000,
        "cost": 16_500_000,
    }
    for dimension, names in (
        ("model", ["o1", "gpt-4o"]),
        ("project", ["Chatbot"]),
        ("actor", ["owner@acme.example"]),
        ("api_key", [""]),
        ("outcome", ["allowed", "budget_exceeded"]),
    ):
        groups = caller.get(f"{API}/usage?group_by={dimension}").json()["groups"]
        assert [group["name"] for group in groups] == names
    days = caller.get(f"{API}/usage?group_by=day").json()["groups"]
    assert len(days) == 30
    assert days[-1]["figures"]["cost"] == 16_500_000
    assert caller.get(f"{API}/usage?since=2020-01-01T00:00:00Z").status_code == 422
    assert caller.get(f"{API}/usage?since=2030-01-01T00:00:00Z").status_code == 422


def test_limits_by_api(acme: Tenant) -> None:
    caller = by(acme.owner)
    body = {
        "subject_kind": "project",
        "subject": str(acme.project.pk),
        "metric": "cost",
        "window": "month",
        "amount": 5,
    }
    made = caller.post(f"{API}/usage-limits", body)
    assert made.status_code == 201
    path = f"{API}/usage-limits/{made.json()['id']}"
    assert caller.get(path).json() == made.json()
    assert caller.post(f"{API}/usage-limits", body).status_code == 409
    refused = caller.post(f"{API}/usage-limits", body | {"window": "minute"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/window")
    assert caller.patch(path, {"amount": 9, "is_enabled": False}).json()["amount"] == 9
    with tenant_scope(acme.organization):
        count(acme, UsageLimit.objects.get(), 8, str(acme.project.pk))
    assert caller.get(f"{path}/usage").json()["subjects"] == [
        {"subject": str(acme.project.pk), "name": "Chatbot", "used": 8, "amount": 9, "percent": 88}
    ]
    assert caller.delete(path).status_code == 204
    assert caller.get(path).status_code == 404


FORM = {"subject_kind": "project", "what": "cost month", "amount": "1,250.50", "is_enabled": "on"}


def test_a_limit_is_added_changed_switched_off_and_deleted(acme: Tenant) -> None:
    browser = signed_in(acme.owner)
    form = FORM | {"project": acme.project.slug}
    assert browser.post(f"{LIMITS}new/", form).status_code == 302
    with tenant_scope(acme.organization):
        limit = UsageLimit.objects.get()
    assert (limit.subject, limit.metric, limit.window, limit.amount) == (
        *(str(acme.project.pk), "cost", "month"),
        1_250_500_000,
    )
    text = page(acme.owner, LIMITS)
    assert "$1,250.50" in text
    assert "Chatbot" in text
    assert browser.post(f"{LIMITS}{limit.pk}/", {"amount": "2000"}).status_code == 302
    with tenant_scope(acme.organization):
        limit = UsageLimit.objects.get()
    assert (limit.amount, limit.is_enabled) == (2_000_000_000, False)
    assert "Off" in page(acme.owner, LIMITS)
    assert browser.post(f"{LIMITS}{limit.pk}/delete/", {}).status_code == 302
    assert actions(acme, "usage_limit") == ["usage_limit.created", "usage_limit.updated", "usage_limit.deleted"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"amount": "much"}, "Write an amount in US dollars"),
        ({"amount": "1.0000001"}, "Write an amount in US dollars"),
        ({"amount": "NaN"}, "Write an amount in US dollars"),
        ({"amount": "1e400"}, "Write an amount in US dollars"),
        ({"amount": "1.5", "what": "requests day"}, "Write a whole number"),
        ({"amount": "-1", "what": "requests day"}, "The amount is a number from 0"),
        ({"project": "nowhere"}, "There is no such project here"),
        ({"project": "00000000-0000-0000-0000-000000000001"}, "There is no such project here"),
        ({"subject_kind": "api_key", "api_key": "gatepk_nobody"}, "There is no such API key here"),
        ({"subject_kind": "actor", "actor": "nobody@acme.example"}, "There is no such user or service account here"),
        ({"subject_kind": "model", "model": "a b"}, "A model&#x27;s name has letters"),
    ],
)
def test_what_is_refused_stands_at_its_field(change: dict[str, str], said: str, acme: Tenant) -> None:
    response = signed_in(acme.owner).post(f"{LIMITS}new/", FORM | change)
    assert response.status_code == 422
    assert said in response.content.decode()


def suggestions(user: User, kind: str, typed: str = "", status: int = 200) -> dict[str, str]:
    """Return what the form suggests: names, and what they mean."""
    response = signed_in(user).get(f"{LIMITS}suggestions/{kind}/", {"typed": typed})
    assert response.status_code == status
    return {one["label"]: one["help"] for one in response.json()["options"]} if status == 200 else {}


def test_a_stranger_is_suggested_nobody(acme: Tenant, globex: Tenant, stranger: User) -> None:
    key = Keys(acme).project(name="Secret key").key
    with tenant_scope(acme.organization):
        secret = make_project(acme, "secret-plan")
    theirs = {"secret-plan", key.public_id, "owner@acme.example"}
    for kind in ("project", "api_key", "actor"):
        assert signed_in(stranger).get(f"{LIMITS}suggestions/{kind}/").status_code == 404
        answer = signed_in(stranger).get(f"/o/globex/llm/limits/suggestions/{kind}/").json()
        assert not theirs & {one["label"] for one in answer["options"]}
    named = {"project": (str(secret.pk), secret.slug), "api_key": (str(key.pk), key.public_id)}
    named["actor"] = (str(acme.owner.pk), acme.owner.email)
    for kind, texts in named.items():
        for text in texts:
            form = FORM | {"subject_kind": kind, kind: text}
            assert signed_in(stranger).post("/o/globex/llm/limits/new/", form).status_code == 422
    suggestions(acme.member, "project", status=403)
    suggestions(acme.owner, "model", status=404)


@pytest.mark.parametrize(
    ("kind", "typed", "found"),
    [
        ("project", "chat", ["chatbot"]),
        ("project", "CHATB", ["chatbot"]),
        ("project", "bot", []),
        ("actor", "memb", ["member@acme.example"]),
        ("actor", "no\x00body", []),
    ],
)
def test_who_is_named_is_found_by_the_beginning(kind: str, typed: str, found: list[str], acme: Tenant) -> None:
    assert list(suggestions(acme.owner, kind, typed)) == found


def test_no_list_is_so_long_that_somebody_is_not_found(acme: Tenant) -> None:
    keys = Keys(acme)
    late = [keys.project(name=f"Key {number:02}").key for number in range(12)][-1]
    assert len(suggestions(acme.owner, "api_key")) == 10
    assert suggestions(acme.owner, "api_key", "Key 11") == {late.public_id: "Key 11"}
    form = FORM | {"subject_kind": "api_key", "api_key": f"{late.public_id} "}
    assert signed_in(acme.owner).post(f"{LIMITS}new/", form).status_code == 302
    with tenant_scope(acme.organization):
        assert UsageLimit.objects.get().subject == str(late.pk)


def test_service_accounts_and_people_are_named_as_people_write_them(acme: Tenant) -> None:
    account = Keys(acme).account()
    for named, pk in (("MEMBER@acme.example", acme.member.pk), (account.name.upper(), account.pk)):
        form = FORM | {"subject_kind": "actor", "actor": named, "what": "tokens day", "amount": "10"}
        assert signed_in(acme.owner).post(f"{LIMITS}new/", form).status_code == 302
        with tenant_scope(acme.organization):
            assert UsageLimit.objects.filter(subject=str(pk)).exists()


def test_bars_show_the_fullest_by_name(acme: Tenant) -> None:
    limit = make(acme, subject_kind="actor", metric="tokens", window="month", amount=200)
    count(acme, limit, 190, str(acme.member.pk))
    count(acme, limit, 20, str(acme.viewer.pk))
    text = page(acme.owner, LIMITS)
    assert text.index("member@acme.example: 190") < text.index("viewer@acme.example: 20")
    assert "usage-meter-high" in text


def test_the_counters_away_is_said(acme: Tenant, settings: Any) -> None:
    make(acme)
    settings.COUNTER_URL = "redis://127.0.0.1:1/0"
    assert "The counters do not answer" in page(acme.owner, LIMITS)
    (limit,) = by(acme.owner).get(f"{API}/usage-limits").json()["data"]
    assert by(acme.owner).get(f"{API}/usage-limits/{limit['id']}/usage").json()["code"] == "counters_unavailable"


def test_operators_keep_prices(operator: User, acme: Tenant) -> None:
    browser = signed_in(operator)
    form = {
        "provider": "openai",
        "model": "gpt-9*",
        "input_dollars": "2.5",
        "cached_dollars": "0.25",
        "output_dollars": "10",
        "valid_from_0": "2026-01-01",
        "valid_from_1": "00:00:00",
    }
    assert browser.post("/admin/gateway/price/add/", form).status_code == 302
    price = Price.objects.get()
    assert (price.input, price.cached_input, price.output) == (2_500_000, 250_000, 10_000_000)
    assert "gpt-9*" in page(operator, "/admin/gateway/price/")
    assert "10.00" in page(operator, f"/admin/gateway/price/{price.pk}/change/")
    assert signed_in(acme.owner).get("/admin/gateway/price/").status_code in {302, 403}
    (shown,) = by(acme.viewer).get("/model-prices").json()["data"]
    assert (shown["model"], shown["input"]) == ("gpt-9*", 2_500_000)
    browser.post(reverse("operator:gateway_price_remove", args=[price.pk]))
    assert not Price.objects.exists()
