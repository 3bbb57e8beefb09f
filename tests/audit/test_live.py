"""Following the log, also past what commits late, and how a query may go on."""

from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from django.core import signing
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from tests import database
from tests.audit.events import write, write_many
from tests.audit.readers import reader_of_one_project
from tests.people import Tenant, signed_in

LOG = "/o/acme/audit/"
OPERATOR_LOG = "/admin/audit/"
INSERT = """
INSERT INTO audit_event (id, time, organization_id, actor_kind, actor_label, via, action, outcome, target_type,
                         target_id, target_label, project_label, before, after, reason, request_id, session, user_agent)
VALUES (gen_random_uuid(), clock_timestamp(), %s, 'user', 'ada@acme.example', 'console', 'member.added', 'success',
        'member', '', %s, '', '{}', '{}', '', '', '', '')
"""


class Follower:
    """A page that follows."""

    def __init__(self, client: Client, query: str = "", log: str = LOG) -> None:
        self.client, self.query, self.log = client, query, log
        self.place = client.get(f"{log}?{urlencode({'q': query})}").context["place"]

    def ask(self) -> Any:
        address = f"{self.log}new/?{urlencode({'q': self.query, 'place': self.place})}"
        answer = self.client.get(address)
        assert answer.status_code == 200, answer.content
        self.place = answer.json()["place"]
        return answer.json()


@pytest.fixture
def slow(acme: Tenant):
    """Yield a second connection whose transaction has begun, and written an event that is not committed."""
    dsn = database.server().dsn(user="gatehouse_app", database=database.worker_database())
    with psycopg.connect(dsn) as connection:
        connection.execute("SELECT set_config('app.organization', %s, true)", [str(acme.organization.pk)])
        connection.execute(INSERT, [acme.organization.pk, "committed late"])
        yield connection
        connection.rollback()


def test_an_event_that_commits_late_is_not_missed(acme: Tenant, slow: psycopg.Connection) -> None:
    follower = Follower(signed_in(acme.owner))
    write(acme.organization.pk, target_label="committed early")
    first = follower.ask()
    assert "committed early" in first["rows"]
    assert "committed late" not in first["rows"]
    slow.commit()
    second = follower.ask()
    assert "committed late" in second["rows"]
    assert "committed early" not in second["rows"]
    assert follower.ask()["count"] == 0


def test_what_is_rolled_back_never_comes(acme: Tenant, slow: psycopg.Connection) -> None:
    follower = Follower(signed_in(acme.owner))
    slow.rollback()
    assert follower.ask()["count"] == 0


def test_only_what_passes_the_filter_comes_each_once(acme: Tenant) -> None:
    follower = Follower(signed_in(acme.owner), "outcome:denied")
    write(acme.organization.pk, target_label="fine")
    write(acme.organization.pk, target_label="refused", outcome="denied")
    answer = follower.ask()
    assert answer["count"] == 1
    assert "refused" in answer["rows"]
    assert "fine" not in answer["rows"]
    assert follower.ask() == {"rows": "", "count": 0, "more": False, "place": follower.place}


