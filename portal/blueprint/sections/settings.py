"""The organization's own name and settings."""

from typing import Any, ClassVar

from portal.blueprint.changes import Row, Section
from portal.blueprint.document import Item, Key
from tenants.models import Role
from tenants.services.organizations import update_organization


class Settings(Section):
    """What the settings page shows; there is exactly one entry, and it is never removed."""

    table: ClassVar[str] = "settings"
    noun: ClassVar[str] = "organization"
    section: ClassVar[str] = ""

    def current(self) -> dict[Key, Row]:
        stored = self.stage.organization
        default = Role.objects.filter(pk=stored.default_role_id).first()
        values = {
            "name": stored.name,
            "default_role": default.key if default else None,
            "project_naming_pattern": stored.project_naming_pattern,
            "project_naming_hint": stored.project_naming_hint,
            "api_key_max_days": stored.api_key_max_days,
        }
        return {stored.slug: Row(values, stored)}

    def create(self, key: Key, item: Item) -> Any:
        raise AssertionError("the organization is there")

    def update(self, row: Row, values: dict[str, Any], item: Item) -> Any:
        key = values.pop("default_role")
        role = self.stage.role(key) if key else None
        return update_organization(organization=row.stored, actor=self.stage.actor, default_role=role, **values)

    def remove(self, row: Row) -> Any:
        raise AssertionError("an organization is never pruned")
