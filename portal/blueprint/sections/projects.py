"""Projects."""

from collections.abc import Iterator
from typing import Any, ClassVar

from portal.blueprint.changes import Change, Row, Section, Verb
from portal.blueprint.document import Item, Key
from tenants.models import Environment, Project
from tenants.services.projects import create_project, request_project_deletion, restore_project, update_project

_SCHEDULED = "scheduled"


class Projects(Section):
    """Projects by identifier. Pruning schedules a deletion, which can be called off; naming one again does that."""

    table: ClassVar[str] = "projects"
    noun: ClassVar[str] = "project"
    section: ClassVar[str] = "projects"

    def current(self) -> dict[Key, Row]:
        return {
            project.slug: Row(
                {
                    "name": project.name,
                    "environment": project.environment,
                    "description": project.description,
                    "metadata": project.metadata,
                },
                project,
            )
            for project in Project.objects.order_by("slug")
        }

    def initial(self, key: Key, item: Item) -> dict[str, Any]:
        return {"name": str(key), "environment": Environment.DEVELOPMENT.value, **item.values}

    def create(self, key: Key, item: Item) -> Any:
        return create_project(
            organization=self.stage.organization,
            slug=str(key),
            actor=self.stage.actor,
            **self.initial(key, item),
        )

    def present(self, key: Key, item: Item, row: Row) -> Iterator[Change]:
        if row.stored.is_being_deleted:
            yield Change(
                Verb.UPDATE,
                self.noun,
                self.label(key),
                {"deletion": (_SCHEDULED, None)},
                item.path,
                lambda: restore_project(project=row.stored, actor=self.stage.actor),
            )
        yield from super().present(key, item, row)

    def update(self, row: Row, values: dict[str, Any], item: Item) -> Any:
        return update_project(project=row.stored, actor=self.stage.actor, **values)

    def is_surplus(self, key: Key, row: Row) -> bool:
        return not row.stored.is_being_deleted

    def removal(self, key: Key, row: Row) -> Change:
        change = super().removal(key, row)
        return Change(
            change.verb, change.noun, change.label, change.fields, change.path, change.run, note="deletion is scheduled"
        )

    def remove(self, row: Row) -> Any:
        reason = "Not in the blueprint"
        return request_project_deletion(project=row.stored, actor=self.stage.actor, reason=reason)
