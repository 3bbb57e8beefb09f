"""The audit log on both consoles: who sees which events, filters, paging, one event."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from audit.models import Event
from tenants.permissions import BuiltinRole
from tenants.services import exceptions as exception_services
from tenants.services.members import set_project_role
from tests.audit.events import write, write_many
from tests.people import Tenant, make_project, signed_in

LOG = "/o/acme/audit/"
OPERATOR_LOG = "/admin/audit/"


def labels(response: Any) -> list[str]:
    """Return the targets of the listed events."""
    assert response.status_code == 200, response.status_code
    return [event.target_label for event in response.context["events"]]


# Strangers ---------------------------------------------------------------------------------------


def test_a_stranger_does_not_find_the_log(acme: Tenant, stranger: User) -> None:
    event = write(acme.organization.pk)
    client = signed_in(stranger)

    for url in (LOG, f"{LOG}export/", f"{LOG}{event.pk}/"):
        assert client.get(url).status_code == 404
    assert client.post(f"{LOG}export/", {"format": "csv"}).status_code == 404


def test_an_event_of_another_organization_does_not_exist(acme: Tenant, globex: Tenant) -> None:
    foreign = write(globex.organization.pk, target_label="secret of globex")
    client = signed_in(acme.owner)

    assert client.get(f"{LOG}{foreign.pk}/").status_code == 404
    assert client.get(f"{LOG}{uuid4()}/").status_code == 404
    listed = client.get(LOG)
    assert b"secret of globex" not in listed.content
    for query in (f"organization={globex.organization.slug}", "log=installation", f"project={globex.project.pk}"):
        assert b"secret of globex" not in client.get(f"{LOG}?{query}").content


def test_an_event_of_the_installation_does_not_exist_for_a_tenant(acme: Tenant) -> None:
    event = write(None, target_label="of the installation")
    client = signed_in(acme.owner)

    assert client.get(f"{LOG}{event.pk}/").status_code == 404
    assert "of the installation" not in labels(client.get(LOG))


def test_nobody_but_operators_opens_the_operator_console(acme: Tenant) -> None:
    client = signed_in(acme.owner)

    for url in ("/admin/", OPERATOR_LOG, f"{OPERATOR_LOG}export/"):
        assert client.get(url).status_code == 403
    assert Client().get(OPERATOR_LOG).status_code == 302


def test_an_operator_without_a_visit_does_not_open_an_organization(acme: Tenant, operator: User) -> None:
    assert signed_in(operator).get(LOG).status_code == 404


# Who reads it ------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["owner", "admin", "auditor"])
def test_it_is_read_by(acme: Tenant, who: str) -> None:
    event = write(acme.organization.pk)
    client = signed_in(acme.people[who])

    assert event.target_label in labels(client.get(LOG))
    assert client.get(f"{LOG}{event.pk}/").status_code == 200
    assert LOG.encode() in client.get("/o/acme/").content


@pytest.mark.parametrize("who", ["member", "viewer", "none"])
def test_it_is_not_read_by(acme: Tenant, who: str) -> None:
    event = write(acme.organization.pk)
    client = signed_in(acme.people[who])

    for url in (LOG, f"{LOG}{event.pk}/", f"{LOG}export/"):
        assert client.get(url).status_code == 403
    assert LOG.encode() not in client.get("/o/acme/").content
    with acme.acting("owner"):
        denied = Event.objects.filter(action="access.denied", actor_label=acme.people[who].email)
        assert denied.count() == 3


def test_a_role_in_one_project_shows_that_project_only(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        other = make_project(acme, "other")
        role = acme.role(BuiltinRole.AUDITOR)
        set_project_role(membership=acme.membership("viewer"), project=acme.project, role=role, actor=actor)
    pk = acme.organization.pk
    mine = write(pk, project_id=acme.project.pk, target_label="mine")
    hidden = [write(pk, project_id=other.pk, target_label="other"), write(pk, target_label="of the organization")]
    client = signed_in(acme.viewer)

    assert "mine" in labels(client.get(LOG))
    assert {event.project_id for event in client.get(LOG).context["events"]} == {acme.project.pk}
    assert client.get(f"{LOG}{mine.pk}/").status_code == 200
    assert LOG.encode() in client.get("/o/acme/").content
    for event in hidden:
        assert client.get(f"{LOG}{event.pk}/").status_code == 404
    assert labels(client.get(f"{LOG}?project={other.pk}")) == []


def test_an_exception_in_one_project_shows_that_project_only(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        exception_services.grant_to_member(
            project=acme.project, membership=acme.membership("member"), permission="audit_log:read", actor=actor
        )
    write(acme.organization.pk, project_id=acme.project.pk, target_label="mine")
    write(acme.organization.pk, target_label="of the organization")
    client = signed_in(acme.member)

    assert "mine" in labels(client.get(LOG))
    assert "of the organization" not in labels(client.get(LOG))
    assert client.get(f"{LOG}export/").status_code == 403


def test_a_role_in_a_project_can_hide_its_events(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        role = acme.role(BuiltinRole.NONE)
        set_project_role(membership=acme.membership("auditor"), project=acme.project, role=role, actor=actor)
    hidden = write(acme.organization.pk, project_id=acme.project.pk, target_label="hidden")
    write(acme.organization.pk, target_label="of the organization")
    client = signed_in(acme.auditor)

    assert "of the organization" in labels(client.get(LOG))
    assert "hidden" not in labels(client.get(LOG))
    assert client.get(f"{LOG}{hidden.pk}/").status_code == 404


# Filters -----------------------------------------------------------------------------------------


@pytest.fixture
def varied(acme: Tenant) -> Tenant:
    """Give acme events that differ in everything that can be filtered."""
    pk = acme.organization.pk
    with_id = {"actor_id": acme.admin.pk, "target_id": str(acme.viewer.pk)}
    write(pk, ago=timedelta(days=20), target_label="old")
    write(pk, ago=timedelta(days=3), target_label="recent", actor_label="Ada Key", actor_kind="api_key")
    write(pk, ago=timedelta(hours=2), target_label="new", action="role.created", outcome="denied")
    write(pk, ago=timedelta(hours=1), target_label="newest", project_id=acme.project.pk, request_id="r-1", **with_id)
    return acme


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("actor=ada@acme.example&action=member.added", {"old", "newest"}),
        ("actor=ADA@&action=member.*", {"old", "newest"}),
        ("actor=Ada", {"old", "recent", "new", "newest"}),
        ("actor=Ada+K", {"recent"}),
        ("actor=da@acme", set()),
        ("actor=%25", set()),
        ("action=role.created", {"new"}),
        ("outcome=denied", {"new"}),
        ("target=recent", {"recent"}),
        ("target=recen", set()),
        ("request=r-1", {"newest"}),
    ],
)
def test_filters(varied: Tenant, query: str, expected: set[str]) -> None:
    found = labels(signed_in(varied.owner).get(f"{LOG}?{query}"))

    assert {label for label in found if label in {"old", "recent", "new", "newest"}} == expected


def test_filters_by_ids(varied: Tenant) -> None:
    client = signed_in(varied.owner)

    for query in (f"actor_id={varied.admin.pk}", f"target={varied.viewer.pk}"):
        assert labels(client.get(f"{LOG}?{query}")) == ["newest"]
    assert "newest" in labels(client.get(f"{LOG}?project={varied.project.pk}"))
    assert "recent" not in labels(client.get(f"{LOG}?project={varied.project.pk}"))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("range=24h", {"new", "newest"}),
        ("range=7d", {"recent", "new", "newest"}),
        ("range=30d", {"old", "recent", "new", "newest"}),
        ("range=", {"old", "recent", "new", "newest"}),
    ],
)
def test_time_ranges(varied: Tenant, query: str, expected: set[str]) -> None:
    found = labels(signed_in(varied.owner).get(f"{LOG}?{query}"))

    assert {label for label in found if label in {"old", "recent", "new", "newest"}} == expected


def test_a_custom_range_is_meant_in_the_named_zone(acme: Tenant) -> None:
    noon = timezone.now().replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
    write(acme.organization.pk, time=noon, target_label="at noon UTC")
    client = signed_in(acme.owner)
    day = f"{noon:%Y-%m-%d}"

    inside = f"range=custom&tz=Asia/Tokyo&since={day}T20:59&until={day}T21:01"
    outside = f"range=custom&tz=UTC&since={day}T20:59&until={day}T21:01"
    assert labels(client.get(f"{LOG}?{inside}")) == ["at noon UTC"]
    assert labels(client.get(f"{LOG}?{outside}")) == []


@pytest.mark.parametrize(
    "query",
    [
        "tz=Mars/Olympus",
        "tz=../etc",
        "since=yesterday",
        "actor_id=7",
        "project=x",
        "action=no.such",
        "actor=a%00b",
        "range=custom&since=2026-11-02T10:00&until=2026-11-01T10:00",
    ],
)
def test_a_filter_that_cannot_be_meant_shows_no_events(acme: Tenant, query: str) -> None:
    response = signed_in(acme.owner).get(f"{LOG}?{query}")

    assert response.status_code == 422
    assert "events" not in response.context
    assert b'role="alert"' in response.content


# Paging ------------------------------------------------------------------------------------------


def test_paging_keeps_the_filter_and_shows_every_event_once(acme: Tenant) -> None:
    write_many(acme.organization.pk, 120, action="role.created", target_label="wanted")
    client = signed_in(acme.owner)
    seen, pages = [], 0
    response = client.get(f"{LOG}?action=role.created&actor=ada")
    while True:
        seen += [event.pk for event in response.context["events"]]
        assert set(labels(response)) == {"wanted"}
        pages += 1
        if not response.context["older_url"]:
            break
        response = client.get(f"{LOG}{response.context['older_url']}")

    assert (pages, len(seen), len(set(seen))) == (3, 120, 120)
    back = client.get(f"{LOG}{response.context['newer_url']}")
    assert [event.pk for event in back.context["events"]] == seen[50:100]


def test_the_count_is_capped(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.admin.log.capped_count", lambda _: (10_000, True))

    assert b"10,000+" in signed_in(acme.owner).get(LOG).content


def test_the_number_of_queries_does_not_grow(acme: Tenant, globex: Tenant, operator: User) -> None:
    tenant, across = signed_in(acme.owner), signed_in(operator)
    client_and_url = [(tenant, f"{LOG}?range=30d"), (across, OPERATOR_LOG)]
    write_many(acme.organization.pk, 5)
    few = [queries(client, url) for client, url in client_and_url]
    write_many(acme.organization.pk, 100, project_id=acme.project.pk)
    write_many(globex.organization.pk, 100)
    many = [queries(client, url) for client, url in client_and_url]

    assert [len(found) for found in few] == [len(found) for found in many]
    assert not [sql for found in many for sql in found if "OFFSET" in sql]


def queries(client: Client, url: str) -> list[str]:
    """Return the statements of a page, on both roles."""
    client.get(url)
    with CaptureQueriesContext(connections["default"]) as app, CaptureQueriesContext(connections["operator"]) as wide:
        assert client.get(url).status_code == 200
    return [query["sql"] for query in (*app.captured_queries, *wide.captured_queries)]


# One event ---------------------------------------------------------------------------------------


def test_an_event_shows_everything_and_escapes_it(acme: Tenant) -> None:
    event = write(
        acme.organization.pk,
        actor_id=acme.owner.pk,
        target_id="t-1",
        target_label="<script>alert(1)</script>",
        before={"name": "Old", "custom_permissions": ["a", "b"], "gone": 1},
        after={"name": "<b>New</b>", "custom_permissions": ["b", "c"], "is_active": True},
        reason="Because <i>",
        request_id="req-12345678",
        ip="192.0.2.7",
        user_agent="Agent",
    )
    page = signed_in(acme.owner).get(f"{LOG}{event.pk}/").content.decode()

    assert "<script>alert(1)" not in page
    assert "<b>New" not in page
    assert "Because &lt;i&gt;" in page
    for text in ("192.0.2.7", "req-12345678", "Agent", str(event.pk), "t-1"):
        assert text in page
    assert page.count("<del") == 3
    assert page.count("<ins") == 3


def test_the_links_of_an_event_find_it_and_its_kin(acme: Tenant) -> None:
    shared = {"actor_id": acme.owner.pk, "target_id": str(uuid4()), "request_id": "req-12345678"}
    event = write(acme.organization.pk, **shared, ago=timedelta(hours=5))
    write(acme.organization.pk, ago=timedelta(hours=5), target_label="unrelated")
    client = signed_in(acme.owner)
    links = dict(client.get(f"{LOG}{event.pk}/").context["same"])

    assert list(links) == ["Same actor", "Same target", "Same request"]
    for url in links.values():
        found = [row.pk for row in client.get(url).context["events"]]
        assert event.pk in found
        assert "unrelated" not in labels(client.get(url))


def test_an_empty_log_says_what_will_stand_here(acme: Tenant) -> None:
    response = signed_in(acme.owner).get(f"{LOG}?actor=nobody")

    assert labels(response) == []
    assert b"No event matches" in response.content


# Operators ---------------------------------------------------------------------------------------


def test_operators_read_every_log_and_narrow_it_to_one(acme: Tenant, globex: Tenant, operator: User) -> None:
    write(acme.organization.pk, target_label="of acme")
    write(globex.organization.pk, target_label="of globex")
    write(None, target_label="of the installation")
    client = signed_in(operator)

    assert {"of acme", "of globex", "of the installation"} <= set(labels(client.get(OPERATOR_LOG)))
    only = client.get(f"{OPERATOR_LOG}?organization=acme")
    assert {event.organization_label for event in only.context["events"]} == {"acme"}
    installation = client.get(f"{OPERATOR_LOG}?log=installation")
    assert {event.organization_id for event in installation.context["events"]} == {None}
    assert client.get(f"{OPERATOR_LOG}?organization=nowhere").status_code == 422


def test_operators_read_the_log_of_an_organization_that_is_gone(operator: User) -> None:
    gone = uuid4()
    event = write(gone, target_label="the last of it")
    client = signed_in(operator)

    assert labels(client.get(f"{OPERATOR_LOG}?organization={gone}")) == ["the last of it"]
    assert str(gone).encode() in client.get(f"{OPERATOR_LOG}{event.pk}/").content


def test_reading_across_organizations_is_itself_in_the_log(acme: Tenant, operator: User) -> None:
    signed_in(operator).get(OPERATOR_LOG)

    client = signed_in(operator)
    reasons = [event.reason for event in client.get(f"{OPERATOR_LOG}?log=installation&reads=1").context["events"]]
    assert any("GET /admin/audit/" in reason for reason in reasons)


def test_operators_see_their_own_reading_when_they_ask(acme: Tenant, operator: User) -> None:
    client = signed_in(operator)
    client.get(OPERATOR_LOG)

    def listed(query: str) -> set[str]:
        return {event.action for event in client.get(f"{OPERATOR_LOG}?{query}").context["events"]}

    read = "operator.scope_entered"
    assert read not in listed("")
    assert read in listed("reads=1")
    assert listed(f"action={read}") == {read}
    shut = client.get(f"{OPERATOR_LOG}?outcome=success").content.decode()
    assert 'href="?outcome=success&amp;reads=1">Show reads</a>' in shut
    shown = client.get(f"{OPERATOR_LOG}?outcome=success&reads=1").content.decode()
    assert 'href="?outcome=success">Hide reads</a>' in shown
    assert '<input type="hidden" name="reads" value="1"' in shown  # the next filter keeps it
    assert "Show reads" not in signed_in(acme.owner).get(LOG).content.decode()


def test_the_texts_of_a_form_are_no_event(operator: User) -> None:
    client = signed_in(operator)
    assert client.get("/admin/jsi18n/").status_code == 200

    reasons = [event.reason for event in client.get(f"{OPERATOR_LOG}?reads=1").context["events"]]
    assert not [reason for reason in reasons if "jsi18n" in reason]


def test_the_project_filter_offers_the_projects_that_the_actor_may_read(acme: Tenant, globex: Tenant) -> None:
    gone = uuid4()
    page = signed_in(acme.auditor).get(f"{LOG}?project={gone}").content.decode()

    assert f'<option value="{acme.project.pk}">Chatbot</option>' in page
    assert f'<option value="{gone}" selected>' in page
    assert str(globex.project.pk) not in page
