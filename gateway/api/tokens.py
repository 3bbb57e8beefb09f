"""Access tokens that were issued, and what ends them before their time. Tokens are issued by OAuth's own endpoint."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework import serializers

from api.operation import Filter, listing, operation
from api.serializers import Answer, Body
from api.views import OrganizationView
from gateway.models import ActorType, IssuedToken, RevocationKind, TokenRevocation
from gateway.services.reasons import LONGEST_REASON
from gateway.services.token_revocations import revoke_token, revoke_tokens
from tenants.permissions import P

from .proxy_settings import TAG

_SEVERAL = [kind.value for kind in RevocationKind if kind is not RevocationKind.TOKEN]
_SUBJECT = "The id of an actor or a project, a key's public id; empty for the organization."


class AccessTokenAnswer(Answer):
    """A token that was issued; the token itself is stored nowhere."""

    id = serializers.UUIDField()
    jti = serializers.CharField(help_text="The token's own ID.")
    actor_type = serializers.ChoiceField(choices=ActorType.values)
    actor_id = serializers.UUIDField(help_text="Whom it speaks for: a user, a service account, or a key.")
    actor_label = serializers.CharField()
    api_key_id = serializers.UUIDField(allow_null=True, help_text="The key that asked for it; null: a session.")
    project_id = serializers.UUIDField()
    scope = serializers.SerializerMethodField()
    model_provider = serializers.SerializerMethodField(help_text="What it is limited to; empty: nothing.")
    model_name = serializers.SerializerMethodField(help_text="What it is limited to; empty: nothing.")
    kid = serializers.CharField(help_text="The key that signed it.")
    issued_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    revoked_at = serializers.DateTimeField(allow_null=True)

    def get_scope(self, token: Any) -> str:
        """Return what it allows."""
        return str(token.claims["scope"])

    def get_model_provider(self, token: Any) -> str:
        """Return the provider that was stated."""
        return str(token.claims.get("model_provider", ""))

    def get_model_name(self, token: Any) -> str:
        """Return the model that was stated."""
        return str(token.claims.get("model_name", ""))


class TokenRevocationAnswer(Answer):
    """Tokens that are refused before their time."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=RevocationKind.values)
    subject = serializers.CharField(help_text=f"A token's jti. {_SUBJECT}")
    issued_up_to = serializers.DateTimeField(help_text="Tokens issued up to this moment are refused.")
    until = serializers.DateTimeField(help_text="By then all of them have expired.")
    reason = serializers.CharField()
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()


class AccessTokenRevocation(Body):
    """Why, if anybody is to know."""

    reason = serializers.CharField(
        required=False, allow_blank=True, max_length=LONGEST_REASON, help_text="It stands in the audit log."
    )


class NewTokenRevocation(Body):
    """Whose tokens end, and why."""

    kind = serializers.ChoiceField(choices=_SEVERAL)
    subject = serializers.CharField(required=False, allow_blank=True, max_length=64, help_text=_SUBJECT)
    reason = serializers.CharField(max_length=LONGEST_REASON, help_text="It stands in the list and in the audit log.")


EXAMPLE = {
    "id": "4f0c7a52-6f0e-4a7c-9f57-2d8f8a7d2c11",
    "jti": "mHqk2o0nq3nYb4c1v6Zt8w9x",
    "actor_type": "service",
    "actor_id": "0b0e7d9c-8a0f-4a55-a3a6-1a4a4c1f7d21",
    "actor_label": "Chat backend",
    "api_key_id": "8f9f0f9a-6d70-4d0c-8d4a-3d0a2b9b6e55",
    "project_id": "6c6d2f0e-5f0d-4f4b-b4a5-0d4c7a2c9e01",
    "scope": "llm:invoke",
    "model_provider": "openai",
    "model_name": "gpt-4o",
    "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    "issued_at": "2026-01-05T09:00:00Z",
    "expires_at": "2026-01-05T09:10:00Z",
    "revoked_at": None,
}
REVOCATION_EXAMPLE = {
    "id": "9b1c3a44-1c1e-4e8f-8f7b-6d2f1f0a7e90",
    "kind": "actor",
    "subject": EXAMPLE["actor_id"],
    "issued_up_to": "2026-01-05T09:05:00Z",
    "until": "2026-01-05T09:20:30Z",
    "reason": "A laptop was lost",
    "created_by": "ada@acme.example",
    "created_at": "2026-01-05T09:05:00Z",
}


