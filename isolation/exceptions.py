"""What goes wrong around tenancy and authority; the doors (console, API, SCIM, command) map each once."""

from typing import Any

from django.core.exceptions import PermissionDenied


class NoTenant(RuntimeError):  # noqa: N818 - reads as the statement it is
    """A tenant's rows were asked for outside `tenant_scope` and `operator_scope`."""


class ScopeRefused(PermissionDenied):
    """Only an operator or the system itself may cross tenants."""


class MissingPermission(PermissionDenied):
    """The actor lacks a permission; `permission` names it and `obj` is what it was needed on.

    Args:
        permission: the catalogue name, such as ``members:invite``.
        obj: the organization, project or row; None means the current organization.
    """

    def __init__(self, permission: str, obj: Any = None) -> None:
        super().__init__(f"This needs the permission {permission}.")
        self.permission = permission
        self.obj = obj


class FreshSignInNeeded(PermissionDenied):
    """The session's person showed too long ago who they are for what they want to do."""

    def __init__(self) -> None:
        super().__init__("This takes a fresh sign-in: confirm that it is you, then do it again.")


class UnknownPermission(LookupError):  # noqa: N818 - reads as the statement it is
    """A permission name that the catalogue does not hold: a programming mistake, never a quiet "no"."""


class DomainError(Exception):
    """A rule of the domain refuses the request; the message tells a person what to do next.

    Args:
        message: a full sentence for the person.
        field: the form field that the message belongs to, or None.
        code: a stable machine name for programs.
    """

    def __init__(self, message: str, *, field: str | None = None, code: str = "invalid") -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.code = code
