"""SCIM Groups (RFC 7643 section 4.2): what is read and written at /Groups."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from scim2_models import Path
from scim2_models.exceptions import InvalidPathException, NoTargetException
from scim2_models.path import CompareOperator, Comparison

from accounts.models import ProvisionedGroup, ProvisionedUser, WaitingGroupMember
from accounts.models.provisioned import LONGEST_VALUE
from accounts.services.provisioned_groups import (
    change_group_members,
    delete_provisioned_group,
    lock_provisioned_group,
    provision_group,
    replace_group_members,
    update_provisioned_group,
)
from tenants.models import GroupMember

from .context import ScimContext
from .dialects import operations_of, resource_body
from .errors import bad_request, not_found
from .projection import EVERYTHING, Projection
from .resources import CORE_GROUP, Group, comparable_name
from .versions import meta, refuse_other_version

ENDPOINT, KIND = "Groups", "Group"


def create(context: ScimContext, body: Any) -> ProvisionedGroup:
    """Provision a group (RFC 7644 section 3.3)."""
    given = _named(resource_body(body))
    display_name, external_id = _display_name(given.get("displayname")), _external_id(given.get("externalid"))
    members = _members(given.get("members", []))
    row = provision_group(
        connection=context.connection,
        display_name=display_name,
        display_name_key=comparable_name(Group, "displayName", display_name),
        external_id=external_id,
        actor=context.actor,
    )
    change_group_members(group=row, add=members, actor=context.actor)
    return row


def replace(context: ScimContext, pk: UUID, body: Any) -> ProvisionedGroup:
    """Replace a group (RFC 7644 section 3.5.1): without members in the body it is empty afterwards."""
    row = locked(context, pk)
    given = _named(resource_body(body))
    members = _members(given.get("members", []))
    _rename(context, row, given.get("displayname"), given.get("externalid", ""))
    replace_group_members(group=row, wanted=members, actor=context.actor)
    return row


def patch(context: ScimContext, pk: UUID, body: Any) -> ProvisionedGroup:
    """Change a group (RFC 7644 section 3.5.2); the cost follows the number of changes, not of members."""
    row = locked(context, pk)
    change = _Change(row)
    for operation in operations_of(body, resource_id=str(pk)):
        change.take(operation)
    _rename(context, row, change.display_name, change.external_id)
    if change.wanted is not None:
        replace_group_members(group=row, wanted=change.wanted, actor=context.actor)
    else:
        change_group_members(group=row, add=change.added, remove=change.removed, actor=context.actor)
    return row


def delete(context: ScimContext, pk: UUID) -> None:
    """Delete a group (RFC 7644 section 3.6); nobody leaves the organization."""
    delete_provisioned_group(group=locked(context, pk), actor=context.actor)


def find(context: ScimContext, pk: UUID) -> ProvisionedGroup:
    """Return a group of the connection.

    Raises:
        ScimError: 404.
    """
    row: ProvisionedGroup | None = rows(context).filter(group=pk).first()
    if row is None:
        raise not_found("group")
    return row


def locked(context: ScimContext, pk: UUID) -> ProvisionedGroup:
    """Return a group of the connection, locked, after holding the request to its `If-Match`.

    Raises:
        DomainError: 404, there is none.
        ScimError: 412.
    """
    row = lock_provisioned_group(context.connection, pk)
    refuse_other_version(context.if_match, row.version)
    return row


def rows(context: ScimContext) -> Any:
    """Return what the connection sees."""
    return ProvisionedGroup.objects.filter(connection=context.connection)


def resources(
    context: ScimContext, groups: Iterable[ProvisionedGroup], projection: Projection = EVERYTHING
) -> list[dict[str, Any]]:
    """Return groups as they are sent, by two statements for all of them; members that are left out are not loaded."""
    groups = list(groups)
    members = _members_of(context, groups) if projection.wants("members") else {}
    return [projection.apply(_resource(context, group, members.get(group.pk, []))) for group in groups]


@dataclass
class _Change:
    """What the operations of a PATCH come to.

    Attributes:
        row: the group as it is stored.
        display_name, external_id: what they will be.
        wanted: the members, once an operation sets them all; None: only `added` and `removed` count.
        added, removed: ids of users.
    """

    row: ProvisionedGroup
    display_name: Any = None
    external_id: Any = None
    wanted: set[UUID] | None = None
    added: set[UUID] = field(default_factory=set)
    removed: set[UUID] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.display_name, self.external_id = self.row.display_name, self.row.external_id

    def take(self, operation: dict[str, Any]) -> None:
        """Add one operation.

        Raises:
            ScimError, SCIMException: 400, it cannot be carried out.
        """
        op, value = operation["op"], operation.get("value")
        if op != "remove" and "value" not in operation:
            raise bad_request(f"The operation {op} has a value.")
        if "path" in operation:
            self._at(operation["path"], op, value)
            return
        if op == "remove":
            raise NoTargetException(detail="The operation remove has a path.")
        if not isinstance(value, dict):
            raise bad_request("Without a path the value is an object.")
        for name, inner in value.items():
            if _attribute(name) is not None:  # what a group does not have is passed over, as in a PUT
                self._at(name, op, inner)

    def _at(self, text: str, op: str, value: Any) -> None:
        path = Path[Group](text)
        name = _attribute(text)
        match name:
            case "members":
                self._change_members(path, text, op, value)
            case "display_name":
                if op == "remove" or value is None:
                    raise bad_request("A group keeps its displayName.", "mutability")
                self.display_name = value
            case "external_id":
                self.external_id = "" if op == "remove" or value is None else value
            case "id" | "meta" | "schemas":
                raise bad_request(f"{text} is decided by the server.", "mutability")
            case _:
                raise InvalidPathException(path=text, detail=f"A group has no attribute {text[:100]}.")

    def _change_members(self, path: Any, text: str, op: str, value: Any) -> None:
        if path.value_filter is not None:
            if op != "remove":
                raise bad_request("A member is added or removed as a whole.", "mutability")
            self._remove(self._selected(path, text))
        elif "." in text.rpartition(":")[2]:
            raise bad_request("A member is added or removed as a whole.", "mutability")
        elif op == "add":
            self._add(_members(value))
        elif op == "replace":
            self.wanted, self.added, self.removed = _members(value or []), set(), set()
        elif value is None:
            self.wanted, self.added, self.removed = set(), set(), set()
        else:  # Entra ID and authentik: only these
            self._remove(_members(value))

    def _add(self, ids: set[UUID]) -> None:
        if self.wanted is not None:
            self.wanted |= ids
        else:
            self.added |= ids
            self.removed -= ids

    def _remove(self, ids: set[UUID]) -> None:
        if self.wanted is not None:
            self.wanted -= ids
        else:
            self.removed |= ids
            self.added -= ids

    def _selected(self, path: Any, text: str) -> set[UUID]:
        """Return the members that a value filter names."""
        chosen = path.value_filter
        if isinstance(chosen, Comparison) and chosen.op is CompareOperator.eq and str(chosen.attr_path) == "value":
            return _uuids([str(chosen.value)])
        present = _people_in([self.row])
        members = [{"value": str(user), "display": name} for _, user, name in present]
        found = Path[Group](text).get(Group.model_validate({"members": members})) if members else None
        return _uuids([str(entry.value) for entry in found or []])


def _rename(context: ScimContext, row: ProvisionedGroup, display_name: Any, external_id: Any) -> None:
    display_name = _display_name(display_name)
    update_provisioned_group(
        group=row,
        display_name=display_name,
        display_name_key=comparable_name(Group, "displayName", display_name),
        external_id=_external_id(external_id),
        actor=context.actor,
    )


def _attribute(text: str) -> str | None:
    """Return the field that a path begins with, None for what a group does not have.

    Raises:
        SCIMException: 400 invalidPath, it is no path.
    """
    found = Path[Group](text).resolve()
    return found.field_name if found is not None else None


def _named(body: dict[str, Any]) -> dict[str, Any]:
    return {name.lower().removeprefix(f"{CORE_GROUP.lower()}:"): value for name, value in body.items()}


def _display_name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise bad_request("A group has a displayName.")
    if len(value) > LONGEST_VALUE:
        raise bad_request(f"displayName has {LONGEST_VALUE} characters at most.")
    return value


def _external_id(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > LONGEST_VALUE:
        raise bad_request(f"externalId is a text of {LONGEST_VALUE} characters at most.")
    return value


def _members(value: Any) -> set[UUID]:
    """Return the ids of the users that a value of `members` names: objects, or bare ids.

    Raises:
        ScimError: 400, one of them is none.
    """
    entries = value if isinstance(value, list) else [value]
    ids = []
    for entry in entries:
        given = {name.lower(): inner for name, inner in entry.items()} if isinstance(entry, dict) else {"value": entry}
        if str(given.get("type") or "User").lower() == "group" or "/Groups/" in str(given.get("$ref") or ""):
            raise bad_request("Groups are not nested here. Send the people of the inner group as members.")
        if not isinstance(given.get("value"), str):
            raise bad_request("A member has a value: the id of a user.")
        ids.append(given["value"])
    return _uuids(ids)


def _uuids(texts: Iterable[str]) -> set[UUID]:
    found = set()
    for text in texts:
        try:
            found.add(UUID(text))
        except ValueError:
            raise bad_request(f"There is no user with the id {text[:100]}.") from None
    return found


def _resource(context: ScimContext, row: ProvisionedGroup, members: list[dict[str, str]]) -> dict[str, Any]:
    resource: dict[str, Any] = {"schemas": [CORE_GROUP], "id": str(row.group_id), "displayName": row.display_name}
    if row.external_id:
        resource["externalId"] = row.external_id
    if members:
        resource["members"] = members
    return resource | {"meta": meta(KIND, row, context.location(ENDPOINT, row.group_id))}


def _members_of(context: ScimContext, groups: list[ProvisionedGroup]) -> dict[UUID, list[dict[str, str]]]:
    found = defaultdict(list)
    base = context.location("Users", "")
    for group, user, name in sorted(_people_in(groups), key=lambda place: str(place[1])):
        found[group].append({"value": str(user), "$ref": f"{base}{user}", "display": name, "type": "User"})
    return found


def _people_in(groups: list[ProvisionedGroup]) -> list[tuple[UUID, UUID, str]]:
    """Return (group row's id, user's id, userName) for each member of the groups, those who wait among them."""
    of_group = {group.group_id: group.pk for group in groups}
    places = GroupMember.objects.filter(group__in=of_group)
    people = ProvisionedUser.objects.filter(membership__in=places.values("membership"))
    users = {membership: (pk, name) for pk, membership, name in people.values_list("pk", "membership_id", "user_name")}
    joined = [
        (of_group[group], *users[membership])
        for group, membership in places.values_list("group_id", "membership_id")
        if membership in users
    ]
    waiting = WaitingGroupMember.objects.filter(provisioned_group__in=[group.pk for group in groups]).values_list(
        "provisioned_group_id", "provisioned_user_id", "provisioned_user__user_name"
    )
    return [*joined, *waiting]
