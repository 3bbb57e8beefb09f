"""The slow, obvious answer to "what may this key do there": straight from the rows, one question at a time.

It shares nothing with `accounts.authority` but the models and the catalogue.
"""

from typing import Any

from accounts.models import ApiKey, ServiceAccount, ServiceAccountProjectRole
from tenants.models import Organization, Project
from tenants.permissions import BUILTIN_ROLES
from tests.tenants import oracle as people


def holds(key: ApiKey, obj: Any, organization: Organization) -> set[str]:
    """Return the permissions that `key` holds on `obj` in `organization`, whose scope is open.

    Args:
        key: a key of that organization.
        obj: an organization, a project, a key, or None for the organization.
        organization: the current one; nothing is allowed on another one's objects.
    """
    project = obj if isinstance(obj, Project) else getattr(obj, "project", None)
    if obj is not None and (obj.pk if isinstance(obj, Organization) else obj.organization_id) != organization.pk:
        return set()
    scopes = set(key.scopes)
    if key.kind == "project":
        return scopes if project is not None and project.pk == key.project_id else set()
    if key.kind == "personal":
        return scopes & people.holds(key.user, project, organization)
    if key.kind == "service_account":
        return scopes & _of_account(ServiceAccount.objects.get(pk=key.service_account_id), project)
    return scopes


def _of_account(account: ServiceAccount, project: Project | None) -> set[str]:
    if not account.is_active:
        return set()
    role = account.role
    for own in ServiceAccountProjectRole.objects.filter(account=account, project=project) if project else ():
        role = own.role
    if not role.is_builtin:
        return set(role.custom_permissions)
    (built_in,) = [built_in for key, built_in in BUILTIN_ROLES.items() if key.value == role.key]
    return {str(name) for name in built_in.permissions}
