"""Groups, who is in them, and the roles that they carry."""

from collections.abc import Iterator
from typing import Any, ClassVar

from portal.blueprint.changes import Change, Row, Section
from portal.blueprint.document import Item, Key
from portal.blueprint.problems import BlueprintError
from tenants.models import Group, GroupMember, GroupRole, Source
from tenants.services.groups import (
    add_group_member,
    create_group,
    delete_group,
    remove_group_member,
    remove_group_role,
    set_group_role,
    update_group,
)

from .members import joins


class Groups(Section):
    """Groups by name, in any case of letters; those of an identity provider are not pruned.

    One that the file calls provisioned is made by the identity provider, and waited for until then.
    """

    table: ClassVar[str] = "groups"
    noun: ClassVar[str] = "group"
    section: ClassVar[str] = "groups"

    def current(self) -> dict[Key, Row]:
        return {group.name: Row({"description": group.description}, group) for group in Group.objects.order_by("name")}

    def match(self, key: Key) -> Key:
        return str(key).lower()

    def initial(self, key: Key, item: Item) -> dict[str, Any]:
        return {name: value for name, value in item.values.items() if name != "provisioned"}

    def absent(self, key: Key, item: Item) -> Iterator[Change]:
        if not is_awaited(item):
            yield from super().absent(key, item)
            return
        said = f"The identity provider has not made {key} yet. Once it has, apply again: the group gets its roles then."
        self.stage.warn(item.path, said)

    def present(self, key: Key, item: Item, row: Row) -> Iterator[Change]:
        if is_awaited(item) and not is_provisioned(row):
            said = (
                f"{key} is managed by hand. Hand it over to the identity provider on the group's page in the console,"
                " or leave provisioned out."
            )
            raise BlueprintError([self.stage.problem((*item.path, "provisioned"), said)])
        yield from super().present(key, item, row)

    def create(self, key: Key, item: Item) -> Any:
        return create_group(
            organization=self.stage.organization,
            name=str(key),
            description=item.values.get("description", ""),
            actor=self.stage.actor,
        )

    def update(self, row: Row, values: dict[str, Any], item: Item) -> Any:
        return update_group(group=row.stored, name=row.stored.name, actor=self.stage.actor, **values)

    def is_surplus(self, key: Key, row: Row) -> bool:
        return not is_provisioned(row)

    def remove(self, row: Row) -> Any:
        return delete_group(group=row.stored, actor=self.stage.actor)


class GroupRoles(Section):
    """Roles that a group gives its members; the key's second part is a project, or "" for the organization."""

    table: ClassVar[str] = "group_roles"
    noun: ClassVar[str] = "group role"
    section: ClassVar[str] = "groups"

    def current(self) -> dict[Key, Row]:
        roles = GroupRole.objects.select_related("group", "project", "role")
        return {
            (place.group.name, place.project.slug if place.project else ""): Row({"role": place.role.key}, place)
            for place in roles.order_by("group__name", "project__slug")
        }

    def match(self, key: Key) -> Key:
        return key[0].lower(), key[1]

    def label(self, key: Key) -> str:
        return f"{key[0]} in {key[1]}" if key[1] else key[0]

    def absent(self, key: Key, item: Item) -> Iterator[Change]:
        group = self.stage.wanted.table("groups")[key[0]]
        if not is_awaited(group) or Group.objects.filter(name__iexact=key[0]).exists():
            yield from super().absent(key, item)

    def create(self, key: Key, item: Item) -> Any:
        stage = self.stage
        return set_group_role(
            group=stage.group(key[0]),
            role=stage.role(item.values["role"]),
            project=stage.project(key[1]) if key[1] else None,
            actor=stage.actor,
            allow_owner=item.values.get("allow_owner", False),
        )

    def update(self, row: Row, values: dict[str, Any], item: Item) -> Any:
        stored, stage = row.stored, self.stage
        return set_group_role(
            group=stored.group,
            role=stage.role(values["role"]),
            project=stored.project,
            actor=stage.actor,
            allow_owner=item.values.get("allow_owner", False),
        )

    def is_surplus(self, key: Key, row: Row) -> bool:
        return self.stage.wanted.writes("groups", key[0], "projects" if key[1] else "role")

    def remove(self, row: Row) -> Any:
        return remove_group_role(group_role=row.stored, actor=self.stage.actor)


class GroupMembers(Section):
    """Places in groups: (group, e-mail address)."""

    table: ClassVar[str] = "group_members"
    noun: ClassVar[str] = "group member"
    section: ClassVar[str] = "groups"

    def current(self) -> dict[Key, Row]:
        places = GroupMember.objects.select_related("group", "membership__user")
        return {
            (place.group.name, place.membership.user.email): Row({}, place)
            for place in places.order_by("group__name", "membership__user__email")
        }

    def match(self, key: Key) -> Key:
        return key[0].lower(), key[1]

    def label(self, key: Key) -> str:
        return f"{key[1]} in {key[0]}"

    def absent(self, key: Key, item: Item) -> Iterator[Change]:
        if joins(self.stage, key[1]):
            yield from super().absent(key, item)

    def create(self, key: Key, item: Item) -> Any:
        stage = self.stage
        return add_group_member(group=stage.group(key[0]), membership=stage.membership(key[1]), actor=stage.actor)

    def update(self, row: Row, values: dict[str, Any], item: Item) -> Any:
        raise AssertionError("a place has no fields")

    def is_surplus(self, key: Key, row: Row) -> bool:
        return row.stored.group.source != Source.SCIM and self.stage.wanted.writes("groups", key[0], "members")

    def remove(self, row: Row) -> Any:
        return remove_group_member(place=row.stored, actor=self.stage.actor)


def is_provisioned(row: Row) -> bool:
    """Return whether an identity provider manages a group."""
    return bool(row.stored.source == Source.SCIM)


def is_awaited(group: Item) -> bool:
    """Return whether the file leaves it to the identity provider to make a group."""
    return bool(group.values.get("provisioned"))
