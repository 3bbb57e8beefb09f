"""Who the credential is."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from api.operation import AUTHENTICATED, operation
from api.serializers import Answer
from api.views import ApiView
from tenants.api.organizations import OrganizationSummary
from tenants.lookups import memberships_of
from tenants.permissions import P


class Person(Answer):
    """The person behind a session or a personal key."""

    id = serializers.UUIDField()
    email = serializers.EmailField()
    name = serializers.CharField()


class PlaceName(Answer):
    """An organization, by name."""

    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()


class MeAnswer(Answer):
    """Who you are, and what you may do."""

    kind = serializers.CharField(help_text="user, api_key, service_account.")
    id = serializers.UUIDField()
    name = serializers.CharField(help_text="As the audit log names you.")
    user = Person(allow_null=True)
    organization = PlaceName(allow_null=True, help_text="The one organization of a key; null for a session.")
    organizations = OrganizationSummary(many=True, help_text="With a session: every organization of yours.")
    permissions = serializers.ListField(
        child=serializers.CharField(), help_text="With a key: what it may do in its organization as a whole."
    )


class Me(ApiView):
    """Who the credential is."""

    tag = "Me"

    @operation(
        "getMe",
        "Return who you are and what you may do",
        permission=AUTHENTICATED,
        response=MeAnswer,
        example={
            "kind": "user",
            "id": "5b7c7b4e-4f5f-4a77-9d0e-6a9f7c8d1e22",
            "name": "ada@acme.example",
            "user": {"id": "5b7c7b4e-4f5f-4a77-9d0e-6a9f7c8d1e22", "email": "ada@acme.example", "name": "Ada"},
            "organization": None,
            "organizations": [
                {
                    "id": "0f3e0f5c-59f6-4a8b-9f57-1f6a0f0a3c11",
                    "slug": "acme",
                    "name": "Acme",
                    "role": "Owner",
                    "is_active": True,
                    "suspended_at": None,
                    "purge_at": None,
                }
            ],
            "permissions": [],
        },
    )
    def get(self) -> Mapping[str, Any]:
        """Useful to check that a key works, and for which organization it was made."""
        actor, organization = self.actor, self.organization
        user = self.credential.user if self.credential else None
        return {
            "kind": actor.kind.value,
            "id": actor.id,
            "name": actor.label,
            "user": user,
            "organization": organization,
            "organizations": memberships_of(user.pk) if user is not None and organization is None else [],
            "permissions": [name.value for name in P if organization is not None and actor.can(name)],
        }
