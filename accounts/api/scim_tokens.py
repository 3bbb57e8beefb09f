"""Tokens with which identity providers sign in."""

from http import HTTPStatus
from typing import Any, ClassVar
from uuid import UUID

from rest_framework import serializers

from accounts.key_state import STATES
from accounts.models import ScimConnection, ScimToken
from accounts.services.key_rules import MOST_NETWORKS, IssuedKey
from accounts.services.scim_tokens import create_scim_token, revoke_scim_token
from api.operation import Filter, listing, operation
from api.serializers import Answer, Body
from api.views import OrganizationView
from tenants.permissions import P

from .key_serializers import Revocation
from .scim import TAG


class TokenAnswer(Answer):
    """A token, without its secret."""

    unversioned: ClassVar[frozenset[str]] = frozenset({"last_used_at", "last_used_ip"})

    id = serializers.UUIDField()
    name = serializers.CharField()
    public_id = serializers.CharField(help_text="The client id for OAuth 2.0 client credentials.")
    last_four = serializers.CharField(help_text="The last characters of its secret before the checksum.")
    allowed_networks = serializers.ListField(
        child=serializers.CharField(), help_text="From where it is accepted; empty: from everywhere."
    )
    state = serializers.ChoiceField(choices=STATES)
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    last_used_ip = serializers.CharField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    revocation_reason = serializers.CharField()


class IssuedTokenAnswer(TokenAnswer):
    """A token together with its secret, which is shown this once."""

    secret = serializers.CharField(
        help_text="The bearer token, and the client secret for OAuth 2.0. It is shown this once; store it now."
    )

    def to_representation(self, instance: IssuedKey) -> Any:
        """Return the token with its secret as the last member."""
        return {**TokenAnswer(instance.key, context=self.context).data, "secret": instance.secret}


class NewToken(Body):
    """What a new token needs."""

    name = serializers.CharField(max_length=120)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, help_text="Null or left out: never.")
    allowed_networks = serializers.ListField(
        child=serializers.CharField(max_length=60),
        max_length=MOST_NETWORKS,
        required=False,
        help_text="IP addresses and CIDR networks from which it is accepted; none: from everywhere.",
    )
    secret = serializers.CharField(
        required=False,
        max_length=100,
        help_text="A predefined secret, as `manage.py api_key generate --kind scim` makes it, for infrastructure as "
        "code.",
    )


EXAMPLE: dict[str, Any] = {
    "id": "c0415263-7d8e-4f90-81a2-c3d4e5f60718",
    "name": "Okta 2026",
    "public_id": "gatepk_scm_prod_4DELCR9Nt3oEU9UU4ldeai_0Km1Yf",
    "last_four": "x7Qp",
    "allowed_networks": [],
    "state": "active",
    "created_by": "ada@acme.example",
    "created_at": "2026-03-01T08:00:00Z",
    "expires_at": "2027-03-01T08:00:00Z",
    "last_used_at": "2026-03-04T10:22:31Z",
    "last_used_ip": "203.0.113.7",
    "revoked_at": None,
    "revocation_reason": "",
}
_UNUSED = {"last_used_at": None, "last_used_ip": None, "secret": "gatesk_scm_prod_<43 characters>_<6 characters>"}
_ENDED = {"state": "revoked", "revoked_at": "2026-09-01T08:00:00Z", "revocation_reason": "Replaced"}


class TokenView(OrganizationView):
    """An endpoint of the tokens of one connection."""

    tag = TAG

    def tokens(self, connection: UUID) -> Any:
        """Return the connection's tokens.

        Raises:
            Problem: 404, there is no such connection.
        """
        return ScimToken.objects.filter(connection=self.connection(connection))

    def connection(self, connection: UUID) -> ScimConnection:
        """Return the connection of the address.

        Raises:
            Problem: 404, there is none.
        """
        found: ScimConnection = self.find(ScimConnection.objects.all(), pk=connection)
        return found


class Tokens(TokenView):
    """The tokens of a connection."""

    @listing(
        "listScimTokens",
        "List a connection's tokens",
        permission=P.SCIM_READ,
        response=TokenAnswer,
        filters={"state": Filter(serializers.ChoiceField(choices=STATES, help_text="In this state now."))},
        ordering={"created_at": "created_at", "name": "name"},
        default_ordering="-created_at",
        example=EXAMPLE,
    )
    def get(self, connection: UUID) -> Any:
        """Several may be in force, so that one replaces another without a gap. Revoked ones stay in the list."""
        rows = self.tokens(connection)
        return rows.in_state(self.query["state"]) if "state" in self.query else rows

    @operation(
        "createScimToken",
        "Create a token for an identity provider",
        permission=P.SCIM_MANAGE,
        request=NewToken,
        response=IssuedTokenAnswer,
        status=HTTPStatus.CREATED,
        example=EXAMPLE | _UNUSED,
        request_example={"name": "Okta 2026", "expires_at": "2027-03-01T08:00:00Z"},
    )
    def post(self, connection: UUID) -> IssuedKey:
        """The secret is in this answer and in no other; with an `Idempotency-Key`, in its repetitions for a day too."""
        return create_scim_token(connection=self.connection(connection), actor=self.actor, **self.data)


class OneToken(TokenView):
    """One token."""

    @operation("getScimToken", "Return a token", permission=P.SCIM_READ, response=TokenAnswer, example=EXAMPLE)
    def get(self, connection: UUID, token: UUID) -> ScimToken:
        """Without its secret, which nobody can read again. The ETag leaves out when the token was last used."""
        found: ScimToken = self.find(self.tokens(connection), pk=token)
        return found


class TokenRevocation(TokenView):
    """The end of a token."""

    @operation(
        "revokeScimToken",
        "Revoke a token, with a reason",
        permission=P.SCIM_MANAGE,
        request=Revocation,
        response=TokenAnswer,
        example=EXAMPLE | _ENDED,
        request_example={"reason": "Replaced"},
    )
    def post(self, connection: UUID, token: UUID) -> ScimToken:
        """It is accepted nowhere from this answer on, nor is an access token made with it; this cannot be undone."""
        stored = self.lock(self.tokens(connection), pk=token)
        return revoke_scim_token(token=stored, actor=self.actor, reason=self.data.get("reason", ""))
