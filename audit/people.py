"""Whom an erasure is about; the app above that has the logins registers how people are found."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Person:
    """A person as logs know them.

    Attributes:
        id: of their login.
        names: addresses and names by which events tell of them.
    """

    id: UUID
    names: tuple[str, ...]


class People(Protocol):
    """Finds people."""

    def find(self, text: str, organization_id: UUID | None) -> Person | None:
        """Return who has an address or id: among an organization's members, or, with None, among all logins."""

    def is_active(self, person_id: UUID, organization_id: UUID | None) -> bool:
        """Return whether somebody can still sign in and is an active member; with None: can sign in at all."""


class NoPeople:
    """Knows nobody."""

    def find(self, text: str, organization_id: UUID | None) -> Person | None:
        """Return None."""
        return None

    def is_active(self, person_id: UUID, organization_id: UUID | None) -> bool:
        """Return True: where nobody can tell, nobody is erased."""
        return True


_registered: list[People] = [NoPeople()]


def register(people: People) -> None:
    """Make `people` the ones that are asked from now on."""
    _registered[-1] = people


def people() -> People:
    """Return the registered ones."""
    return _registered[-1]
