"""Connections of identity providers, the people they provision, and what they asked lately."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework import serializers

from accounts.models import IdentityProvider, ProvisionedUser, ScimConnection, ScimRequest
from accounts.models.provisioned import LONGEST_VALUE, USER_STATES
from accounts.scim_addresses import scim_base_url, scim_token_endpoint
from accounts.services.scim_connections import create_scim_connection, delete_scim_connection, update_scim_connection
from api.operation import Filter, listing, operation
from api.serializers import Answer, Body, Change
from api.views import OrganizationView
from tenants.api.serializers import ROLE_EXAMPLE, RoleName, role_field
from tenants.permissions import P

TAG = "SCIM"
_PROVIDERS = IdentityProvider.values
_FIRST_FAILURE = HTTPStatus.BAD_REQUEST
_ROLE = (
    "What new people are in the organization, whatever their groups give them besides; null: its default role. Not "
    "Owner, and not above your own."
)


class ConnectionAnswer(Answer):
    """A connection of an identity provider."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    provider = serializers.ChoiceField(choices=_PROVIDERS, help_text="Whose instructions its page shows.")
    role = RoleName(allow_null=True, help_text="What new people are; null: the organization's default role.")
    base_url = serializers.SerializerMethodField(help_text="Give this to the identity provider.")
    token_endpoint = serializers.SerializerMethodField(help_text="For OAuth 2.0 client credentials.")
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()

    def get_base_url(self, connection: Any) -> str:
        """Return where the SCIM server is."""
        return scim_base_url()

    def get_token_endpoint(self, connection: Any) -> str:
        """Return where access tokens are made."""
        return scim_token_endpoint()


class NewConnection(Body):
    """What a new connection needs."""

    name = serializers.CharField(max_length=120, help_text="Also the author of its changes in the audit log.")
    provider = serializers.ChoiceField(choices=_PROVIDERS, required=False, help_text="Without it: other.")
    role = role_field(required=False, allow_null=True, help_text=_ROLE)


class ConnectionChange(Change):
    """What of a connection can change."""

    name = serializers.CharField(max_length=120)
    provider = serializers.ChoiceField(choices=_PROVIDERS)
    role = role_field(allow_null=True, help_text=_ROLE)


class ProvisionedUserAnswer(Answer):
    """Somebody whom the identity provider told of."""

    id = serializers.UUIDField(help_text="The id of the SCIM User.")
    user_name = serializers.CharField(help_text="userName, as it was sent.")
    external_id = serializers.CharField(help_text="externalId: the provider's own id, empty without one.")
    email = serializers.CharField(help_text="The address that counts, empty without one.")
    active = serializers.BooleanField(help_text="What the identity provider says.")
    state = serializers.ChoiceField(
        choices=USER_STATES,
        help_text="A waiting person has been told of as active and has not joined: their address is in no verified "
        "domain, and they have not accepted the invitation yet.",
    )
    member = serializers.UUIDField(
        source="membership_id", allow_null=True, help_text="The member's id; null: they have never joined."
    )
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class RequestAnswer(Answer):
    """One request of the identity provider. They are kept for a fortnight."""

    id = serializers.UUIDField()
    time = serializers.DateTimeField()
    method = serializers.CharField()
    path = serializers.CharField()
    status = serializers.IntegerField()
    failed = serializers.BooleanField(help_text="Whether the status is 400 or more.")
    scim_type = serializers.CharField(help_text="RFC 7644's word for what went wrong, or empty.")
    detail = serializers.CharField(help_text="What the identity provider was told, or empty.")
    body = serializers.CharField(help_text="What it sent, cut and without secrets; empty when that changes nothing.")
    duration_ms = serializers.IntegerField()
    request_id = serializers.CharField(help_text="Stands in the audit log with what the request changed.")
    ip = serializers.CharField(allow_null=True)
    user_agent = serializers.CharField()


EXAMPLE = {
    "id": "8d1e2f30-4a5b-4c6d-8e7f-90a1b2c3d4e5",
    "name": "Okta",
    "provider": "okta",
    "role": ROLE_EXAMPLE,
    "base_url": "https://portal.example.com/scim/v2",
    "token_endpoint": "https://portal.example.com/scim/v2/oauth2/token",
    "created_by": "ada@acme.example",
    "created_at": "2026-03-01T08:00:00Z",
}
USER_EXAMPLE = {
    "id": "9e2f3041-5b6c-4d7e-9f80-a1b2c3d4e5f6",
    "user_name": "grace@acme.example",
    "external_id": "00u1ab2cd3ef4gh5ij6k",
    "email": "grace@acme.example",
    "active": True,
    "state": "member",
    "member": "7c8d9e0f-2b3c-4d5e-8f60-718293a4b5c6",
    "created_at": "2026-03-01T08:05:00Z",
    "updated_at": "2026-03-01T08:05:00Z",
}
REQUEST_EXAMPLE = {
    "id": "af304152-6c7d-4e8f-8091-b2c3d4e5f607",
    "time": "2026-03-01T08:05:00Z",
    "method": "POST",
    "path": "/scim/v2/Users",
    "status": 409,
    "failed": True,
    "scim_type": "uniqueness",
    "detail": "Another provisioned user has this userName already.",
    "body": '{"userName": "grace@acme.example"}',
    "duration_ms": 18,
    "request_id": "3f1c0c8f7d5a4d4c9a1be2f3a4b5c6d7",
    "ip": "203.0.113.7",
    "user_agent": "Okta SCIM Client 1.0.0",
}


