"""Who the credential is."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from accounts.models import ApiKey
from api.operation import AUTHENTICATED, operation
from api.serializers import Answer
from api.views import ApiView
from tenants.api.organizations import OrganizationSummary
from tenants.api.serializers import PersonAnswer, ProjectName
from tenants.lookups import memberships_of
from tenants.models import Environment
from tenants.permissions import P

from .key_serializers import LISTED_KINDS, ServiceAccountName


class PlaceName(Answer):
    """An organization, by name."""

    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()


class OwnKey(Answer):
    """The key itself, as it sees itself."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=LISTED_KINDS)
    name = serializers.CharField()
    public_id = serializers.CharField()
    environment = serializers.ChoiceField(choices=Environment.values)
    scopes = serializers.ListField(child=serializers.CharField(), help_text="What it may do at most.")
    project = ProjectName(allow_null=True, help_text="Of a project's key: the one project in which it counts.")
    service_account = ServiceAccountName(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)


class MeAnswer(Answer):
    """Who you are, and what you may do."""

    kind = serializers.CharField(help_text="`user` with a session, `api_key` with a key of any kind.")
    id = serializers.UUIDField()
    name = serializers.CharField(help_text="As the audit log names you.")
    user = PersonAnswer(allow_null=True)
    key = OwnKey(allow_null=True, help_text="Null for a session.")
    organization = PlaceName(
        allow_null=True, help_text="The one organization of a key, or of a session by single sign-on; otherwise null."
    )
    organizations = OrganizationSummary(many=True, help_text="With a session: every organization of yours.")
    permissions = serializers.ListField(
        child=serializers.CharField(),
        help_text="With a key: what it may do now in its organization as a whole, or in its project.",
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
            "key": None,
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
        key = None
        if user is None:
            key = ApiKey.objects.select_related("project", "user", "service_account").get(pk=actor.id)
        place = organization if key is None or key.project is None else key.project
        return {
            "kind": actor.kind.value,
            "id": actor.id,
            "name": actor.label,
            "user": user if key is None else key.user,
            "key": key,
            "organization": organization,
            "organizations": memberships_of(user.pk) if user is not None and organization is None else [],
            "permissions": [name.value for name in P if place is not None and actor.can(name, place)],
        }
