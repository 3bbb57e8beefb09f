"""What differs between a section of the file and the organization, and how it is made the same."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, ClassVar

from accounts.models import ServiceAccount
from isolation.actor import Actor
from tenants.models import Group, Membership, Organization, Project, Role

from .document import Item, Key, WantedOrganization
from .problems import Path, Problem


class Verb(StrEnum):
    """What happens to an entry."""

    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        verb: what happens.
        noun: to what sort of thing.
        label: to which one.
        fields: for each field that changes (old, new).
        path: the place in the file that asks for it.
        run: does it; raises DomainError or MissingPermission.
        note: what else to know, or "".
    """

    verb: Verb
    noun: str
    label: str
    fields: dict[str, tuple[Any, Any]]
    path: Path
    run: Callable[[], Any] = field(compare=False, repr=False)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """What is there under a key.

    Attributes:
        values: every field that a file can mention.
        stored: the model's row.
    """

    values: dict[str, Any]
    stored: Any


@dataclass(slots=True)
class Stage:
    """What every section works on: one organization, inside its scope and under its lock.

    Attributes:
        wanted: the organization in the file.
        organization: the organization there is.
        actor: who acts.
        direct: whether people with a login are added without asking them; only the installation itself does that.
        additions_only: what exists is left as it is.
        is_new: whether the organization was made just now.
        newcomers: addresses whose login was made just now.
        warnings: what a person should know although nothing is changed.
    """

    wanted: WantedOrganization
    organization: Organization
    actor: Actor
    direct: bool
    additions_only: bool = False
    is_new: bool = False
    newcomers: frozenset[str] = frozenset()
    warnings: list[Problem] = field(default_factory=list)

    def problem(self, path: Path, message: str) -> Problem:
        """Return a problem with its line."""
        return self.wanted.source.problem(path, message)

    def warn(self, path: Path, message: str) -> None:
        """Note what a person should know although nothing is changed."""
        self.warnings.append(self.problem(path, message))

    def role(self, key: str) -> Role:
        """Return a role by its key."""
        role: Role = Role.objects.get(key=key)
        return role

    def project(self, slug: str) -> Project:
        """Return a project by its identifier."""
        project: Project = Project.objects.get(slug=slug)
        return project

    def membership(self, email: str) -> Membership:
        """Return a member by e-mail address."""
        membership: Membership = Membership.objects.select_related("user", "role").get(user__email=email)
        return membership

    def group(self, name: str) -> Group:
        """Return a group by its name, in any case of letters."""
        group: Group = Group.objects.get(name__iexact=name)
        return group

    def service_account(self, name: str) -> ServiceAccount:
        """Return a service account by its name, in any case of letters."""
        account: ServiceAccount = ServiceAccount.objects.get(name__iexact=name)
        return account


class Section(ABC):
    """One table of the file and its counterpart in the organization.

    Args:
        stage: what it works on.
    """

    table: ClassVar[str]
    noun: ClassVar[str]
    section: ClassVar[str]
    """The part of the file whose `prune` removes entries of this table."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    @abstractmethod
    def current(self) -> dict[Key, Row]:
        """Return what is there, by the keys that the file uses."""

    @abstractmethod
    def create(self, key: Key, item: Item) -> Any:
        """Make an entry."""

    @abstractmethod
    def update(self, row: Row, values: dict[str, Any], item: Item) -> Any:
        """Change an entry; `values` are all its fields as they should be."""

    @abstractmethod
    def remove(self, row: Row) -> Any:
        """Take an entry away."""

    def label(self, key: Key) -> str:
        """Return how a plan calls an entry."""
        return key if isinstance(key, str) else f"{key[1]} of {key[0]}"

    def match(self, key: Key) -> Key:
        """Return the form of a key by which the file's and the organization's entries are compared."""
        return key

    def wanted(self) -> dict[Key, Item]:
        """Return the entries of the file."""
        return self.stage.wanted.table(self.table)

    def is_surplus(self, key: Key, row: Row) -> bool:
        """Return whether pruning may remove an entry that the file does not mention."""
        return True

    def initial(self, key: Key, item: Item) -> dict[str, Any]:
        """Return the fields of a new entry, as a plan shows them."""
        return item.values

    def additions(self) -> Iterator[Change]:
        """Yield what is created and changed."""
        current = {self.match(key): row for key, row in self.current().items()}
        for key, item in self.wanted().items():
            row = current.get(self.match(key))
            if row is None:
                yield from self.absent(key, item)
            elif not self.stage.additions_only:
                yield from self.present(key, item, row)

    def absent(self, key: Key, item: Item) -> Iterator[Change]:
        """Yield what an entry of the file without a counterpart needs."""
        fields = {name: (None, value) for name, value in self.initial(key, item).items()}
        yield Change(Verb.CREATE, self.noun, self.label(key), fields, item.path, partial(self.create, key, item))

    def present(self, key: Key, item: Item, row: Row) -> Iterator[Change]:
        """Yield how an entry must change."""
        fields = {
            name: (row.values[name], value)
            for name, value in item.values.items()
            if name in row.values and not _is_same(row.values[name], value)
        }
        if fields:
            values = row.values | {name: new for name, (_, new) in fields.items()}
            run = partial(self.update, row, values, item)
            yield Change(Verb.UPDATE, self.noun, self.label(key), fields, item.path, run)

    def removals(self) -> Iterator[Change]:
        """Yield what pruning removes."""
        if self.section not in self.stage.wanted.prune or self.stage.additions_only:
            return
        mentioned = {self.match(key) for key in self.wanted()}
        for key, row in self.current().items():
            if self.match(key) not in mentioned and self.is_surplus(key, row):
                yield self.removal(key, row)

    def removal(self, key: Key, row: Row) -> Change:
        """Return the removal of an entry."""
        path = (*self.stage.wanted.path, "prune")
        return Change(Verb.REMOVE, self.noun, self.label(key), {}, path, partial(self.remove, row))


def _is_same(old: Any, new: Any) -> bool:
    """Return whether two values are stored alike; in a JSON object 1, 1.0 and true are three things."""
    if isinstance(old, dict) and isinstance(new, dict):
        return json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True)
    return bool(old == new)
