"""A state machine that pushes users and groups and knows what must come of it."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.people import Tenant
from tests.scim import held
from tests.scim.stage import (
    NOBODY,
    Answer,
    Scim,
    bulk,
    group_body,
    operation,
    patch,
    references,
    refused,
    user_body,
    where,
)

USER_NAMES = ["grace", "alan", "linus", "barbara", "edsger", "donald", "GRACE", "Alan"]
GROUP_NAMES = ["Engineers", "Makers", "Doers", "engineers", "Readers"]
TITLES = ["Admiral", "Fellow", 'of "50%"', "Zoë 🦊", "O'Hara \\ Co_"]
pick = st.integers(0, 999)
picks = st.lists(pick, max_size=5)


@dataclass
class Person:
    """What a user must be."""

    resource: dict[str, Any]
    name: str
    email: str
    title: str = ""
    active: bool = True
    joined: bool = True  # has been active: who never was is no member yet


@dataclass
class Crew:
    """What a group must be."""

    resource: dict[str, Any]
    name: str
    members: set[str] = field(default_factory=set)


class Directory(RuleBasedStateMachine):
    """Users and groups by SCIM beside their model; `scim` and `tenant` are set by the test."""

    scim: Scim
    tenant: Tenant
    operations = 0

    def __init__(self) -> None:
        super().__init__()
        self.people: dict[str, Person] = {}
        self.crews: dict[str, Crew] = {}
        self.emails = self.steps = 0
        self.clear()
        self.others = held.active_members(self.tenant)

    def clear(self) -> None:
        """Delete what an earlier life, perhaps a failed one, left behind; nothing of it may stay."""
        for listed in self.scim.everything():
            for resource in listed.get("Resources", []):
                if resource["id"] != self.scim.seed["id"]:
                    assert self.scim.delete(where(resource)).status == 204
        assert held.groups(self.tenant) == {}
        assert self.scim.get("/Users").json["totalResults"] == 1

    def teardown(self) -> None:
        """Compare everything at the end."""
        self.compare()

    def person(self, number: int) -> Person:
        return list(self.people.values())[number % len(self.people)]

    def crew(self, number: int) -> Crew:
        return list(self.crews.values())[number % len(self.crews)]

    def some(self, numbers: list[int]) -> list[Person]:
        return [self.person(number) for number in numbers] if self.people else []

    def taken(self, name: str, but: Person | Crew | None = None) -> bool:
        rows = self.crews.values() if name in GROUP_NAMES else self.people.values()
        return any(row is not but and row.name.lower() == name.lower() for row in rows)

    def body(self, name: str, *, active: Any = True) -> dict[str, Any]:
        self.emails += 1
        address = f"person{self.emails}@acme.example"
        emails = [{"type": "work", "primary": True, "value": address}]
        return dict(user_body(name, userName=name, externalId=address, emails=emails, active=active))

    @rule(name=st.sampled_from(USER_NAMES), active=st.sampled_from([True, False, "True", "false"]))
    def create_user(self, name: str, active: Any) -> None:
        body = self.body(name, active=active)
        answer = self.scim.post("/Users", body)
        if self.taken(name):
            refused(answer, 409, "uniqueness")
            return
        assert answer.status == 201, answer
        assert answer.json["id"] not in self.people
        truth = str(active).lower() == "true"
        assert answer.json["active"] is truth
        self.people[answer.json["id"]] = Person(answer.json, name, body["externalId"], active=truth, joined=truth)

    @precondition(lambda self: self.people)
    @rule(number=pick, active=st.booleans(), dialect=st.sampled_from(["okta", "entra", "flag", "put"]))
    def set_active(self, number: int, active: bool, dialect: str) -> None:
        person = self.person(number)
        match dialect:
            case "okta":
                answer = self.scim.change(person.resource, operation("replace", value={"active": active}))
            case "entra":
                answer = self.scim.change(person.resource, operation("Replace", "active", str(active)))
            case "flag":
                answer = self.scim.change(person.resource, operation("add", "active", active))
            case _:
                path = where(person.resource)
                answer = self.scim.put(path, self.scim.get(path).json | {"active": active})
        assert answer.json["active"] is active
        person.active = active
        person.joined = person.joined or active

    @precondition(lambda self: self.people)
    @rule(number=pick, title=st.sampled_from(TITLES), put=st.booleans())
    def set_title(self, number: int, title: str, put: bool) -> None:
        person = self.person(number)
        if put:
            assert self.scim.replaced(self.scim.read(person.resource) | {"title": title})["title"] == title
        else:
            self.scim.change(person.resource, operation("Add", "title", title))
        person.title = title

    @precondition(lambda self: self.people)
    @rule(number=pick, name=st.sampled_from(USER_NAMES), put=st.booleans())
    def rename_user(self, number: int, name: str, put: bool) -> None:
        person = self.person(number)
        path = where(person.resource)
        if put:
            answer = self.scim.put(path, self.scim.get(path).json | {"userName": name})
        else:
            answer = self.scim.patch(path, patch(operation("replace", "userName", name)))
        if self.taken(name, person):
            refused(answer, 409, "uniqueness")
            return
        assert answer.status == 200, answer
        person.name = name

    @precondition(lambda self: self.people)
    @rule(number=pick)
    def delete_user(self, number: int) -> None:
        person = self.person(number)
        assert self.scim.delete(where(person.resource)).status == 204
        refused(self.scim.delete(where(person.resource)), 404)
        del self.people[person.resource["id"]]
        for crew in self.crews.values():
            crew.members.discard(person.resource["id"])

    @rule(name=st.sampled_from(GROUP_NAMES), numbers=picks, unknown=st.sampled_from([False, False, False, True]))
    def create_group(self, name: str, numbers: list[int], unknown: bool) -> None:
        members = [person.resource for person in self.some(numbers)]
        body = group_body(name, *members, *([{"id": NOBODY}] if unknown else []))
        answer = self.scim.post("/Groups", body)
        if unknown or self.taken(name):
            assert answer.status in {400, 404, 409}
            return
        assert answer.status == 201, answer
        ids = {member["id"] for member in members}
        self.crews[answer.json["id"]] = Crew(answer.json, name, ids)

    @precondition(lambda self: self.crews)
    @rule(number=pick, numbers=picks, dialect=st.sampled_from(["path", "no path", "one each", "text"]))
    def add_members(self, number: int, numbers: list[int], dialect: str) -> None:
        crew, people = self.crew(number), [person.resource for person in self.some(numbers)]
        match dialect:
            case "path":
                operations = [operation("Add", "members", references(*people))]
            case "no path":
                operations = [operation("add", value={"members": references(*people)})]
            case "text":
                operations = [operation("add", "members", [person["id"] for person in people])]
            case _:
                operations = [operation("add", "members", references(person)) for person in people]
        if operations:
            self.scim.change(crew.resource, *operations)
        crew.members |= {person["id"] for person in people}

    @precondition(lambda self: self.crews)
    @rule(number=pick, numbers=picks, dialect=st.sampled_from(["okta", "entra", "one each"]))
    def remove_members(self, number: int, numbers: list[int], dialect: str) -> None:
        crew = self.crew(number)
        people = [person.resource for person in self.some(numbers) if person.resource["id"] in crew.members]
        match dialect:
            case "okta":
                operations = [operation("remove", f'members[value eq "{person["id"]}"]') for person in people]
            case "entra":
                operations = [operation("Remove", "members", references(*people))]
            case _:
                operations = [operation("remove", "members", references(person)) for person in people]
        if operations:
            self.scim.change(crew.resource, *operations)
        crew.members -= {person["id"] for person in people}

    @precondition(lambda self: self.crews)
    @rule(number=pick, numbers=picks, dialect=st.sampled_from(["replace", "no path", "put", "clear", "put none"]))
    def set_members(self, number: int, numbers: list[int], dialect: str) -> None:
        crew, people = self.crew(number), [person.resource for person in self.some(numbers)]
        if dialect in {"clear", "put none"}:
            people = []
        match dialect:
            case "replace":
                self.scim.change(crew.resource, operation("replace", "members", references(*people)))
            case "no path":
                self.scim.change(crew.resource, operation("Replace", value={"members": references(*people)}))
            case "clear":
                self.scim.change(crew.resource, operation("remove", "members"))
            case _:
                answer = self.scim.put(where(crew.resource), group_body(crew.name, *people))
                assert answer.status == 200, answer
        crew.members = {person["id"] for person in people}

    @precondition(lambda self: self.crews)
    @rule(number=pick, name=st.sampled_from(GROUP_NAMES), dialect=st.sampled_from(["path", "okta"]))
    def rename_group(self, number: int, name: str, dialect: str) -> None:
        crew = self.crew(number)
        one = operation("Replace", "displayName", name)
        if dialect == "okta":
            one = operation("replace", value={"id": crew.resource["id"], "displayName": name})
        answer = self.scim.patch(where(crew.resource), patch(one))
        if self.taken(name, crew):
            refused(answer, 409, "uniqueness")
            return
        assert answer.status == 204, answer
        crew.name = name

    @precondition(lambda self: self.crews)
    @rule(number=pick)
    def delete_group(self, number: int) -> None:
        crew = self.crew(number)
        assert self.scim.delete(where(crew.resource)).status == 204
        refused(self.scim.get(where(crew.resource)), 404)
        del self.crews[crew.resource["id"]]

    @precondition(lambda self: self.crews)
    @rule(number=pick, numbers=picks, kind=st.sampled_from(["stranger", "unknown path", "other id", "no target"]))
    def half_a_change(self, number: int, numbers: list[int], kind: str) -> None:
        bad = {
            "stranger": operation("add", "members", [{"value": NOBODY}]),
            "unknown path": operation("replace", "noSuch", "x"),
            "other id": operation("replace", value={"id": NOBODY}),
            "no target": operation("remove"),
        }[kind]
        people = references(*(person.resource for person in self.some(numbers)))
        body = patch(operation("replace", "displayName", "Half"), operation("replace", "members", people), bad)
        answer: Answer = self.scim.patch(where(self.crew(number).resource), body)
        assert answer.status in {400, 404}, answer

    @rule(name=st.sampled_from(USER_NAMES), group=st.sampled_from(GROUP_NAMES))
    def create_both_at_once(self, name: str, group: str) -> None:
        body = self.body(name)
        posts = [
            {"method": "POST", "path": "/Users", "bulkId": "u", "data": body},
            {"method": "POST", "path": "/Groups", "bulkId": "g", "data": group_body(group, {"id": "bulkId:u"})},
        ]
        answer = self.scim.post("/Bulk", bulk(*posts, failOnErrors=1))
        done = [one["status"] for one in answer.json["Operations"]]
        if self.taken(name):
            assert done == ["409"]
            return
        (created,) = self.scim.found(f'externalId eq "{body["externalId"]}"')
        self.people[created["id"]] = Person(created, name, body["externalId"])
        if self.taken(group):
            assert done == ["201", "409"]
            return
        assert done == ["201", "201"]
        (crew,) = self.scim.found(f'displayName eq "{group}"', at="/Groups")
        self.crews[crew["id"]] = Crew(crew, group, {created["id"]})

    @invariant()
    def count(self) -> None:
        type(self).operations += 1
        self.steps += 1
        if self.steps % 10 == 0:
            self.compare()

    def compare(self) -> None:
        """Assert that SCIM and Gatehouse hold exactly what the model says."""
        users, crews = self.scim.everything()
        seen = {
            one["id"]: (one["userName"], one.get("title", ""), one["active"], _values(one.get("groups", [])))
            for one in users["Resources"]
            if one["id"] != self.scim.seed["id"]
        }
        expected = {
            key: (
                person.name,
                person.title,
                person.active,
                {where_ for where_, crew in self.crews.items() if key in crew.members},
            )
            for key, person in self.people.items()
        }
        assert seen == expected, (seen, expected)
        groups = {
            one["id"]: (one["displayName"], _values(one.get("members", []))) for one in crews.get("Resources", [])
        }
        crews_now = {key: (crew.name, crew.members) for key, crew in self.crews.items()}
        assert groups == crews_now, (groups, crews_now)
        active = {person.email for person in self.people.values() if person.active}
        present = held.active_members(self.tenant) - self.others
        assert present == active, (present, active)
        mails = {key: person.email for key, person in self.people.items() if person.joined}
        in_groups = {crew.name: {mails[one] for one in crew.members & mails.keys()} for crew in self.crews.values()}
        in_gatehouse = held.groups(self.tenant)
        assert in_gatehouse == in_groups, (in_gatehouse, in_groups)


def _values(rows: list[dict[str, Any]]) -> set[str]:
    values = [row["value"] for row in rows]
    assert len(values) == len(set(values)), rows
    return set(values)
