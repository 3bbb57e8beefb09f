"""Whom an erasure from the audit log is about: logins, and members of an organization."""

from uuid import UUID

from django.db.models import Q

from audit.people import Person, register
from isolation.identifiers import parse_uuid
from tenants.models import Membership

from .models import User


class Logins:
    """Answers from the logins, and the memberships of the scope that is open."""

    def find(self, text: str, organization_id: UUID | None) -> Person | None:
        """Return who has an address or id; of an organization, only somebody who is or was its member."""
        named = Q(email__iexact=text)
        if (pk := parse_uuid(text)) is not None:
            named |= Q(pk=pk)
        logins = User.objects.filter(named)
        if organization_id is not None:
            logins = logins.filter(pk__in=Membership.objects.values("user_id"))
        user = logins.first()
        if user is None:
            return None
        return Person(user.pk, tuple(dict.fromkeys(name for name in (user.email, user.display_name) if name)))

    def is_active(self, person_id: UUID, organization_id: UUID | None) -> bool:
        """Return whether the login is open, and, with an organization, the membership too."""
        if not User.objects.filter(pk=person_id, is_active=True).exists():
            return False
        if organization_id is None:
            return True
        return bool(Membership.objects.filter(user_id=person_id, is_active=True).exists())


register(Logins())
