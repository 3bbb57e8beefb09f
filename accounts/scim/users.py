"""SCIM Users (RFC 7643 section 4.1): what is read and written at /Users."""

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from scim2_models import Context, PatchOp, Path
from scim2_models.exceptions import InvalidPathException
from scim2_models.path import CompareOperator, Comparison

from accounts.models import ProvisionedGroup, ProvisionedUser, WaitingGroupMember
from accounts.models.provisioned import LONGEST_EMAIL, LONGEST_VALUE
from accounts.services.provisioned_users import (
    UserValues,
    deprovision_user,
    lock_provisioned_user,
    provision_user,
    update_provisioned_user,
)
from tenants.models import GroupMember

from .context import ScimContext
from .dialects import operations_of, resource_body
from .errors import bad_request, not_found
from .projection import EVERYTHING, Projection
from .resources import CORE_USER, ENTERPRISE_USER, POLICY, STRICT_PATHS, User, comparable_name, comparable_value
from .versions import meta, refuse_other_version

ENDPOINT, KIND = "Users", "User"
MOST_BYTES = 65_536
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_OWN_COLUMNS = ("schemas", "id", "meta", "groups", "password", "userName", "externalId", "active")


def create(context: ScimContext, body: Any) -> ProvisionedUser:
    """Provision a user (RFC 7644 section 3.3)."""
    given = User.model_validate(resource_body(body), scim_ctx=Context.RESOURCE_CREATION_REQUEST, scim_policy=POLICY)
    values = values_of(given, active=True)
    return provision_user(connection=context.connection, values=values, actor=context.actor)


def replace(context: ScimContext, pk: UUID, body: Any) -> ProvisionedUser:
    """Replace a user (RFC 7644 section 3.5.1); whether they are active stays as it is when the body does not say."""
    row = locked(context, pk)
    given = User.model_validate(resource_body(body), scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST, scim_policy=POLICY)
    return update_provisioned_user(user=row, values=values_of(given, active=row.active), actor=context.actor)


def patch(context: ScimContext, pk: UUID, body: Any) -> ProvisionedUser:
    """Change a user (RFC 7644 section 3.5.2)."""
    row = locked(context, pk)
    operations = operations_of(body, resource_id=str(pk))
    for operation in operations:
        _refuse_unknown_path(operation.get("path"))
    stored = User.model_validate(_stored(row), scim_ctx=Context.DEFAULT, scim_policy=POLICY)
    for operation in operations:
        _carry_out(operation, stored)
    return update_provisioned_user(user=row, values=values_of(stored, active=row.active), actor=context.actor)


def _carry_out(operation: dict[str, Any], stored: User) -> None:
    """Change a resource by one operation.

    Only for ``attribute[type eq "x"]`` a value that is missing is created, as Entra ID expects (RFC 7644 section
    3.5.2.3 has noTarget for every miss).
    """
    policy = POLICY if _names_a_type(operation.get("path")) else STRICT_PATHS
    asked = PatchOp[User].model_validate(
        {"schemas": [PATCH_OP], "Operations": [operation]},
        scim_ctx=Context.RESOURCE_PATCH_REQUEST,
        scim_policy=policy,
    )
    asked.patch(stored, scim_policy=policy)


def _names_a_type(text: str | None) -> bool:
    chosen = Path[User](text).value_filter if text else None
    return (
        isinstance(chosen, Comparison) and chosen.op is CompareOperator.eq and str(chosen.attr_path).lower() == "type"
    )


def delete(context: ScimContext, pk: UUID) -> None:
    """Deprovision a user (RFC 7644 section 3.6)."""
    deprovision_user(user=locked(context, pk), actor=context.actor)


def find(context: ScimContext, pk: UUID) -> ProvisionedUser:
    """Return a user of the connection.

    Raises:
        ScimError: 404.
    """
    row: ProvisionedUser | None = rows(context).filter(pk=pk).first()
    if row is None:
        raise not_found("user")
    return row


def locked(context: ScimContext, pk: UUID) -> ProvisionedUser:
    """Return a user of the connection, locked, after holding the request to its `If-Match`.

    Raises:
        DomainError: 404, there is none.
        ScimError: 412.
    """
    row = lock_provisioned_user(context.connection, pk)
    refuse_other_version(context.if_match, row.version)
    return row


def rows(context: ScimContext) -> Any:
    """Return what the connection sees, without what only conditions read."""
    return ProvisionedUser.objects.filter(connection=context.connection).defer("comparable")


