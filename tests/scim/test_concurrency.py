"""Two syncs at once, and a sync while people change roles: nothing is lost, doubled or half-applied."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.lookups import scim_token_by_secret
from accounts.models import ScimConnection
from accounts.services.scim_authentication import note_use
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from tenants.models import Group
from tenants.services.groups import set_group_role
from tenants.services.members import change_role, remove_member
from tenants.services.rules import lock_organization
from tests.people import Tenant
from tests.scim import held
from tests.scim.stage import Answer, Scim, bulk, group_body, operation, patch, references, token_of, user_body, where
from tests.tenants.stage import at_once, events

TIMES = range(3)
NAMES = ("grace", "alan", "linus", "barbara")


def statuses(answers: list[Any]) -> list[int]:
    for answer in answers:
        assert isinstance(answer, Answer), answer
    return sorted(answer.status for answer in answers)


@pytest.mark.parametrize("time", TIMES)
def test_the_same_user_is_created_once(acme: Tenant, scim: Scim, time: int) -> None:
    answers = at_once(*[lambda: scim.post("/Users", user_body("grace"))] * 4)
    assert statuses(answers) == [201, 409, 409, 409]
    assert len(scim.found('userName eq "grace@acme.example"')) == 1
    assert len([one for one in events(acme, "member.added") if one.target_label == "grace@acme.example"]) == 1


@pytest.mark.parametrize("time", TIMES)
def test_the_same_group_is_created_once(acme: Tenant, scim: Scim, time: int) -> None:
    answers = at_once(*[lambda: scim.post("/Groups", group_body("Engineers", scim.seed))] * 3)
    assert statuses(answers) == [201, 409, 409]
    assert held.groups(acme) == {"Engineers": {"ada@acme.example"}}


@pytest.mark.parametrize("time", TIMES)
def test_the_same_person_in_two_organizations(acme: Tenant, scim: Scim, other_scim: Scim, time: int) -> None:
    answers = at_once(
        lambda: scim.post("/Users", user_body("grace")), lambda: other_scim.post("/Users", user_body("grace"))
    )
    assert statuses(answers) == [201, 201]
    assert held.is_member(acme, "grace@acme.example")


def sync(scim: Scim) -> Callable[[], list[int]]:
    """Return a whole sync: look for each person and group, create, add members, rename, deactivate one."""

    def run() -> list[int]:
        seen, people = [], []
        for name in NAMES:
            found = scim.get("/Users", filter=f'userName eq "{name}@acme.example"')
            if not found.json["totalResults"]:
                seen.append(scim.post("/Users", user_body(name)).status)
                found = scim.get("/Users", filter=f'userName eq "{name}@acme.example"')
            people.append(found.json["Resources"][0])
        seen.append(scim.post("/Groups", group_body("Engineers")).status)
        (group,) = scim.found('displayName eq "Engineers"', at="/Groups")
        for person in people:
            seen.append(scim.patch(where(group), patch(operation("Add", "members", references(person)))).status)
            seen.append(scim.put(where(person), user_body(person["userName"].partition("@")[0], title="Dr")).status)
        seen.append(scim.patch(where(people[0]), patch(operation("Replace", "active", "False"))).status)
        return seen

    return run


@pytest.mark.parametrize("time", TIMES)
def test_two_syncs_at_once_end_in_the_same_state(acme: Tenant, scim: Scim, time: int) -> None:
    results = at_once(sync(scim), sync(scim))
    for result in results:
        assert isinstance(result, list), result
        assert set(result) <= {200, 201, 204, 409}
    users = {one["userName"].partition("@")[0]: one for one in scim.get("/Users").json["Resources"]}
    assert users.keys() == {"ada", *NAMES}
    assert {users[name]["title"] for name in NAMES} == {"Dr"}
    assert held.groups(acme) == {"Engineers": {f"{name}@acme.example" for name in NAMES}}
    for name in NAMES:
        assert held.is_member(acme, f"{name}@acme.example") == users[name]["active"]


@pytest.mark.parametrize("time", TIMES)
def test_members_added_and_removed_at_once_are_all_kept(scim: Scim, time: int) -> None:
    people = [scim.user(name) for name in NAMES]
    group = scim.group("Engineers", *people[2:])
    answers = at_once(
        lambda: scim.patch(where(group), patch(operation("add", "members", references(people[0])))),
        lambda: scim.patch(where(group), patch(operation("add", "members", references(people[1])))),
        lambda: scim.patch(where(group), patch(operation("remove", "members", references(people[2])))),
        lambda: scim.patch(where(group), patch(operation("replace", "displayName", "Makers"))),
    )
    assert statuses(answers) == [204] * 4
    assert scim.members(group) == {people[0]["id"], people[1]["id"], people[3]["id"]}
    assert scim.read(group)["displayName"] == "Makers"


@pytest.mark.parametrize("time", TIMES)
def test_groups_in_opposite_order_do_not_lock_each_other(scim: Scim, time: int) -> None:
    people = [scim.user(name) for name in NAMES]
    first, second = scim.group("First"), scim.group("Second")

    def put(group: dict[str, Any], members: list[dict[str, Any]]) -> dict[str, Any]:
        return {"method": "PUT", "path": where(group), "data": group_body(group["displayName"], *members)}

    answers = at_once(
        lambda: scim.post("/Bulk", bulk(put(first, people), put(second, people))),
        lambda: scim.post("/Bulk", bulk(put(second, people[::-1]), put(first, people[::-1]))),
    )
    assert statuses(answers) == [200, 200]
    assert {one["status"] for answer in answers for one in answer.json["Operations"]} == {"200"}
    assert scim.members(first) == scim.members(second) == {person["id"] for person in people}


@pytest.mark.parametrize("time", TIMES)
def test_a_user_is_deleted_while_a_group_takes_them_in(acme: Tenant, scim: Scim, time: int) -> None:
    grace, group = scim.user("grace"), scim.group("Engineers")
    deleted, added = at_once(
        lambda: scim.delete(where(grace)),
        lambda: scim.patch(where(group), patch(operation("add", "members", references(grace)))),
    )
    assert deleted.status == 204
    assert added.status in {204, 400, 404}
    assert scim.members(group) == set()
    assert held.groups(acme) == {"Engineers": set()}


@pytest.mark.parametrize("time", TIMES)
def test_a_stale_version_wins_once(scim: Scim, time: int) -> None:
    version = scim.read(scim.seed)["meta"]["version"]
    answers = at_once(
        *[
            lambda title=title: scim.patch(
                where(scim.seed), patch(operation("replace", "title", title)), If_Match=version
            )
            for title in ("One", "Two", "Three")
        ]
    )
    assert statuses(answers) == [200, 412, 412]


def as_owner(acme: Tenant, verb: Callable[..., Any]) -> Callable[[], Any]:
    def run() -> Any:
        with acme.acting("owner") as actor:
            return verb(actor)

    return run


@pytest.mark.parametrize("time", TIMES)
def test_a_sync_during_a_role_change_loses_neither(acme: Tenant, scim: Scim, time: int) -> None:
    member = scim.user("member")

    def to_viewer(actor: Any) -> Any:
        return change_role(membership=acme.membership("member"), role=acme.role("viewer"), actor=actor)

    changed, answer = at_once(
        as_owner(acme, to_viewer),
        lambda: scim.patch(where(member), patch(operation("Replace", "active", "False"))),
    )
    assert not isinstance(changed, Exception), changed
    assert answer.status == 200
    with tenant_scope(acme.organization):
        membership = acme.membership("member")
        assert (membership.role.key, membership.is_active) == ("viewer", False)
    assert scim.read(member)["active"] is False


@pytest.mark.parametrize("time", TIMES)
def test_the_last_two_owners_are_not_both_lost(acme: Tenant, scim: Scim, time: int) -> None:
    owner = scim.user("owner")
    with acme.acting("owner") as actor:
        change_role(membership=acme.membership("admin"), role=acme.role("owner"), actor=actor)

    def demote(actor: Any) -> Any:
        return change_role(membership=acme.membership("admin"), role=acme.role("viewer"), actor=actor)

    at_once(
        as_owner(acme, demote), lambda: scim.patch(where(owner), patch(operation("replace", "active", value=False)))
    )
    with tenant_scope(acme.organization):
        active = [acme.membership(name) for name in ("owner", "admin")]
        assert [one for one in active if one.is_active and one.role.is_owner]


@pytest.mark.parametrize("time", TIMES)
def test_a_member_is_removed_by_hand_while_being_synced(acme: Tenant, scim: Scim, time: int) -> None:
    member, group = scim.user("member"), scim.group("Engineers")

    def remove(actor: Any) -> Any:
        return remove_member(membership=acme.membership("member"), actor=actor)

    def map_role(actor: Any) -> Any:
        return set_group_role(group=Group.objects.get(name="Engineers"), role=acme.role("viewer"), actor=actor)

    results = at_once(
        as_owner(acme, remove),
        as_owner(acme, map_role),
        lambda: scim.patch(where(group), patch(operation("add", "members", references(member)))),
        lambda: scim.put(where(member), user_body("member", title="Dr")),
    )
    for result in results:
        assert not isinstance(result, Exception) or isinstance(result, DomainError), result
    assert scim.get("/Users").status == 200
    assert scim.get(where(group)).status == 200


def test_a_request_that_reads_does_not_wait_for_one_that_writes(acme: Tenant, connection: ScimConnection) -> None:
    """It would hold its token's row, whose use it notes, while it waits: the other needs that row as well."""
    secret = token_of(acme, connection).secret
    record = scim_token_by_secret(secret)
    assert record
    with tenant_scope(acme.organization):
        lock_organization(acme.organization.pk)
        (answer,) = at_once(lambda: Scim(secret).get("/Users"))
        note_use(record, "127.0.0.1")
    assert answer.status == 200, answer