class Tokens(OrganizationView):
    """The issued tokens."""

    tag = TAG

    @listing(
        "listAccessTokens",
        "List the access tokens that were issued",
        permission=P.LLM_PROXY_READ,
        response=AccessTokenAnswer,
        ordering={"issued_at": "issued_at"},
        default_ordering="-issued_at",
        filters={
            "project": Filter(serializers.UUIDField(help_text="A project's id."), "project_id"),
            "actor": Filter(serializers.UUIDField(help_text="A user's, service account's or key's id."), "actor_id"),
            "actor_type": Filter(serializers.ChoiceField(choices=ActorType.values), "actor_type"),
            "jti": Filter(serializers.CharField(max_length=40, help_text="A token's own ID."), "jti"),
        },
        example=EXAMPLE,
    )
    def get(self) -> Any:
        """Those of the last month, newest first."""
        return IssuedToken.objects.all()


class OneToken(OrganizationView):
    """One token."""

    tag = TAG

    @operation(
        "getAccessToken",
        "Return what is kept of an access token",
        permission=P.LLM_PROXY_READ,
        response=AccessTokenAnswer,
        example=EXAMPLE,
    )
    def get(self, access_token: UUID) -> IssuedToken:
        """Who got it, for what, and whether it is still good."""
        found: IssuedToken = self.find(IssuedToken.objects.all(), pk=access_token)
        return found


class OneRevocation(OrganizationView):
    """The end of one token."""

    tag = TAG

    @operation(
        "revokeAccessToken",
        "Revoke an access token",
        permission=P.LLM_PROXY_MANAGE,
        request=AccessTokenRevocation,
        response=TokenRevocationAnswer,
        status=HTTPStatus.CREATED,
        example=REVOCATION_EXAMPLE,
        request_example={"reason": "A laptop was lost"},
    )
    def post(self, access_token: UUID) -> TokenRevocation:
        """It is refused within a second. Its holder may also send it to the OAuth revocation endpoint."""
        self.lock_organization()
        found = self.lock(IssuedToken.objects.all(), pk=access_token)
        return revoke_token(token=found, actor=self.actor, reason=self.data.get("reason", ""))


class Revocations(OrganizationView):
    """What was revoked."""

    tag = TAG

    @listing(
        "listTokenRevocations",
        "List what was revoked",
        permission=P.LLM_PROXY_READ,
        response=TokenRevocationAnswer,
        ordering={"created_at": "created_at"},
        default_ordering="-created_at",
        example=REVOCATION_EXAMPLE,
    )
    def get(self) -> Any:
        """Single tokens, and everything of somebody, newest first."""
        return TokenRevocation.objects.all()

    @operation(
        "revokeAccessTokens",
        "Revoke everything of an actor, a key, a project or the organization",
        permission=P.LLM_PROXY_MANAGE,
        request=NewTokenRevocation,
        response=TokenRevocationAnswer,
        status=HTTPStatus.CREATED,
        example=REVOCATION_EXAMPLE,
        request_example={"kind": "organization", "reason": "Something leaked"},
    )
    def post(self) -> TokenRevocation:
        """What was issued up to now is refused within a second. It takes a right away from nobody."""
        return revoke_tokens(
            organization=self.organization,
            kind=RevocationKind(self.data["kind"]),
            subject=self.data.get("subject", ""),
            actor=self.actor,
            reason=self.data["reason"],
        )
