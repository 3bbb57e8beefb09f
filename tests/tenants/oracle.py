"""The slow, obvious answer to "what may this person do there": straight from the rows, one question at a time.

It shares nothing with `tenants.access` but the models and the catalogue.
"""

from typing import Any

from tenants.models import (
    Group,
    GroupMember,
    GroupRole,
    Membership,
    Organization,
    Project,
    ProjectGroupGrant,
    ProjectMembership,
    ProjectUserGrant,
    Role,
)
from tenants.permissions import BUILTIN_ROLES


def holds(user: Any, obj: Any, organization: Organization) -> set[str]:
    """Return the permissions that `user` holds on `obj` in `organization`, whose scope is open.

    Args:
        user: a person.
        obj: an organization, a project, or None for the organization.
        organization: the current one; nothing is allowed on another one's objects.
    """
    project = obj if isinstance(obj, Project) else None
    if project is not None and project.organization_id != organization.pk:
        return set()
    if isinstance(obj, Organization) and obj.pk != organization.pk:
        return set()
    membership = Membership.objects.filter(user_id=user.pk).first()
    if membership is None or not membership.is_active or not type(user).objects.get(pk=user.pk).is_active:
        return set()
    groups = [
        group
        for group in Group.objects.all()
        if GroupMember.objects.filter(group=group, membership=membership).exists()
    ]
    held = _exceptions(user, groups, project) if project is not None else set()
    for role in _deciding_roles(membership, groups, project):
        held |= _of_role(role)
    return held


def _deciding_roles(membership: Membership, groups: list[Group], project: Project | None) -> list[Role]:
    if project is not None:
        own = ProjectMembership.objects.filter(membership=membership, project=project).first()
        if own is not None:
            return [own.role]
        through_groups = [
            group_role.role for group in groups for group_role in GroupRole.objects.filter(group=group, project=project)
        ]
        if through_groups:
            return through_groups
    everywhere = [
        group_role.role for group in groups for group_role in GroupRole.objects.filter(group=group, project=None)
    ]
    return [membership.role, *everywhere]


def _exceptions(user: Any, groups: list[Group], project: Project) -> set[str]:
    held = {
        grant.permission.codename for grant in ProjectUserGrant.objects.filter(user_id=user.pk, content_object=project)
    }
    for group in groups:
        for grant in ProjectGroupGrant.objects.filter(group=group, content_object=project):
            held.add(grant.permission.codename)
    return held


def _of_role(role: Role) -> set[str]:
    if not role.is_builtin:
        return set(role.custom_permissions)
    for key, definition in BUILTIN_ROLES.items():
        if key.value == role.key:
            return {str(name) for name in definition.permissions}
    return set()