def resources(
    context: ScimContext, users: Iterable[ProvisionedUser], projection: Projection = EVERYTHING
) -> list[dict[str, Any]]:
    """Return users as they are sent, by two statements for all of them."""
    users = list(users)
    groups = _groups_of(context, users) if projection.wants("groups") else {}
    return [projection.apply(_resource(context, user, groups.get(user.pk, []))) for user in users]


def values_of(given: User, *, active: bool) -> UserValues:
    """Return what a resource says, ready to be stored.

    Args:
        given: the resource, checked.
        active: what counts when it does not say.

    Raises:
        ScimError: 400, a value is too long, or there is no userName.
    """
    said = given.model_dump(scim_ctx=Context.DEFAULT)
    attributes = {name: value for name, value in said.items() if name not in _OWN_COLUMNS}
    user_name, external_id = said.get("userName", ""), said.get("externalId", "")
    if not user_name.strip():
        raise bad_request("A user has a userName.")
    for name, value in (("userName", user_name), ("externalId", external_id)):
        if len(value) > LONGEST_VALUE:
            raise bad_request(f"{name} has {LONGEST_VALUE} characters at most.")
    if len(json.dumps(attributes)) > MOST_BYTES:
        raise bad_request(f"A user's attributes have {MOST_BYTES // 1024} KiB at most.")
    return UserValues(
        user_name=user_name,
        user_name_key=comparable_name(User, "userName", user_name),
        external_id=external_id,
        email=_email(user_name, attributes.get("emails", [])),
        name=_name(attributes),
        active=said.get("active", active),
        attributes=attributes,
        comparable={name: comparable_value(name, value) for name, value in attributes.items()},
    )


def _stored(row: ProvisionedUser) -> dict[str, Any]:
    """Return a row as a resource without what only the server decides."""
    stored = {"schemas": _schemas(row), "userName": row.user_name, "active": row.active, **row.attributes}
    return stored | {"externalId": row.external_id} if row.external_id else stored


def _resource(context: ScimContext, row: ProvisionedUser, groups: list[dict[str, str]]) -> dict[str, Any]:
    resource = {"id": str(row.pk), **_stored(row)}
    if groups:
        resource["groups"] = groups
    return resource | {"meta": meta(KIND, row, context.location(ENDPOINT, row.pk))}


def _schemas(row: ProvisionedUser) -> list[str]:
    return [CORE_USER, ENTERPRISE_USER] if ENTERPRISE_USER in row.attributes else [CORE_USER]


def _groups_of(context: ScimContext, users: list[ProvisionedUser]) -> dict[UUID, list[dict[str, str]]]:
    """Return the provisioned groups of each user, those that wait for them among them."""
    of_membership = {user.membership_id: user.pk for user in users if user.membership_id is not None}
    places = [
        (of_membership[membership], group)
        for membership, group in GroupMember.objects.filter(membership__in=of_membership).values_list(
            "membership_id", "group_id"
        )
    ]
    waiting = [user.pk for user in users if user.membership_id is None]
    if waiting:
        places += WaitingGroupMember.objects.filter(provisioned_user__in=waiting).values_list(
            "provisioned_user_id", "provisioned_group__group_id"
        )
    names = dict(
        ProvisionedGroup.objects.filter(
            connection=context.connection, group__in={group for _, group in places}
        ).values_list("group_id", "display_name")
    )
    found = defaultdict(list)
    for user, group in sorted(places, key=lambda place: (names.get(place[1], ""), str(place[1]))):
        if group in names:
            entry = {"value": str(group), "$ref": context.location("Groups", group), "display": names[group]}
            found[user].append(entry | {"type": "direct"})
    return found


def _email(user_name: str, emails: list[dict[str, Any]]) -> str:
    """Return the address that counts: the primary one, else that for work, else the first, else the userName."""
    values = [entry for entry in emails if entry.get("value")]
    chosen = (
        next((entry for entry in values if entry.get("primary")), None)
        or next((entry for entry in values if entry.get("type") == "work"), None)
        or (values[0] if values else {"value": user_name})
    )
    address = str(chosen["value"]).strip().lower()
    return address if "@" in address and len(address) <= LONGEST_EMAIL else ""


def _name(attributes: dict[str, Any]) -> str:
    name = attributes.get("name", {})
    parts = " ".join(part for part in (name.get("givenName", ""), name.get("familyName", "")) if part)
    return str(attributes.get("displayName") or name.get("formatted") or parts)


def _refuse_unknown_path(text: str | None) -> None:
    """Refuse to change what the resource does not have; the policy would pass over it.

    Raises:
        SCIMException: 400 invalidPath.
    """
    if text is None:
        return
    path = Path[User](text)
    if path.model is None and path.resolve() is None:
        raise InvalidPathException(path=text, detail=f"A user has no attribute {text[:100]}.")
