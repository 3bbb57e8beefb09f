"""What only an app above this one knows about organizations; it registers itself here (see `audit.directory`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from isolation.actor import Actor
from isolation.exceptions import MissingPermission

from .credentials import Credential


@dataclass(frozen=True, slots=True)
class Grantor:
    """Somebody who can grant a missing permission."""

    name: str
    email: str


class Directory(Protocol):
    """Finds the organization that an address means, and the people who can help after a refusal."""

    def find(self, reference: str, credential: Credential) -> UUID | None:
        """Return the organization that the credential means by a slug or UUID; None: there is none for it.

        Asked before any scope is open.
        """

    def enter(self, organization_id: UUID, reference: str) -> Any:
        """Return the organization whose scope has just been opened.

        Raises:
            Problem: it is closed for now, or `reference` means another one.
        """

    def grantors(self, refusal: MissingPermission, actor: Actor, organization_id: UUID) -> Sequence[Grantor]:
        """Return who can grant what was missing, for an actor who belongs to the organization; its scope is open."""


_registered: list[Directory] = []


def register(directory: Directory) -> None:
    """Make `directory` the one that is asked from now on."""
    _registered[:] = [directory]


def directory() -> Directory:
    """Return the registered directory."""
    return _registered[0]
