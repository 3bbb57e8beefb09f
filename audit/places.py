"""The names that a query may use: projects, organizations, sorts of things."""

from collections.abc import Sequence
from functools import cache
from uuid import UUID

from django.apps import apps

from isolation.actor import Actor
from isolation.managers import tenant_column

from .directory import directory
from .querysets import READ


class LogPlaces:
    """What one actor may name.

    Args:
        actor: who asks.
        permission: what they need in a project whose name they use.
        across: whether the log spans organizations; the `operator_scope` is open then.
    """

    def __init__(self, actor: Actor, permission: str = READ, *, across: bool = False) -> None:
        self.actor = actor
        self.permission = permission
        self.across = across

    def projects(self, text: str, *, prefix: bool) -> Sequence[UUID]:
        """Return the ids of the projects with this name or identifier."""
        return directory().find_projects(self.actor, self.permission, text, prefix=prefix)

    def organization(self, text: str) -> UUID | None:
        """Return the id of the organization with this identifier; tenants know no other than their own."""
        return directory().find_organization(text) if self.across else None

    def types(self) -> Sequence[str]:
        """Return the sorts of things that events are about."""
        return _types()


@cache
def _types() -> tuple[str, ...]:
    governed = (model for model in apps.get_models() if tenant_column(model) or not model._meta.default_permissions)
    return tuple(sorted({"audit log", *(str(model._meta.verbose_name) for model in governed)}, key=str.casefold))
