"""Finds the organization that an API address means."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from uuid import UUID

from api.credentials import Credential
from api.directory import Grantor, register
from api.problems import Problem, not_found
from isolation.actor import Actor
from isolation.exceptions import MissingPermission
from tenants.grantors import may_be_told, who_can_grant
from tenants.lookups import active_membership
from tenants.models import Organization
from tenants.permissions import P


class TenantDirectory:
    """Answers from the memberships of a session's person, or with the one organization of a key."""

    def find(self, reference: str, credential: Credential) -> UUID | None:
        """Return the organization that the credential means; None for somebody else's and for none at all."""
        if credential.organization_id is not None:
            return credential.organization_id
        if credential.user is None:
            return None
        membership = active_membership(credential.user.pk, reference)
        return membership.organization_id if membership else None

    def enter(self, organization_id: UUID, reference: str) -> Any:
        """Return the organization whose scope has just been opened.

        Raises:
            Problem: 404 when `reference` means another one, 403 when an operator closed it for now.
        """
        organization = Organization.objects.select_related("default_role").filter(pk=organization_id).first()
        if organization is None or reference not in {organization.slug, str(organization.pk)}:
            raise not_found()
        if organization.is_suspended:
            raise Problem(
                HTTPStatus.FORBIDDEN,
                "organization_suspended",
                f"An operator closed this organization for now: {organization.suspension_reason} "
                "Its owners can ask the operator to open it again.",
            )
        return organization

    def grantors(self, refusal: MissingPermission, actor: Actor, organization_id: UUID) -> Sequence[Grantor]:
        """Return who can grant what was missing; nobody for an actor who may not know the members."""
        if not may_be_told(actor, organization_id):
            return []
        members = who_can_grant(P(refusal.permission))
        return [Grantor(member.user.display_name, member.user.email) for member in members]


register(TenantDirectory())
