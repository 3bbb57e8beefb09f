"""The search field of the log: what each qualifier finds, the chart, days, and what happens at size."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from audit import histogram as histogram_module
from audit.histogram import histogram
from audit.models import Event
from audit.patience import TookTooLong, patience
from audit.query.times import Span
from isolation.scope import tenant_scope
from tests.api.calls import by
from tests.audit.events import write, write_many
from tests.audit.readers import reader_of_one_project
from tests.people import Tenant, make_project, signed_in

LOG = "/o/acme/audit/"
OPERATOR_LOG = "/admin/audit/"
DAY = datetime(2026, 10, 5, 12, tzinfo=UTC)


@pytest.fixture
def varied(acme: Tenant) -> Tenant:
    """Give acme events that differ in everything that can be asked for."""
    pk = acme.organization.pk
    write(pk, time=DAY, target_label="one", action="api_key.created", target_type="API key", ip="203.0.113.7")
    write(pk, time=DAY + timedelta(days=1), target_label="two", outcome="denied", ip="203.0.114.7", via="api")
    write(pk, time=DAY + timedelta(days=2), target_label="three", outcome="failed", request_id="r-3", session="s-3")
    write(pk, time=DAY + timedelta(days=3), target_label="four", actor_label="Deploy Key", actor_kind="api_key")
    write(pk, time=DAY + timedelta(days=4), target_label="five", project_id=acme.project.pk, ip="2001:db8::7")
    write(pk, time=DAY + timedelta(days=5), target_label="a, b", actor_id=acme.owner.pk, target_id="t-6")
    return acme


def found(client: Client, query: str, log: str = LOG) -> set[str]:
    """Return the targets that a query finds among the fixture's."""
    response = client.get(f"{log}?{urlencode({'q': query})}")
    assert response.status_code == 200, response.context["form"].errors
    return {event.target_label for event in response.context["events"]} & {
        "one",
        "two",
        "three",
        "four",
        "five",
        "a, b",
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("actor:ada@acme.example", {"one", "two", "three", "five", "a, b"}),
        ("actor:ADA@acme.example time:2026-10-05", {"one"}),
        ("actor:ada", set()),
        ("actor:ada*", {"one", "two", "three", "five", "a, b"}),
        ('actor:"Deploy Key"', {"four"}),
        ("-actor:ada* target:four,five", {"four"}),
        ("action:api_key.created", {"one"}),
        ("action:api_key.* ada", {"one"}),
        ("-action:member.* ada time:2026-10", {"one"}),
        ("target:one,two", {"one", "two"}),
        ("target:t*", {"two", "three"}),
        ('target:"a, b"', {"a, b"}),
        ("target:t-6", {"a, b"}),
        ("project:chatbot", {"five"}),
        ("project:Chat* ada", {"five"}),
        ("outcome:denied,failed", {"two", "three"}),
        ("-outcome:success", {"two", "three"}),
        ("-outcome:denied,failed,success", set()),
        ("ip:203.0.113.7", {"one"}),
        ("ip:203.0.113.0/24", {"one"}),
        ("ip:203.0.0.0/16", {"one", "two"}),
        ("ip:2001:db8::/32", {"five"}),
        ("-ip:203.0.0.0/16 ada time:2026-10", {"three", "five", "a, b"}),
        ("via:api time:2026-10", {"two"}),
        ('type:"api key" time:2026-10', {"one"}),
        ("type:api* time:2026-10", {"one"}),
        ("request:r-3", {"three"}),
        ("session:s-3", {"three"}),
        ("time:2026-10-06..2026-10-07", {"two", "three"}),
        ("time:>2026-10-08 time:<2026-10-10", {"five"}),
        ("fo", {"four"}),
        ("dep", set()),
        ("Dep", {"four"}),
        ("-t outcome:denied,failed", set()),
        ("%", set()),
        ("_wo", set()),
    ],
)
def test_what_a_query_finds(varied: Tenant, query: str, expected: set[str]) -> None:
    assert found(signed_in(varied.owner), query) == expected


def test_ids_are_taken_for_ids(varied: Tenant) -> None:
    client = signed_in(varied.owner)
    assert found(client, f"actor:{varied.owner.pk}") == {"a, b"}
    assert found(client, f"project:{varied.project.pk}") == {"five"}


