"""Django's `user.has_perm`, answered from the membership tables."""

from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import models

from isolation import context

from .access import authority_for
from .authority import place_of
from .permissions import P, known


class MembershipBackend:
    """Answers every name of the catalogue for good: a no stops the other backends.

    Guardian's own backend is not needed: `tenants_authority` reads its exceptions in the same statement.
    """

    def authenticate(self, request: Any, **credentials: Any) -> None:
        """Return None: this backend recognizes nobody."""

    def has_perm(self, user: Any, perm: str, obj: models.Model | None = None) -> bool:
        """Return whether a user holds a catalogue permission on `obj` (None: in the current organization).

        Model permissions of Django ("app.verb_model") are not ours and are never granted.

        Raises:
            UnknownPermission: the name is not in the catalogue.
            PermissionDenied: the user lacks it (Django turns this into False and asks nobody else).
        """
        if "." in perm:
            raise PermissionDenied
        (permission,) = known([perm])
        organization_id = place_of(obj)[0] or context.current_organization_id()
        if not user.is_active or organization_id is None or not self._holds(user, permission, obj, organization_id):
            raise PermissionDenied
        return True

    def _holds(self, user: Any, permission: P, obj: models.Model | None, organization_id: UUID) -> bool:
        return authority_for(user, organization_id).allows(permission, obj)
