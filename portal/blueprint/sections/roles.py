"""Custom roles."""

from typing import Any, ClassVar

from portal.blueprint.changes import Row, Section
from portal.blueprint.document import Item, Key
from tenants.models import Role
from tenants.services.roles import create_role, delete_role, update_role


class Roles(Section):
    """Custom roles by key; the built-in ones are never touched."""

    table: ClassVar[str] = "roles"
    noun: ClassVar[str] = "role"
    section: ClassVar[str] = "roles"

    def current(self) -> dict[Key, Row]:
        return {
            role.key: Row(
                {
                    "name": role.name,
                    "description": role.description,
                    "permissions": sorted(name.value for name in role.permissions),
                },
                role,
            )
            for role in Role.objects.filter(is_builtin=False).order_by("key")
        }

    def initial(self, key: Key, item: Item) -> dict[str, Any]:
        return {"name": str(key), **item.values}

    def create(self, key: Key, item: Item) -> Any:
        values = self.initial(key, item)
        return create_role(
            organization=self.stage.organization,
            key=str(key),
            name=values["name"],
            description=values.get("description", ""),
            permissions=values["permissions"],
            actor=self.stage.actor,
        )

    def update(self, row: Row, values: dict[str, Any], item: Item) -> Any:
        return update_role(role=row.stored, actor=self.stage.actor, **values)

    def remove(self, row: Row) -> Any:
        return delete_role(role=row.stored, actor=self.stage.actor)
