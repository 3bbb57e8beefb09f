"""Permission questions of one request, and the mapping from an admin's four verbs to permission names."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from isolation.actor import ANONYMOUS, FRESH_FOR, Actor

_MEMO = "_console_permissions"


def actor_of(request: HttpRequest) -> Actor:
    """Return who asks; the anonymous actor, who may do nothing, when no middleware recognized anybody."""
    return getattr(request, "actor", ANONYMOUS)


def can(request: HttpRequest, permission: str, obj: Any = None) -> bool:
    """Return whether the request's actor holds a permission.

    One page asks the same question many times (sidebar, buttons, form); the answers are kept for the request.

    Args:
        request: the running request.
        permission: a name of the catalogue.
        obj: the row it is needed on; None means the current organization.

    Raises:
        UnknownPermission: the catalogue has no such name.
    """
    memo: dict[tuple[str, Any, Any], bool] = request.__dict__.setdefault(_MEMO, {})
    pk = getattr(obj, "pk", None)
    if obj is not None and pk is None:
        return actor_of(request).can(str(permission), obj)
    key = (str(permission), type(obj), pk)
    if key not in memo:
        memo[key] = actor_of(request).can(str(permission), obj)
    return memo[key]


def require(request: HttpRequest, permission: str, obj: Any = None) -> None:
    """Refuse the request unless its actor holds the permission.

    Raises:
        MissingPermission: it does not; the refusal is recorded.
        FreshSignInNeeded: see `ask_early`.
        UnknownPermission: the catalogue has no such name.
    """
    if not can(request, permission, obj):
        actor_of(request).require(str(permission), obj)
    ask_early(request, permission)


def ask_early(request: HttpRequest, permission: str) -> None:
    """Ask for the fresh sign-in that a service will want, while there is nothing on the page yet that could be lost.

    Raises:
        FreshSignInNeeded: the permission takes one, and there would be little time left to fill in a form.
    """
    actor = actor_of(request)
    if request.method == "GET" and permission in actor.sensitive:
        actor.require_fresh_sign_in(within=FRESH_FOR / 2)


class PermissionMapping:
    """Answers the admin's permission questions from one declaration.

    Attributes:
        permissions: verb ("view", "add", "change", "delete") to permission name. A verb that is not listed is
            allowed to nobody.
    """

    permissions: ClassVar[Mapping[str, str]] = {}

    def allows(self, request: HttpRequest, verb: str, obj: Any = None) -> bool:
        """Return whether the actor may do `verb`, on `obj` or in the organization at all."""
        permission = self.permissions.get(verb)
        return permission is not None and can(request, permission, obj)

    def demand(self, request: HttpRequest, verb: str, obj: Any = None) -> None:
        """Refuse unless `allows`, and the person has signed in freshly where the permission asks for that.

        Raises:
            MissingPermission: the mapped permission is lacking.
            FreshSignInNeeded: see `require`.
            PermissionDenied: nobody may do this here.
        """
        permission = self.permissions.get(verb)
        if self.allows(request, verb, obj):
            if permission is not None:
                ask_early(request, permission)
            return
        if permission is not None:
            require(request, permission, obj)
        raise PermissionDenied("This is not possible here.")

    def holds(self, request: HttpRequest, permission: str, obj: Any = None) -> bool:
        """Return whether the actor may use a button that asks for `permission`; override where more decides."""
        return can(request, permission, obj)

    def insist(self, request: HttpRequest, permission: str, obj: Any = None) -> None:
        """Refuse a button unless the actor `holds` its permission.

        Raises:
            MissingPermission: the permission is lacking.
            PermissionDenied: it is held, and does not suffice here.
        """
        if not self.holds(request, permission, obj):
            require(request, permission, obj)
            raise PermissionDenied("This is not possible here.")
        ask_early(request, permission)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the list may be opened."""
        return self.allows(request, "view")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether `obj` (None: the list) may be seen."""
        return self.allows(request, "view", obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether a row may be added; `obj` is the parent of an inline."""
        return self.allows(request, "add", obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether `obj` may be changed."""
        return self.allows(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether `obj` may be deleted."""
        return self.allows(request, "delete", obj)