def test_more_than_fits_is_said(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.tail.MOST", 2)
    follower = Follower(signed_in(acme.owner))
    write_many(acme.organization.pk, 3)
    answer = follower.ask()
    assert (answer["count"], answer["more"]) == (2, True)


@pytest.mark.parametrize(
    "place",
    ["", "nonsense", "1:1:", signing.dumps("1:1:", salt="something else"), signing.dumps("1:1:")],
    ids=["none", "nonsense", "not signed", "signed for something else", "signed without a purpose"],
)
def test_a_place_that_was_not_made_here_starts_anew(acme: Tenant, place: str) -> None:
    answer = signed_in(acme.owner).get(f"{LOG}new/?{urlencode({'place': place})}")
    assert (answer.status_code, answer.json()) == (422, {"detail": "Load the page again."})


def test_a_page_of_a_day_ago_starts_anew(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    follower = Follower(signed_in(acme.owner))
    monkeypatch.setattr("audit.tail._LATE", -1)
    assert signed_in(acme.owner).get(f"{LOG}new/?place={follower.place}").status_code == 422


def test_a_filter_that_cannot_be_meant_is_refused(acme: Tenant) -> None:
    follower = Follower(signed_in(acme.owner))
    assert follower.client.get(f"{LOG}new/?q=x:y&place={follower.place}").status_code == 422


def test_following_takes_the_same_number_of_statements(acme: Tenant) -> None:
    follower = Follower(signed_in(acme.owner))

    def statements() -> int:
        with CaptureQueriesContext(connections["default"]) as queries:
            follower.ask()
        return len(queries)

    few = statements()
    write_many(acme.organization.pk, 20)
    assert statements() == few


# Strangers ---------------------------------------------------------------------------------------


def test_a_stranger_is_told_nothing(acme: Tenant, globex: Tenant, stranger: User) -> None:
    write(acme.organization.pk, actor_label="secret@acme.example", target_label="secret@acme.example")
    mine = Follower(signed_in(stranger), log="/o/globex/audit/")
    for address in (f"{LOG}new/?place={mine.place}", f"{LOG}suggestions/?typed=actor:sec"):
        assert mine.client.get(address).status_code == 404
    write(acme.organization.pk, target_label="secret@acme.example")
    assert mine.ask()["count"] == 0
    # A place of the one organization shows nothing of it in the other.
    place = Follower(signed_in(acme.owner)).place
    write(acme.organization.pk, target_label="secret@acme.example")
    assert "secret" not in mine.client.get(f"/o/globex/audit/new/?place={place}").content.decode()
    for typed in ("actor:sec", "target:sec", "sec", "project:", "organization:ac"):
        assert suggested(mine.client, typed, "/o/globex/audit/") & {
            "actor:secret@acme.example ",
            "project:chatbot ",
        } in (
            set(),
            {"project:chatbot "},  # its own project is called the same
        )


@pytest.mark.parametrize("who", ["member", "viewer", "none"])
def test_who_does_not_read_the_log_is_refused(acme: Tenant, who: str) -> None:
    client = signed_in(acme.people[who])
    for address in ("new/", "suggestions/?typed=actor:a"):
        assert client.get(f"{LOG}{address}").status_code == 403


def test_a_reader_of_one_project_follows_and_is_suggested_its_events_alone(acme: Tenant) -> None:
    reader = reader_of_one_project(acme)
    pk = acme.organization.pk
    write(pk, project_id=acme.project.pk, actor_label="inside@acme.example")
    write(pk, actor_label="inquisitor@acme.example")
    follower = Follower(signed_in(reader))
    assert suggested(follower.client, "actor:in") == {"actor:inside@acme.example "}
    write(pk, project_id=acme.project.pk, target_label="inside")
    write(pk, target_label="outside")
    answer = follower.ask()
    assert answer["count"] == 1
    assert "outside" not in answer["rows"]


def test_nobody_but_operators_is_answered_across_organizations(acme: Tenant, globex: Tenant, operator: User) -> None:
    assert signed_in(acme.owner).get(f"{OPERATOR_LOG}suggestions/?typed=actor:a").status_code == 403
    follower = Follower(signed_in(operator), log=OPERATOR_LOG)
    write(globex.organization.pk, target_label="of globex", actor_label="gil@globex.example")
    assert "of globex" in follower.ask()["rows"]
    assert suggested(follower.client, "actor:gil", OPERATOR_LOG) == {"actor:gil@globex.example "}
    assert suggested(follower.client, "organization:gl", OPERATOR_LOG) == {"organization:globex "}


# Suggestions -------------------------------------------------------------------------------------


def suggested(client: Client, typed: str, log: str = LOG) -> set[str]:
    """Return what may take the place of the unfinished word."""
    answer = client.get(f"{log}suggestions/?{urlencode({'typed': typed})}")
    assert answer.status_code == 200
    return {option["text"] for option in answer.json()["options"]}


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", "actor:"),
        ("outcome:denied ac", "action:"),
        ("-ac", "-actor:"),
        ("OUT", "outcome:"),
        ("outcome:", "outcome:denied "),
        ("outcome:denied,f", "outcome:denied,failed "),
        ("-via:s", "-via:scim "),
        ("action:member.ro", "action:member.role_changed "),
        ("action:api_k", "action:api_key.* "),
        ("action:role", "action:member.role_changed "),
        ("time:7", "time:7d "),
        ("project:chat", "project:chatbot "),
        ("type:api", 'type:"API key" '),
        ("actor:Dep", 'actor:"Deploy Key" '),
        ('actor:"Deploy K', 'actor:"Deploy Key" '),
        ("actor:ADA@", "actor:ada@acme.example "),
        ("ada", "actor:ada@acme.example "),
        ("target:grace", "target:grace@acme.example "),
    ],
)
def test_suggestions(acme: Tenant, typed: str, expected: str) -> None:
    write_many(acme.organization.pk, 3)
    write(acme.organization.pk, actor_label="Deploy Key")
    assert expected in suggested(signed_in(acme.owner), typed)


@pytest.mark.parametrize("typed", ["x:", "x" * 501, "a\x00", '"', "actor:%", "-time", "ip:1", ":::", "actor:a,b,"])
def test_what_cannot_go_on_is_no_error(acme: Tenant, typed: str) -> None:
    assert suggested(signed_in(acme.owner), typed) <= {"ip:", "time:"}


def test_the_place_of_the_unfinished_word_is_told(acme: Tenant) -> None:
    answer = signed_in(acme.owner).get(f"{LOG}suggestions/?{urlencode({'typed': 'ada -actor:' + chr(34) + 'De p'})}")
    assert answer.json()["from"] == 4


def test_suggestions_take_the_same_number_of_statements_however_many_events(acme: Tenant) -> None:
    client = signed_in(acme.owner)

    def statements() -> int:
        with CaptureQueriesContext(connections["default"]) as queries:
            suggested(client, "actor:a")
        return len(queries)

    few = statements()
    for number in range(15):
        write(acme.organization.pk, actor_label=f"a{number}@acme.example")
    assert statements() == few
