"""Who has signed in through a single sign-on connection, and forgetting how its provider knows a member."""

from typing import Any
from uuid import UUID

from rest_framework import serializers

from accounts.models import SsoIdentity
from accounts.services.sso_connections import unlink_identity
from api.operation import Filter, listing, operation
from api.serializers import Answer
from api.views import OrganizationView
from tenants.api.serializers import MEMBER_EXAMPLE, MemberName
from tenants.permissions import P

from .sso import TAG, connections


class SsoIdentityAnswer(Answer):
    """A member as an identity provider knows them."""

    id = serializers.UUIDField()
    member = MemberName(source="membership")
    issuer = serializers.CharField(help_text="One that the connection has no more opens nothing.")
    subject = serializers.CharField(help_text="Who they are to the issuer.")
    created_at = serializers.DateTimeField(help_text="When they signed in first.")
    last_used_at = serializers.DateTimeField()


EXAMPLE = {
    "id": "a7b8c9d0-e1f2-4a3b-8c4d-5e6f70819203",
    "member": MEMBER_EXAMPLE,
    "issuer": "https://acme.okta.com",
    "subject": "00u1ab2cd3ef4gh5ij6k",
    "created_at": "2026-03-01T09:00:00Z",
    "last_used_at": "2026-03-02T08:12:00Z",
}


class SsoIdentities(OrganizationView):
    """Who has signed in through a connection."""

    tag = TAG

    @listing(
        "listSsoIdentities",
        "List who has signed in through a connection",
        permission=P.SSO_READ,
        response=SsoIdentityAnswer,
        filters={"member": Filter(serializers.UUIDField(help_text="The id of this membership."), "membership_id")},
        ordering={"created_at": "created_at", "last_used_at": "last_used_at"},
        default_ordering="-last_used_at",
        example=EXAMPLE,
    )
    def get(self, sso_connection: UUID) -> Any:
        """Each by the account that the provider named."""
        return _identities(self.find(connections(), pk=sso_connection).pk)


class OneSsoIdentity(OrganizationView):
    """One member as the provider knows them."""

    tag = TAG

    @operation("forgetSsoIdentity", "Forget by which account a member comes", permission=P.SSO_MANAGE, status=204)
    def delete(self, sso_connection: UUID, sso_identity: UUID) -> None:
        """Their next sign-in is recognized by the externalId or the e-mail address again."""
        rows = _identities(self.find(connections(), pk=sso_connection).pk)
        unlink_identity(identity=self.locked(rows, pk=sso_identity), actor=self.actor)


def _identities(connection: UUID) -> Any:
    return SsoIdentity.objects.select_related("membership__user").filter(connection=connection)
