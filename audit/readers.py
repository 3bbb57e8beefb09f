"""Who can read an event now; apps above, which know who holds a permission, register themselves here."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

MOST = 50
"""People, accounts and keys that one app names."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody or something that may read.

    Attributes:
        label: a person's address, an account's or a key's name.
        kind: "person", "API key" …
        why: the role or scope that allows it.
    """

    label: str
    kind: str
    why: str


@dataclass(frozen=True, slots=True)
class Readers:
    """Those who may read.

    Attributes:
        named: some or all of them.
        more: whether there are others beside them.
        doubts: sentences about what is not known.
    """

    named: tuple[Reader, ...]
    more: bool = False
    doubts: tuple[str, ...] = ()


Source = Callable[[UUID, UUID | None, str], Readers]
sources: list[Source] = []
"""Each takes (organization, project or None, permission); the organization's scope is open."""


def readers_of(organization_id: UUID, project_id: UUID | None, permission: str) -> Readers:
    """Return who holds a permission in a project, or in the organization as a whole."""
    found = [source(organization_id, project_id, permission) for source in sources]
    return Readers(tuple(reader for part in found for reader in part.named), any(part.more for part in found))
