"""The slow, obvious answer to "may this person do that": straight from the rows, one question at a time.

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


def allowed(user: Any, permission: str, obj: Any, organization: Organization) -> bool:
    """Return whether `user` may do `permission` on `obj` in `organization`, whose scope is open.

    Args:
        user: a person.
        permission: a catalogue name.
        obj: an organization, a project, or None for the organization.
        organization: the current one; nothing is allowed on another one's objects.
    """
    project = obj if isinstance(obj, Project) else None
    if project is not None and project.organization_id != organization.pk:
        return False
    if isinstance(obj, Organization) and obj.pk != organization.pk:
        return False
    membership = Membership.objects.filter(user_id=user.pk).first()
    if membership is None or not membership.is_active or not type(user).objects.get(pk=user.pk).is_active:
        return False
    groups = [
        group
        for group in Group.objects.all()
        if GroupMember.objects.filter(group=group, membership=membership).exists()
    ]
    if project is not None and _excepted(user, groups, project, permission):
        return True
    return any(_role_allows(role, permission) for role in _deciding_roles(membership, groups, project))


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


def _excepted(user: Any, groups: list[Group], project: Project, permission: str) -> bool:
    for grant in ProjectUserGrant.objects.filter(user_id=user.pk, content_object=project):
        if grant.permission.codename == permission:
            return True
    for group in groups:
        for grant in ProjectGroupGrant.objects.filter(group=group, content_object=project):
            if grant.permission.codename == permission:
                return True
    return False


def _role_allows(role: Role, permission: str) -> bool:
    if role.is_builtin:
        for key, definition in BUILTIN_ROLES.items():
            if key.value == role.key:
                return permission in {str(name) for name in definition.permissions}
        return False
    return permission in role.custom_permissions
