"""The page of an event with what is around it, and timelines: what they tell, to whom."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.services.service_accounts import create_service_account
from audit.models import Event
from audit.sentences import sentence
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.services.groups import add_group_member, create_group
from tenants.services.members import change_role, set_project_role
from tests.accounts.api.stage import make_key
from tests.audit.events import write, write_many
from tests.audit.readers import reader_of_one_project
from tests.people import Tenant, signed_in

LOG = "/o/acme/audit/"
OPERATOR_LOG = "/admin/audit/"


def timeline(pk: object, log: str = LOG) -> str:
    """Return the address of a timeline."""
    return f"{log}timeline/{pk}/"


# Strangers ---------------------------------------------------------------------------------------


def test_a_stranger_sees_no_timeline(acme: Tenant, globex: Tenant, stranger: User) -> None:
    mine, foreign = signed_in(stranger), acme.owner.pk
    write(acme.organization.pk, actor_id=foreign)
    assert mine.get(timeline(foreign)).status_code == 404
    for pk in (foreign, acme.project.pk, uuid4()):
        assert mine.get(timeline(pk, "/o/globex/audit/")).status_code == 404
    for who in ("member", "viewer", "none"):
        assert signed_in(acme.people[who]).get(timeline(foreign)).status_code == 403


def test_a_login_in_two_organizations_has_a_timeline_in_each(acme: Tenant, globex: Tenant) -> None:
    write(acme.organization.pk, actor_id=acme.owner.pk, target_label="of acme")
    write(globex.organization.pk, actor_id=acme.owner.pk, target_label="of globex")
    page = signed_in(acme.owner).get(timeline(acme.owner.pk)).content.decode()
    assert "of acme" in page
    assert "of globex" not in page


def test_a_reader_of_one_project_sees_its_part_of_everything(acme: Tenant) -> None:
    reader = reader_of_one_project(acme)
    pk, actor, target = acme.organization.pk, uuid4(), str(uuid4())
    shared = {"actor_id": actor, "target_id": target, "request_id": "r-1", "session": "s-1"}
    mine = write(pk, project_id=acme.project.pk, target_label="inside", **shared)
    write(pk, target_label="not of the project", **shared)
    client = signed_in(reader)
    for page in (client.get(f"{LOG}{mine.pk}/"), client.get(timeline(actor)), client.get(timeline(target))):
        assert page.status_code == 200
        assert "not of the project" not in page.content.decode()
    only_outside = uuid4()
    write(pk, actor_id=only_outside)
    assert client.get(timeline(only_outside)).status_code == 404
    assert client.get(timeline(acme.member.pk)).status_code == 404
    assert "auditor@acme.example" not in client.get(f"{LOG}{mine.pk}/").content.decode()


# Timelines ---------------------------------------------------------------------------------------


def test_the_timeline_of_a_person_holds_what_they_did_and_what_was_done_to_them(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        membership = acme.membership("member")
        change_role(membership=membership, role=acme.role("admin"), actor=actor)
        group = create_group(organization=acme.organization, name="Crew", actor=actor)
        add_group_member(group=group, membership=membership, actor=actor)
        set_project_role(membership=membership, project=acme.project, role=acme.role("viewer"), actor=actor)
    write(acme.organization.pk, actor_id=acme.member.pk, actor_label=acme.member.email, target_label="theirs")
    write(acme.organization.pk, target_label=f"x{acme.member.email}")
    client = signed_in(acme.auditor)
    pages = [client.get(timeline(pk)).context["events"] for pk in (acme.member.pk, membership.pk)]
    assert [event.pk for event in pages[0]] == [event.pk for event in pages[1]]
    told = {event.action: event.role for event in pages[0]}
    assert {"member.added", "member.role_changed", "group.member_added", "project_role.set"} <= set(told)
    assert told["member.role_changed"] == "done to"
    assert [event.role for event in pages[0] if event.target_label == "theirs"] == ["did"]
    assert not [event for event in pages[0] if event.target_label.startswith("x")]
    times = [(event.time, event.pk) for event in pages[0]]
    assert times == sorted(times, reverse=True)


def test_the_timelines_of_keys_accounts_and_projects(acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        key = make_key(acme, "audit_log:read").key
        account = create_service_account(
            organization=acme.organization, name="Judge", kind="evaluator", role=acme.role("viewer"), actor=SYSTEM
        )
    write(acme.organization.pk, actor_id=key.pk, actor_kind="api_key", target_label="by the key")
    write(acme.organization.pk, project_id=acme.project.pk, target_label="in the project")
    client = signed_in(acme.owner)
    by_key = client.get(timeline(key.pk)).context["events"]
    assert {"api_key.created", "member.added"} == {event.action for event in by_key}
    assert [event.action for event in client.get(timeline(account.pk)).context["events"]] == ["service_account.created"]
    of_project = client.get(timeline(acme.project.pk))
    assert "Timeline of Chatbot" in of_project.content.decode()
    assert {"in it", "done to"} == {event.role for event in of_project.context["events"]}


def test_what_is_gone_keeps_its_timeline_under_the_name_that_the_log_has(acme: Tenant) -> None:
    gone = uuid4()
    write(acme.organization.pk, actor_id=gone, actor_label="left@acme.example", ago=timedelta(days=2))
    page = signed_in(acme.owner).get(timeline(gone)).content.decode()
    assert "Timeline of left@acme.example" in page
    assert "does not exist any more" in page


def test_a_timeline_pages_through_everything_once(acme: Tenant) -> None:
    pk, person = acme.organization.pk, acme.member.pk
    write_many(pk, 60, actor_id=person)
    write_many(pk, 60, target_id=str(person))
    both = write(pk, actor_id=person, target_id=str(person))
    client, seen, query, newer = signed_in(acme.owner), [], "?", ""
    while query:
        context = client.get(f"{timeline(person)}{query}").context
        seen += [event.pk for event in context["events"]]
        query = context["older_url"]
        newer = context["newer_url"]
    assert len(seen) == len(set(seen)) >= 121
    assert seen.count(both.pk) == 1
    back = client.get(f"{timeline(person)}{newer}").context["events"]
    assert {event.pk for event in back} == set(seen[50:100])


def test_admin_pages_lead_to_timelines(acme: Tenant, operator: User) -> None:
    with acme.acting("owner"):
        membership = acme.membership("member")
    page = signed_in(acme.owner).get(f"/o/acme/tenants/membership/{membership.pk}/history/")
    assert page.headers["Location"] == timeline(membership.pk)
    page = signed_in(operator).get(f"/admin/accounts/user/{acme.member.pk}/history/")
    assert page.headers["Location"] == timeline(acme.member.pk, OPERATOR_LOG)


def test_operators_see_a_timeline_over_all_organizations(acme: Tenant, globex: Tenant, operator: User) -> None:
    for tenant in (acme, globex):
        write(tenant.organization.pk, actor_id=acme.owner.pk, target_label=f"in {tenant.organization.slug}")
    page = signed_in(operator).get(timeline(acme.owner.pk, OPERATOR_LOG)).content.decode()
    assert "Timeline of owner@acme.example" in page
    for label in ("in acme", "in globex"):
        assert label in page


# One event ---------------------------------------------------------------------------------------


def test_an_event_is_a_sentence(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        change_role(membership=acme.membership("member"), role=acme.role("admin"), actor=actor)
        event = Event.objects.get(action="member.role_changed")
    assert sentence(event) == (
        "owner@acme.example gave member@acme.example the role Admin, which was Member, by itself."
    )


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (
            {"action": "member.added", "after": {"role": "Viewer"}, "ip": "203.0.113.7"},
            "ada@acme.example added grace@acme.example with the role Viewer, from 203.0.113.7, in the console.",
        ),
        (
            {"action": "access.denied", "outcome": "denied", "after": {"permission": "roles:manage"}, "via": "api"},
            "ada@acme.example was refused roles:manage on grace@acme.example, through the API.",
        ),
        (
            {"action": "role.updated", "target_label": "Ops", "before": {"name": "A"}, "after": {"name": "B"}},
            "ada@acme.example changed a role: Ops (name A → B), in the console.",
        ),
        (
            {"action": "of.another_version", "target_label": "it", "project_label": "Chatbot"},
            "ada@acme.example: of.another_version: it, in the project Chatbot, in the console.",
        ),
        (
            {"action": "member.added", "outcome": "failed"},
            "ada@acme.example added a member (failed): grace@acme.example, in the console.",
        ),
        (
            {"action": "user.sign_in_failed", "outcome": "failed", "actor_label": "Anonymous", "target_label": "a@b.c"},
            "Anonymous failed to sign in: a@b.c, in the console.",
        ),
        (
            {"action": "role.updated", "target_label": "Ops", "before": {f"f{n}": n for n in range(5)}, "after": {}},
            "ada@acme.example changed a role: Ops, in the console.",
        ),
    ],
)
def test_sentences(acme: Tenant, values: dict, told: str) -> None:
    assert sentence(write(acme.organization.pk, **values)) == told


def test_an_event_shows_its_kin_and_where_there_is_more(acme: Tenant) -> None:
    pk, target = acme.organization.pk, str(uuid4())
    for number in range(8):
        write(pk, ago=timedelta(days=10 - number), target_id=target, target_label=f"number {number}")
    event = write(pk, ago=timedelta(days=1, hours=12), target_id=target, request_id="r-1", session="s-1")
    write(pk, ago=timedelta(days=1), request_id="r-1", target_label="same request")
    write(pk, ago=timedelta(hours=1), session="s-1", target_label="same session")
    client = signed_in(acme.auditor)
    kin = {one["title"]: one for one in client.get(f"{LOG}{event.pk}/").context["kin"]}
    assert [e.target_label for e in kin["In the same request"]["events"]] == ["same request", event.target_label]
    assert [e.target_label for e in kin["In the same session"]["events"]] == ["same session", event.target_label]
    around = [e.target_label for e in kin["To the same target, before and after"]["events"]]
    assert around == [event.target_label, "number 7", "number 6", "number 5", "number 4", "number 3"]
    for one in kin.values():
        assert event.pk in {found.pk for found in client.get(one["url"]).context["events"]}


def test_an_event_says_who_can_read_it_now(acme: Tenant) -> None:
    reader_of_one_project(acme)
    with tenant_scope(acme.organization):
        key = make_key(acme, "audit_log:read").key
    in_project = write(acme.organization.pk, project_id=acme.project.pk)
    outside = write(acme.organization.pk)
    client = signed_in(acme.auditor)

    def readers(event: Event) -> dict[str, str]:
        return {one.label: one.why for one in client.get(f"{LOG}{event.pk}/").context["readers"].named}

    people = {"owner@acme.example", "admin@acme.example", "auditor@acme.example"}
    assert set(readers(outside)) == people
    assert set(readers(in_project)) == {*people, "viewer@acme.example", str(key)}
    assert readers(in_project)["viewer@acme.example"] == "role Auditor"
    assert b"what changed about roles" in client.get(f"{LOG}{outside.pk}/").content


def test_a_role_in_a_project_that_hides_it_is_no_reader(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        set_project_role(
            membership=acme.membership("auditor"), project=acme.project, role=acme.role("none"), actor=actor
        )
    event = write(acme.organization.pk, project_id=acme.project.pk)
    named = signed_in(acme.owner).get(f"{LOG}{event.pk}/").context["readers"].named
    assert {reader.label for reader in named} == {"owner@acme.example", "admin@acme.example"}


def test_the_number_of_statements_of_an_event_and_a_timeline_does_not_grow(acme: Tenant, operator: User) -> None:
    pk, person = acme.organization.pk, acme.member.pk
    kin = {"actor_id": person, "target_id": str(person), "request_id": "r-1", "session": "s-1"}
    event = write(pk, ago=timedelta(minutes=1), **kin)  # whatever follows changed something since
    write_many(pk, 2, **kin)
    visits = [
        (signed_in(acme.owner), f"{LOG}{event.pk}/"),
        (signed_in(acme.owner), timeline(person)),
        (signed_in(operator), f"{OPERATOR_LOG}{event.pk}/"),
        (signed_in(operator), timeline(person, OPERATOR_LOG)),
    ]

    def statements() -> list[int]:
        counts = []
        for client, address in visits:
            client.get(address)
            with (
                CaptureQueriesContext(connections["default"]) as app,
                CaptureQueriesContext(connections["operator"]) as wide,
            ):
                assert client.get(address).status_code == 200
            counts.append(len(app) + len(wide))
        return counts

    few = statements()
    write_many(pk, 30, **kin)
    assert statements() == few