def test_the_api_and_the_export_take_the_same_language(varied: Tenant) -> None:
    caller = by(varied.auditor)
    rows = caller.get(f"/organizations/acme/audit-events?{urlencode({'q': 'target:t* outcome:failed'})}").json()["data"]
    assert [row["target_label"] for row in rows] == ["three"]
    address = f"{LOG}export/?{urlencode({'q': 'target:t* outcome:failed'})}"
    sent = signed_in(varied.auditor).post(address, {"format": "jsonl"}).getvalue()
    assert sent.count(b"\n") == 1
    assert b'"three"' in sent
    with tenant_scope(varied.organization):
        told = Event.objects.get(action="audit_log.exported").after["filter"]
    assert told == {"query": "target:t* outcome:failed"}


@pytest.mark.parametrize("query", ["outcom:denied", 'actor:"', "via:api", "project:support-bot", "organization:globex"])
def test_the_api_says_what_is_wrong(acme: Tenant, globex: Tenant, query: str) -> None:
    answer = by(acme.auditor).get(f"/organizations/acme/audit-events?{urlencode({'q': query})}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["parameter"] == "q"


def test_the_page_says_what_is_wrong(acme: Tenant) -> None:
    response = signed_in(acme.owner).get(f"{LOG}?q=outcom:denied")
    assert response.status_code == 422
    assert "There is no qualifier “outcom”" in response.content.decode()
    assert "events" not in response.context


def test_what_no_index_answers_says_that_it_is_limited(acme: Tenant) -> None:
    client = signed_in(acme.owner)
    assert b"Only the last 90 days were searched" in client.get(f"{LOG}?q=via:console").content
    assert b"Only the last 90 days" in client.get(f"{LOG}export/?q=via:console").content
    assert b"Only the last" not in client.get(f"{LOG}?q=via:console&range=7d").content


# Who finds what ----------------------------------------------------------------------------------


def test_a_query_finds_nothing_of_another_organization(acme: Tenant, globex: Tenant) -> None:
    pk = globex.organization.pk
    secret = write(
        pk, target_label="one", request_id="r-1", session="s-1", ip="203.0.113.7", project_id=globex.project.pk
    )
    client = signed_in(acme.owner)
    for query in ("one", "request:r-1", "session:s-1", "ip:203.0.113.7", "target:one", f"project:{globex.project.pk}"):
        assert found(client, query) == set()
    assert str(secret.pk) not in client.get(LOG).content.decode()
    assert client.get(f"{LOG}?q=organization:globex").status_code == 422


def test_a_reader_of_one_project_finds_its_events_alone(acme: Tenant) -> None:
    reader = reader_of_one_project(acme)
    with tenant_scope(acme.organization):
        other = make_project(acme, "other")
    pk = acme.organization.pk
    write(pk, target_label="one", project_id=acme.project.pk, request_id="r-1")
    write(pk, target_label="two", project_id=other.pk, request_id="r-1", outcome="denied")
    write(pk, target_label="three", request_id="r-1", outcome="failed")
    client = signed_in(reader)
    assert found(client, "request:r-1") == {"one"}
    assert found(client, "ada") == {"one"}
    assert found(client, f"project:{other.pk}") == set()
    assert client.get(f"{LOG}?q=project:other").status_code == 422
    chart = client.get(f"{LOG}?q=request:r-1").context["chart"]
    assert [piece.outcome for column in chart.columns for piece in column.pieces] == ["success"]


def test_operators_search_one_log_or_all(acme: Tenant, globex: Tenant, operator: User) -> None:
    write(acme.organization.pk, target_label="one", request_id="r-1")
    write(globex.organization.pk, target_label="two", request_id="r-1")
    client = signed_in(operator)
    assert found(client, "request:r-1", OPERATOR_LOG) == {"one", "two"}
    assert found(client, "request:r-1 organization:globex", OPERATOR_LOG) == {"two"}
    assert found(client, "-organization:globex request:r-1", OPERATOR_LOG) == {"one"}
    assert b"Only the last 90 days" in client.get(f"{OPERATOR_LOG}?q=actor:ada*").content


# The chart ---------------------------------------------------------------------------------------


def test_the_chart_counts_each_event_once_and_its_bars_narrow_the_time(varied: Tenant) -> None:
    client = signed_in(varied.owner)
    context = client.get(f"{LOG}?q=time:2026-10-05..2026-10-11").context
    labels = [column.label for column in context["chart"].columns if column.pieces]
    assert len(labels) == 6
    assert "2026-10-06 12:00 to 18:00 UTC: 1 event, 1 denied" in labels
    urls = [column.url for column in context["chart"].columns if column.url]
    assert [len(client.get(f"{LOG}{url}").context["events"]) for url in urls] == [1] * 6


def test_the_chart_is_bounded_and_says_where_it_stopped(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histogram_module, "BUDGET", 96)
    write_many(acme.organization.pk, 8, target_label="many")
    write(acme.organization.pk, ago=timedelta(days=20), outcome="failed")
    with acme.acting("owner"):
        events = Event.objects.filter(actor_label="ada@acme.example")
        found = histogram(events, Span(), few=False)
        exact = histogram(events, Span(), few=True)
    assert found.cap == 96 // len(found.bars)
    assert found.highest == found.cap
    assert found.is_capped
    assert sum(bar.counts["failed"] for bar in found.bars) == 1
    assert sum(bar.total for bar in exact.bars) == 9
    assert not exact.is_capped


@pytest.mark.parametrize(
    "query", ["time:2026-10-05", "time:<2020-01", "time:1970-01", "time:>9990-01", "time:..9998-12"]
)
def test_the_chart_of_any_time_is_drawn_or_left_out(varied: Tenant, query: str) -> None:
    assert signed_in(varied.owner).get(f"{LOG}?{urlencode({'q': query})}").status_code == 200


# Days and depth ----------------------------------------------------------------------------------


def test_jumping_to_a_day_shows_its_end_and_pages_on(varied: Tenant) -> None:
    client = signed_in(varied.owner)
    page = client.get(f"{LOG}?q=ada&at=2026-10-07").context
    assert [event.target_label for event in page["events"]] == ["three", "two", "one"]
    newer = client.get(f"{LOG}{page['newer_url']}").context["events"]
    assert [event.target_label for event in newer] == ["a, b", "five"]
    assert "place" not in page
    for nonsense in ("tomorrow", "9999-12-31", "0001-01-01", "2026-02-30", "x\x00"):
        assert client.get(f"{LOG}?{urlencode({'at': nonsense})}").status_code == 200


def test_the_number_of_statements_is_the_same_for_every_query(acme: Tenant, operator: User) -> None:
    write_many(acme.organization.pk, 3, project_id=acme.project.pk)
    client = signed_in(acme.owner)
    queries = ("ada", "ada outcome:success -via:api ip:10.0.0.0/8", "actor:ada* target:grace*")
    few = [statements(client, f"{LOG}?{urlencode({'q': query})}") for query in queries]
    write_many(acme.organization.pk, 60, project_id=acme.project.pk)
    many = [statements(client, f"{LOG}?{urlencode({'q': query})}") for query in queries]
    assert few == many
    across = signed_in(operator)
    few_across = statements(across, f"{OPERATOR_LOG}?q=ada")
    write_many(acme.organization.pk, 60)
    assert statements(across, f"{OPERATOR_LOG}?q=ada") == few_across


def statements(client: Client, url: str) -> int:
    """Return how many statements a page takes, on both roles."""
    client.get(url)
    with CaptureQueriesContext(connections["default"]) as app, CaptureQueriesContext(connections["operator"]) as wide:
        assert client.get(url).status_code == 200
    return len(app) + len(wide)


def test_a_search_that_takes_too_long_is_given_up_and_the_page_says_so(
    acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    with acme.acting("owner"), connections["default"].cursor() as cursor:
        with pytest.raises(TookTooLong), patience(20):
            cursor.execute("SELECT pg_sleep(5)")
        cursor.execute("SELECT current_setting('statement_timeout')")  # the transaction goes on
        assert cursor.fetchone() == ("0",)

    def slow(*arguments: Any, **options: Any) -> Any:
        raise TookTooLong

    monkeypatch.setattr("audit.admin.log.chart_of", slow)
    assert b"would take too long" in signed_in(acme.owner).get(LOG).content
    monkeypatch.setattr("audit.admin.log.capped_count", slow)
    assert b"given up after ten seconds" in signed_in(acme.owner).get(LOG).content
