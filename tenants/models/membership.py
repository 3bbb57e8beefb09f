"""Who belongs to an organization, and with which role in a project."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models

from isolation.managers import TenantManager
from tenants.querysets import MembershipQuerySet

from .base import TenantModel, same_organization, unique_in_organization


class Source(models.TextChoices):
    """How a membership, a role or a group came to be."""

    CREATOR = "creator", "Created the organization"
    DEFAULT = "default", "Joined by default at sign-up"
    INVITATION = "invitation", "Accepted an invitation"
    MANUAL = "manual", "Added by hand"
    OPERATOR = "operator", "Added by an operator"
    SCIM = "scim", "Provisioned by SCIM"
    SSO = "sso", "First single sign-on"


class Membership(TenantModel):
    """A user in an organization, with one role there. An inactive member keeps the row and may do nothing."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        related_name="+",
        editable=False,
    )
    role = same_organization("tenants.Role", on_delete=models.PROTECT, related_name="+")
    is_active = models.BooleanField("active", default=True)
    source = models.CharField(max_length=12, choices=Source.choices, default=Source.MANUAL, editable=False)
    # The single sign-on connection whose word made them an owner, and the role that they had; both empty otherwise.
    owner_through = models.UUIDField(null=True, editable=False)
    role_before = models.UUIDField(null=True, editable=False)
    created_at = models.DateTimeField("member since", auto_now_add=True)

    audit_exclude = frozenset({"owner_through", "role_before"})

    objects: Any = TenantManager.from_queryset(MembershipQuerySet)()

    class Meta(TenantModel.Meta):
        verbose_name = "member"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            unique_in_organization("tenants_membership_in_organization"),
            models.UniqueConstraint(fields=["organization", "user"], name="tenants_membership_user"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["organization", "-created_at", "-id"],
                name="tenants_membership_newest",
            ),
            models.Index(fields=["organization", "role"], name="tenants_membership_role"),
            models.Index(fields=["user"], name="tenants_membership_of_user"),
        ]

    def __str__(self) -> str:
        return str(self.user)

    def take_role(self, role: Any) -> None:
        """Set a role that somebody gave: it is theirs, whatever an identity provider says from now on."""
        self.role, self.owner_through, self.role_before = role, None, None


class ProjectMembership(TenantModel):
    """A role in one project that replaces the member's organization role there, up or down."""

    project = same_organization("tenants.Project", related_name="project_memberships", editable=False)
    membership = same_organization("tenants.Membership", related_name="project_memberships")
    role = same_organization("tenants.Role", on_delete=models.PROTECT, related_name="+")
    source = models.CharField(max_length=12, choices=Source.choices, default=Source.MANUAL, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(TenantModel.Meta):
        verbose_name = "project role"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["organization", "project", "membership"],
                name="tenants_projectmembership_once",
                violation_error_message="This member already has a role in this project.",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["organization", "membership"],
                name="tenants_projectmembership_of",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.membership} in {self.project}"
