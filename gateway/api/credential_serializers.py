"""What the API shows of provider credentials and takes for them."""

from typing import Any, ClassVar

from django.utils import timezone
from rest_framework import serializers

from api.serializers import Answer, Body
from api.views import ApiView
from gateway.credential_options import LONGEST_OPTION, LONGEST_SECRET
from gateway.models import CredentialKind, Provider
from gateway.models.provider_credential import MOST_MODELS
from gateway.selectors import Use
from gateway.services.provider_credentials import LONGEST_OVERLAP, LOWEST_PRIORITY
from tenants.api.serializers import ProjectName, project_field
from tenants.models import Project
from tenants.permissions import P

_OPTIONS = "What provider and kind need besides the secret; see the page on provider credentials. No secret is in it."
_MODELS = "Names or patterns such as gpt-4*; empty: every model."
_PRIORITY = "The lowest number is tried first; the next one is what a request falls back to."
_ADDRESS = "Where the provider's API is; empty: at its own address. Others are allowed by the operator."
_SECRET = "The API key, the client secret, or what opens the external store. It is kept encrypted and never returned."  # noqa: S105 - no secret


def nameable_projects(view: ApiView) -> Any:
    """Return the projects that a credential may be made for: those that the actor sees, or manages credentials in."""
    projects = Project.objects.visible_to(view.actor)
    return projects | Project.objects.visible_to(view.actor, P.PROVIDER_CREDENTIALS_MANAGE)


class CredentialAnswer(Answer):
    """A provider credential, without its secrets."""

    unversioned: ClassVar[frozenset[str]] = frozenset({"last_used_at", "last_used_by", "tested_at", "test_outcome"})

    id = serializers.UUIDField()
    name = serializers.CharField()
    project = ProjectName(allow_null=True, help_text="Null: of every project, after those that a project has itself.")
    provider = serializers.ChoiceField(choices=Provider.values)
    kind = serializers.ChoiceField(choices=CredentialKind.values, help_text="Where the secret comes from.")
    base_url = serializers.CharField(help_text=_ADDRESS)
    options = serializers.DictField(help_text=_OPTIONS)
    last_four = serializers.CharField(help_text="The end of the secret; empty where it is too short to show any.")
    allowed_models = serializers.ListField(child=serializers.CharField(), help_text=_MODELS)
    priority = serializers.IntegerField(help_text=_PRIORITY)
    is_enabled = serializers.BooleanField(help_text="False: no request leaves with it.")
    former_secret_until = serializers.SerializerMethodField(
        help_text="Until when the secret from before the last rotation can be put back; null without one."
    )
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    rotated_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="Written in batches, some seconds late.")
    last_used_by = serializers.CharField()
    tested_at = serializers.DateTimeField(allow_null=True)
    test_outcome = serializers.CharField(help_text="What came of the last test, in words.")

    def get_former_secret_until(self, credential: Any) -> str | None:
        """Return until when the former secret is kept."""
        until = credential.previous_until
        return until.isoformat().replace("+00:00", "Z") if until is not None and until > timezone.now() else None


class _Settings(Body):
    """What every credential has."""

    name = serializers.CharField(max_length=120)
    base_url = serializers.CharField(required=False, allow_blank=True, max_length=LONGEST_OPTION, help_text=_ADDRESS)
    options = serializers.DictField(required=False, help_text=_OPTIONS)
    allowed_models = serializers.ListField(
        child=serializers.CharField(max_length=120), required=False, max_length=MOST_MODELS, help_text=_MODELS
    )
    priority = serializers.IntegerField(required=False, min_value=0, max_value=LOWEST_PRIORITY, help_text=_PRIORITY)


class NewCredential(_Settings):
    """What a new credential needs."""

    project = project_field(
        nameable_projects, required=False, allow_null=True, help_text="Null or left out: for every project."
    )
    provider = serializers.ChoiceField(choices=Provider.values)
    kind = serializers.ChoiceField(choices=CredentialKind.values, required=False, help_text="Left out: api_key.")
    secret = serializers.CharField(max_length=LONGEST_SECRET, help_text=_SECRET)
    is_enabled = serializers.BooleanField(required=False, help_text="Left out: true.")


class CredentialChange(_Settings):
    """What changes. Of `options`, those that are left out stay; an empty one is taken away."""

    name = serializers.CharField(max_length=120, required=False)
    secret = serializers.CharField(
        max_length=LONGEST_SECRET,
        required=False,
        help_text="A new one, in place of the one that is stored. With another address it is needed.",
    )


class CredentialRotation(Body):
    """A new secret."""

    secret = serializers.CharField(max_length=LONGEST_SECRET, help_text="Requests use it at once.")
    overlap_seconds = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=int(LONGEST_OVERLAP.total_seconds()),
        help_text="For how long the former one is kept, so that it can be put back. Left out: it is forgotten.",
    )


class CredentialTestAnswer(Answer):
    """What a test found."""

    accepted = serializers.BooleanField(help_text="Whether the provider took the credential.")
    text = serializers.CharField(help_text="In words.")


class CredentialName(Answer):
    """A provider credential, by name."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    project = ProjectName(allow_null=True)
    provider = serializers.ChoiceField(choices=Provider.values)
    priority = serializers.IntegerField()


class CredentialStepAnswer(Answer):
    """One credential in the order in which a request is tried with them."""

    credential = CredentialName()
    use = serializers.ChoiceField(choices=[each.value for each in Use])
    reason = serializers.CharField(help_text="Why, in a sentence.")


class CredentialResolutionAnswer(Answer):
    """The order for one project and model."""

    steps = CredentialStepAnswer(many=True)
    hidden = serializers.IntegerField(help_text="How many more take part that you may not see.")
