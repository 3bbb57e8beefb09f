"""Whom or what a timeline is about; apps above, which have the rows, register how they are found."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from isolation.actor import Actor


@dataclass(frozen=True, slots=True)
class Subject:
    """A person, key, service account, project or other thing that events tell of.

    Attributes:
        kind: what it is, in a word or two.
        label: its name now.
        ids: every id under which things are done to it: a member's and their login's.
        acting: every id under which it does things: a login's, an account's keys'.
        labels: names that are its own alone, by which events tell of it without its id.
        parts: names with which the names of its parts begin ("ada@acme.example in Crew").
        is_project: whether events happen *in* it.
    """

    kind: str
    label: str
    ids: tuple[UUID, ...]
    acting: tuple[UUID, ...] = ()
    labels: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    is_project: bool = False


Finder = Callable[[UUID, Actor], Subject | None]
finders: list[Finder] = []
"""Each returns the subject with an id, when it is one of theirs in the scope that is open."""


def find_subject(pk: UUID, actor: Actor) -> Subject | None:
    """Return what an id stands for now; None when there is nothing with it any more, or nothing that is known here."""
    return next((found for find in finders if (found := find(pk, actor)) is not None), None)
