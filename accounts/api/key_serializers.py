"""What the endpoints of API keys show and take."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.key_format import API_KEY_KINDS, KeyKind
from accounts.key_state import STATES
from accounts.models import ServiceAccount
from accounts.services.api_keys import LONGEST_OVERLAP
from accounts.services.key_rules import LONGEST_NOTE, LONGEST_REASON, MOST_NETWORKS, IssuedKey
from api.fields import ReferenceField
from api.serializers import Answer, Body, Change
from api.views import ApiView
from tenants.api.serializers import PersonAnswer, ProjectName, project_field
from tenants.models import Environment, Project
from tenants.permissions import P

MOST_AT_ONCE = 100
LISTED_KINDS = tuple(kind.value for kind in API_KEY_KINDS)
MADE_KINDS = tuple(kind for kind in LISTED_KINDS if kind != KeyKind.PERSONAL)


def nameable_projects(view: ApiView) -> Any:
    """Return the projects that a key may be made for: those that the actor sees, or manages keys in."""
    projects = Project.objects.visible_to(view.actor)
    return projects | Project.objects.visible_to(view.actor, P.API_KEYS_MANAGE)


def nameable_accounts(view: ApiView) -> Any:
    """Return the service accounts that a key may be made for."""
    may_name = view.actor.can(P.SERVICE_ACCOUNTS_READ) or view.actor.can(P.API_KEYS_MANAGE)
    return ServiceAccount.objects.all() if may_name else ServiceAccount.objects.none()


class ServiceAccountName(Answer):
    """A service account, by name."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class AcceptedSecret(Answer):
    """A secret that is accepted, by its last characters."""

    id = serializers.UUIDField(help_text="Send the current one's as `expected_secret_id` when you rotate.")
    last_four = serializers.CharField(help_text="The last characters before the checksum.")
    created_at = serializers.DateTimeField()
    accepted_until = serializers.DateTimeField(
        source="expires_at", allow_null=True, help_text="The end of the overlap; null for the current secret."
    )


class KeyAnswer(Answer):
    """An API key, without its secret."""

    unversioned: ClassVar[frozenset[str]] = frozenset({"last_used_at", "last_used_ip"})

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=LISTED_KINDS)
    name = serializers.CharField()
    note = serializers.CharField()
    environment = serializers.ChoiceField(choices=Environment.values)
    public_id = serializers.CharField(help_text="The user name of HTTP Basic authentication.")
    secrets = serializers.SerializerMethodField(help_text="The secrets that are accepted, the current one first.")
    scopes = serializers.ListField(child=serializers.CharField(), help_text="What it may do at most.")
    allowed_networks = serializers.ListField(
        child=serializers.CharField(), help_text="From where it is accepted; empty: from everywhere."
    )
    project = ProjectName(allow_null=True)
    user = PersonAnswer(allow_null=True)
    service_account = ServiceAccountName(allow_null=True)
    state = serializers.ChoiceField(choices=STATES)
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="Written in batches, some seconds late.")
    last_used_ip = serializers.CharField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    revocation_reason = serializers.CharField()

    @extend_schema_field(AcceptedSecret(many=True))
    def get_secrets(self, key: Any) -> Any:
        """Return what is shown of the secrets that are accepted now."""
        now = timezone.now()
        accepted = [one for one in key.secrets.all() if one.expires_at is None or one.expires_at > now]
        accepted.sort(key=lambda one: one.created_at, reverse=True)
        return AcceptedSecret(accepted if key.revoked_at is None else [], many=True).data


class IssuedKeyAnswer(KeyAnswer):
    """An API key together with its new secret, which is shown this once."""

    secret = serializers.CharField(help_text="Store it now: it is shown this once and cannot be read again.")

    def to_representation(self, instance: IssuedKey) -> Any:
        """Return the key with its secret as the last member."""
        return {**KeyAnswer(instance.key, context=self.context).data, "secret": instance.secret}


def _scopes(**kwargs: Any) -> Any:
    return serializers.ListField(
        child=serializers.CharField(max_length=60),
        min_length=1,
        max_length=len(P),
        help_text="Permissions of the catalogue; nobody gives a key more than they hold.",
        **kwargs,
    )


def _networks(**kwargs: Any) -> Any:
    return serializers.ListField(
        child=serializers.CharField(max_length=60),
        max_length=MOST_NETWORKS,
        help_text="IP addresses and CIDR networks from which it is accepted; none: from everywhere.",
        **kwargs,
    )


class NewPersonalKey(Body):
    """What a new personal key needs."""

    name = serializers.CharField(max_length=120)
    scopes = _scopes()
    environment = serializers.ChoiceField(
        choices=Environment.values, required=False, help_text="Without it: production."
    )
    expires_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="Null or left out: never, where the organization allows that."
    )
    allowed_networks = _networks(required=False)
    note = serializers.CharField(required=False, allow_blank=True, max_length=LONGEST_NOTE)


class NewKey(NewPersonalKey):
    """What a new key of a project, of the organization or of a service account needs."""

    kind = serializers.ChoiceField(choices=MADE_KINDS)
    project = project_field(nameable_projects, required=False, help_text="The project, for the kind “project”.")
    service_account = ReferenceField(
        nameable_accounts, required=False, help_text="The service account, for the kind “service_account”."
    )
    environment = serializers.ChoiceField(
        choices=Environment.values,
        required=False,
        help_text="Without it: production. A project's key has its project's and takes no other.",
    )
    secret = serializers.CharField(
        required=False,
        max_length=100,
        help_text="A predefined secret, as `manage.py api_key generate` makes it, for infrastructure as code.",
    )
    public_id = serializers.CharField(required=False, max_length=60, help_text="A predefined public id to go with it.")


class KeyChange(Change):
    """The parts of a key that can be changed; those left out stay as they are."""

    name = serializers.CharField(max_length=120)
    scopes = _scopes()
    expires_at = serializers.DateTimeField(allow_null=True)
    allowed_networks = _networks()
    note = serializers.CharField(allow_blank=True, max_length=LONGEST_NOTE)


class Rotation(Body):
    """How a key is rotated."""

    overlap_seconds = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=int(LONGEST_OVERLAP.total_seconds()),
        help_text="How long the secret before stays valid; without it, not at all.",
    )
    expected_secret_id = serializers.UUIDField(
        required=False,
        help_text="The current secret's id as you know it. When somebody rotated the key meanwhile, nothing is done.",
    )


class Revocation(Body):
    """Why a key ends."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=LONGEST_REASON)


class BulkRevocation(Revocation):
    """Which keys end, and why."""

    ids = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=MOST_AT_ONCE)


class BulkRevoked(Answer):
    """What became of the keys."""

    revoked = serializers.ListField(child=serializers.UUIDField(), help_text="Those that this request ended.")
    unchanged = serializers.ListField(
        child=serializers.UUIDField(), help_text="Those that were revoked already; they keep their time and reason."
    )