class Connections(OrganizationView):
    """The connections of an organization."""

    tag = TAG

    @listing(
        "listScimConnections",
        "List the connections of identity providers",
        permission=P.SCIM_READ,
        response=ConnectionAnswer,
        filters={
            "name": Filter(serializers.CharField(max_length=120, help_text="Exactly this name."), "name"),
            "provider": Filter(serializers.ChoiceField(choices=_PROVIDERS, help_text="Of this one."), "provider"),
        },
        ordering={"created_at": "created_at", "name": "name"},
        default_ordering="name",
        example=EXAMPLE,
    )
    def get(self) -> Any:
        """An identity provider sees and changes what its own connection provisioned, and nothing else."""
        return _connections()

    @operation(
        "createScimConnection",
        "Create a connection for an identity provider",
        permission=P.SCIM_MANAGE,
        request=NewConnection,
        response=ConnectionAnswer,
        status=HTTPStatus.CREATED,
        example=EXAMPLE,
        request_example={"name": "Okta", "provider": "okta", "role": ROLE_EXAMPLE["key"]},
    )
    def post(self) -> ScimConnection:
        """It lets nobody in yet: create a token for it, and give that and `base_url` to the identity provider."""
        return create_scim_connection(organization=self.organization, actor=self.actor, **self.data)


class OneConnection(OrganizationView):
    """One connection."""

    tag = TAG

    @operation(
        "getScimConnection",
        "Return a connection",
        permission=P.SCIM_READ,
        response=ConnectionAnswer,
        example=EXAMPLE,
    )
    def get(self, connection: UUID) -> ScimConnection:
        """Its tokens, people and requests have addresses of their own."""
        found: ScimConnection = self.find(_connections(), pk=connection)
        return found

    @operation(
        "updateScimConnection",
        "Change a connection",
        permission=P.SCIM_MANAGE,
        request=ConnectionChange,
        response=ConnectionAnswer,
        example=EXAMPLE,
        request_example={"name": "Okta"},
    )
    def patch(self, connection: UUID) -> ScimConnection:
        """What is left out stays as it is. Another role counts for people who come from now on."""
        stored = self.locked(_connections(), pk=connection)
        values = ConnectionChange.completed(stored, self.data)
        return update_scim_connection(connection=stored, actor=self.actor, **values)

    @operation("deleteScimConnection", "Delete a connection with its tokens", permission=P.SCIM_MANAGE, status=204)
    def delete(self, connection: UUID) -> None:
        """Its people and groups stay, and are managed by hand from now on.

        Where it manages members or groups, this takes `members:manage` or `groups:manage` too.
        """
        self.lock_organization()
        delete_scim_connection(connection=self.locked(_connections(), pk=connection), actor=self.actor)


class ProvisionedUsers(OrganizationView):
    """The people whom an identity provider told of."""

    tag = TAG

    @listing(
        "listProvisionedUsers",
        "List a connection's provisioned users",
        permission=P.SCIM_READ,
        response=ProvisionedUserAnswer,
        filters={
            "user_name": Filter(
                serializers.CharField(max_length=LONGEST_VALUE, help_text="Exactly this userName."), "user_name"
            ),
            "external_id": Filter(
                serializers.CharField(max_length=LONGEST_VALUE, help_text="Exactly this externalId."), "external_id"
            ),
            "state": Filter(serializers.ChoiceField(choices=USER_STATES, help_text="In this state now.")),
        },
        ordering={"created_at": "created_at", "user_name": "user_name"},
        default_ordering="created_at",
        example=USER_EXAMPLE,
    )
    def get(self, connection: UUID) -> Any:
        """Who among them waits, and who is a member."""
        rows = ProvisionedUser.objects.filter(connection=self.find(_connections(), pk=connection))
        return rows.in_state(self.query["state"]) if "state" in self.query else rows


class ScimRequests(OrganizationView):
    """What an identity provider asked lately."""

    tag = TAG

    @listing(
        "listScimRequests",
        "List a connection's recent requests",
        permission=P.SCIM_READ,
        response=RequestAnswer,
        filters={
            "failed": Filter(serializers.BooleanField(help_text="Whether the status is 400 or more.")),
            "request_id": Filter(serializers.CharField(max_length=64, help_text="This one."), "request_id"),
        },
        ordering={"time": "time"},
        default_ordering="-time",
        example=REQUEST_EXAMPLE,
    )
    def get(self, connection: UUID) -> Any:
        """What was asked, what was answered and why; the audit log has what changed."""
        rows = ScimRequest.objects.filter(connection=self.find(_connections(), pk=connection))
        if "failed" not in self.query:
            return rows
        failures = {"status__gte": _FIRST_FAILURE}
        return rows.filter(**failures) if self.query["failed"] else rows.exclude(**failures)


def _connections() -> Any:
    return ScimConnection.objects.select_related("role")
