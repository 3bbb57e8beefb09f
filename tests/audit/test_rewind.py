"""Undoing changes: whatever was done in whatever order, what comes out is what was there."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from audit.redaction import changes
from audit.rewind import Key, Row, Shape, as_row, rewound

SHAPES = {
    "role": Shape(frozenset({"name"})),
    "group": Shape(frozenset({"name"})),
    "member": Shape(frozenset({"user", "role"}), {"role": "role"}),
    "place": Shape(frozenset({"group", "member"}), {"group": "group"}),
    "group role": Shape(frozenset({"group", "role", "project_id"}), {"group": "group", "role": "role"}),
}
NAMED = ("role", "group")
NAMES = ("red", "green", "blue")


@dataclass
class Change:
    """An event, as the recorder would have written it."""

    target_type: str
    target_id: str
    before: dict[str, Any]
    after: dict[str, Any]
    project_id: str | None = None
    target_label: str = "label"


@dataclass
class World:
    """Rows that name each other by id, and what was written of each change of them."""

    rows: dict[Key, dict[str, Any]] = field(default_factory=dict)
    events: list[Change] = field(default_factory=list)
    made: int = 0

    def snapshot(self, key: Key) -> dict[str, Any]:
        """Return a row as events show it: other rows by their names."""
        names = SHAPES[key[0]].names
        return {
            name: self.rows[names[name], value]["name"] if name in names else value
            for name, value in self.rows[key].items()
            if name != "project_id"
        }

    def seen(self) -> dict[Key, Row]:
        """Return all rows as they are compared."""
        return {key: as_row(self.snapshot(key), row.get("project_id")) for key, row in self.rows.items()}

    def write(self, key: Key, before: dict[str, Any] | None, after: dict[str, Any] | None, project: Any) -> None:
        """Note that a row changed."""
        self.events.append(Change(*key, *changes(before, after), project_id=project))

    def make(self, data: st.DataObject) -> None:
        """Make a row of some type, if what it names exists and its name is free."""
        kind = data.draw(st.sampled_from(sorted(SHAPES)))
        self.made += 1
        key, row = (kind, str(self.made)), self.values(kind, data)
        if row is None:
            return
        self.rows[key] = row
        self.write(key, None, self.snapshot(key), row.get("project_id"))

    def values(self, kind: str, data: st.DataObject) -> dict[str, Any] | None:
        """Return the fields of a new row; None when there can be none now."""
        if kind in NAMED:
            name = self.free(kind, data)
            return {"name": name, "note": data.draw(st.sampled_from([None, "", "x"]))} if name else None
        row: dict[str, Any] = {"user": f"user {self.made}", "member": "somebody"}
        row = {name: value for name, value in row.items() if name in SHAPES[kind].needed}
        for name, named in SHAPES[kind].names.items():
            ids = [pk for each, pk in self.rows if each == named]
            if not ids:
                return None
            row[name] = data.draw(st.sampled_from(ids))
        return row | ({"project_id": "p"} if kind == "group role" else {})

    def free(self, kind: str, data: st.DataObject) -> str | None:
        """Return a name that no row of the type has; None when all are taken."""
        taken = {row["name"] for (each, _), row in self.rows.items() if each == kind}
        names = [name for name in NAMES if name not in taken]
        return data.draw(st.sampled_from(names)) if names else None

    def change(self, data: st.DataObject) -> None:
        """Rename a role or a group, or let a row name another one."""
        if not self.rows:
            return
        key = data.draw(st.sampled_from(sorted(self.rows)))
        before, row = self.snapshot(key), self.rows[key]
        if key[0] in NAMED:
            row["name"] = self.free(key[0], data) or row["name"]
            row["note"] = data.draw(st.sampled_from([None, "y"]))
        elif "role" in row:
            row["role"] = data.draw(st.sampled_from([pk for each, pk in self.rows if each == "role"]))
        self.write(key, before, self.snapshot(key), row.get("project_id"))

    def end(self, data: st.DataObject) -> None:
        """Delete a row that no other names."""
        used = {
            (named, row[name]) for (kind, _), row in self.rows.items() for name, named in SHAPES[kind].names.items()
        }
        free = sorted(self.rows.keys() - used)
        if not free:
            return
        key = data.draw(st.sampled_from(free))
        self.write(key, self.snapshot(key), None, self.rows[key].get("project_id"))
        del self.rows[key]


@given(st.lists(st.sampled_from(["make", "make", "change", "end"]), max_size=30), st.data())
def test_the_undone_state_is_what_was_recorded_at_that_time(steps: list[str], data: st.DataObject) -> None:
    world = World()
    times = [(0, world.seen())]
    for step in steps:
        getattr(world, step)(data)
        times.append((len(world.events), world.seen()))
    for count, recorded in times:
        past = rewound(world.seen(), reversed(world.events[count:]), SHAPES)
        assert past.rows == recorded
        assert not past.unknown


def test_what_an_event_does_not_hold_any_more_is_unknown() -> None:
    erased = Change("member", "1", {"user": "[erased]", "role": "red"}, {}, target_label="[erased]")
    partial = Change("member", "2", {"role": "red"}, {"role": "blue"}, target_label="ada")
    foreign = Change("of another version", "3", {"name": "x"}, {}, target_label="it")
    past = rewound({}, [erased, partial, foreign], SHAPES)
    assert past.rows == {}
    assert past.unknown == {("member", "1"): "[erased]", ("member", "2"): "ada", ("of another version", "3"): "it"}


def test_what_was_made_later_is_not_unknown() -> None:
    partial = Change("member", "2", {"role": "red"}, {"role": "blue"})
    made = Change("member", "2", {}, {"user": "ada", "role": "red"})
    assert not rewound({}, [partial, made], SHAPES).unknown
