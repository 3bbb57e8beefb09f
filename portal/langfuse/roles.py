"""Which role of Langfuse a role is."""

from tenants.models import Role
from tenants.permissions import BUILTIN_ROLES, BuiltinRole

BY_NAME = {
    "OWNER": BuiltinRole.OWNER,
    "ADMIN": BuiltinRole.ADMIN,
    "MEMBER": BuiltinRole.MEMBER,
    "VIEWER": BuiltinRole.VIEWER,
    "NONE": BuiltinRole.NONE,
}


def langfuse_role(role: Role) -> str:
    """Return Langfuse's name of a role.

    The Auditor and custom roles, which Langfuse does not know, are shown as the highest role that they include, so that
    they never look like more than they are.
    """
    return next(name for name, key in BY_NAME.items() if BUILTIN_ROLES[key].permissions <= role.permissions)
