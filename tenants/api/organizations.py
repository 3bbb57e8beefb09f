"""Organizations: mine, one, its settings, its deletion."""

from http import HTTPStatus

from rest_framework import serializers

from api.operation import AUTHENTICATED, listing, operation
from api.serializers import Answer, Body, Change
from api.views import ApiView, OrganizationView
from tenants.lookups import MembershipSummary, memberships_of
from tenants.models import Organization
from tenants.models.organization import MAX_KEY_DAYS
from tenants.permissions import P
from tenants.services.organizations import (
    create_organization,
    request_deletion,
    restore_organization,
    update_organization,
)

from .common import REASON, person_of, reason_of
from .serializers import EXAMPLE_ID, ROLE_EXAMPLE, RoleName, role_field

TAG = "Organizations"


class OrganizationSummary(Answer):
    """An organization that the credential reaches."""

    id = serializers.UUIDField(source="organization_id")
    slug = serializers.CharField()
    name = serializers.CharField()
    role = serializers.CharField(allow_null=True, help_text="The person's role there; null for a key.")
    is_active = serializers.BooleanField(help_text="Whether the membership is active; an inactive one opens nothing.")
    suspended_at = serializers.DateTimeField(allow_null=True)
    purge_at = serializers.DateTimeField(allow_null=True, help_text="When it is deleted for good, if scheduled.")


class OrganizationAnswer(Answer):
    """An organization with its settings."""

    id = serializers.UUIDField()
    slug = serializers.CharField(help_text="Part of every address; it never changes.")
    name = serializers.CharField()
    default_role = RoleName(allow_null=True)
    project_naming_pattern = serializers.CharField()
    project_naming_hint = serializers.CharField()
    api_key_max_days = serializers.IntegerField(
        allow_null=True, help_text="How long new keys last at most; null: any time."
    )
    created_at = serializers.DateTimeField()
    deletion_requested_at = serializers.DateTimeField(allow_null=True)
    purge_at = serializers.DateTimeField(allow_null=True)


class NewOrganization(Body):
    """What a new organization needs."""

    slug = serializers.CharField(max_length=63)
    name = serializers.CharField(max_length=120)


class OrganizationChange(Change):
    """The settings; those left out stay as they are."""

    name = serializers.CharField(max_length=120)
    default_role = role_field(allow_null=True)
    project_naming_pattern = serializers.CharField(max_length=200, allow_blank=True)
    project_naming_hint = serializers.CharField(max_length=200, allow_blank=True)
    api_key_max_days = serializers.IntegerField(
        min_value=1,
        max_value=MAX_KEY_DAYS,
        allow_null=True,
        help_text="How long new keys live at most; null: for ever.",
    )


EXAMPLE = {
    "id": EXAMPLE_ID,
    "slug": "acme",
    "name": "Acme",
    "default_role": ROLE_EXAMPLE,
    "project_naming_pattern": "",
    "project_naming_hint": "",
    "api_key_max_days": 90,
    "created_at": "2026-01-05T09:00:00Z",
    "deletion_requested_at": None,
    "purge_at": None,
}


class Organizations(ApiView):
    """The organizations that the credential reaches."""

    tag = TAG

    @listing(
        "listOrganizations",
        "List the organizations that you reach",
        permission=AUTHENTICATED,
        response=OrganizationSummary,
        ordering={"slug": "slug"},
        default_ordering="slug",
        example={
            "id": EXAMPLE["id"],
            "slug": "acme",
            "name": "Acme",
            "role": "Owner",
            "is_active": True,
            "suspended_at": None,
            "purge_at": None,
        },
    )
    def get(self) -> list[MembershipSummary]:
        """With a session every organization of the person, with a key its own one."""
        if self.organization is not None:
            return [_summary(self.organization)]
        return list(memberships_of(self.credential.user.pk)) if self.credential and self.credential.user else []

    @operation(
        "createOrganization",
        "Create an organization",
        permission=AUTHENTICATED,
        request=NewOrganization,
        response=OrganizationAnswer,
        status=HTTPStatus.CREATED,
        example=EXAMPLE,
        request_example={"slug": "acme", "name": "Acme"},
    )
    def post(self) -> Organization:
        """You become its owner. Where only operators create organizations, this is refused."""
        owner = person_of(self, what="A key belongs to one organization and creates no other.", elsewhere=True)
        return create_organization(owner=owner, actor=self.actor, **self.data)


class OneOrganization(OrganizationView):
    """One organization and its settings."""

    tag = TAG

    @operation(
        "getOrganization",
        "Return an organization with its settings",
        permission=P.ORGANIZATION_READ,
        response=OrganizationAnswer,
        example=EXAMPLE,
    )
    def get(self) -> Organization:
        """Take the ETag of the answer along as If-Match when you change something."""
        found: Organization = self.organization
        return found

    @operation(
        "updateOrganization",
        "Change an organization's settings",
        permission=P.ORGANIZATION_MANAGE,
        request=OrganizationChange,
        response=OrganizationAnswer,
        example=EXAMPLE,
        request_example={"name": "Acme Research"},
    )
    def patch(self) -> Organization:
        """What is left out stays as it is. The default role can be none that is above your own."""
        self._lock()
        stored: Organization = self.organization
        values = OrganizationChange.completed(stored, self.data)
        return update_organization(organization=stored, actor=self.actor, **values)

    @operation(
        "deleteOrganization",
        "Schedule an organization's deletion",
        permission=P.ORGANIZATION_DELETE,
        response=OrganizationAnswer,
        status=HTTPStatus.ACCEPTED,
        filters=REASON,
        example=EXAMPLE | {"deletion_requested_at": "2026-03-01T08:00:00Z", "purge_at": "2026-03-08T08:00:00Z"},
    )
    def delete(self) -> Organization:
        """Nothing is lost until `purge_at`; restoring calls the deletion off."""
        self._lock()
        return request_deletion(organization=self.organization, actor=self.actor, reason=reason_of(self))

    def _lock(self) -> None:
        self.lock_organization()
        self.hold_to_condition(self.organization)


class OrganizationRestore(OrganizationView):
    """Calling a deletion off."""

    tag = TAG

    @operation(
        "restoreOrganization",
        "Call an organization's deletion off",
        permission=P.ORGANIZATION_DELETE,
        response=OrganizationAnswer,
        example=EXAMPLE,
    )
    def post(self) -> Organization:
        """Possible until the grace period is over."""
        return restore_organization(organization=self.organization, actor=self.actor)


def _summary(organization: Organization) -> MembershipSummary:
    return MembershipSummary(
        organization_id=organization.pk,
        slug=organization.slug,
        name=organization.name,
        role=None,  # type: ignore[arg-type]  # a key has scopes in place of a role
        is_active=True,
        suspended_at=organization.suspended_at,
        purge_at=organization.purge_at,
    )
