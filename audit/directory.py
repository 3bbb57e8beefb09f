"""The names of organizations and projects, which only an app above this one knows; it registers itself here."""

from collections.abc import Collection
from typing import Protocol
from uuid import UUID

from isolation.actor import Actor


class Directory(Protocol):
    """Gives names to the ids in events."""

    def organizations(self, ids: Collection[UUID]) -> dict[UUID, str]:
        """Return the identifier of each organization, also of deleted ones; operators only."""

    def find_organization(self, text: str) -> UUID | None:
        """Return the organization with this identifier, or None; operators only."""

    def projects(self, actor: Actor, permission: str) -> list[tuple[UUID, str]]:
        """Return (id, name) of the current organization's projects where `actor` holds the permission."""

    def find_projects(self, actor: Actor, permission: str, text: str, *, prefix: bool) -> list[UUID]:
        """Return the ids of the projects with this name or identifier where `actor` holds the permission.

        Args:
            actor: who asks; an operator, in `operator_scope`, finds those of all organizations.
            permission: that they need there.
            text: the name or identifier, in any case.
            prefix: whether it is only the beginning.
        """

    def suggest_projects(self, actor: Actor, permission: str, text: str) -> list[tuple[str, str]]:
        """Return (identifier, name) of a few projects whose name or identifier begins so."""

    def suggest_organizations(self, text: str) -> list[tuple[str, str]]:
        """Return (identifier, name) of a few organizations whose identifier begins so; operators only."""


class NoDirectory:
    """Knows no names."""

    def organizations(self, ids: Collection[UUID]) -> dict[UUID, str]:
        """Return nothing."""
        return {}

    def find_organization(self, text: str) -> UUID | None:
        """Return None."""
        return None

    def projects(self, actor: Actor, permission: str) -> list[tuple[UUID, str]]:
        """Return nothing."""
        return []

    def find_projects(self, actor: Actor, permission: str, text: str, *, prefix: bool) -> list[UUID]:
        """Return nothing."""
        return []

    def suggest_projects(self, actor: Actor, permission: str, text: str) -> list[tuple[str, str]]:
        """Return nothing."""
        return []

    def suggest_organizations(self, text: str) -> list[tuple[str, str]]:
        """Return nothing."""
        return []


_registered: list[Directory] = [NoDirectory()]


def register(directory: Directory) -> None:
    """Make `directory` the one that is asked from now on."""
    _registered[-1] = directory


def directory() -> Directory:
    """Return the registered directory."""
    return _registered[-1]
