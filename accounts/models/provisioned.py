"""What an identity provider told about people and groups: SCIM's view of memberships and groups."""

from typing import Any, ClassVar

from django.db import models

from accounts.querysets import ProvisionedUserQuerySet
from isolation.managers import TenantManager
from tenants.models.base import TenantModel, same_organization, unique_in_organization

LONGEST_VALUE = 256
LONGEST_EMAIL = 254
USER_STATES = ("member", "waiting", "inactive")


class ProvisionedUser(TenantModel):
    """A SCIM User (RFC 7643 section 4.1): a membership as the identity provider describes it.

    Without a membership the person has not joined: they were provisioned as inactive, or their address is in no
    verified domain and they have not accepted the invitation yet.
    """

    connection = same_organization("accounts.ScimConnection", related_name="+", editable=False)
    membership = same_organization("tenants.Membership", null=True, related_name="+", editable=False)
    external_id = models.CharField(max_length=LONGEST_VALUE, blank=True, editable=False)
    user_name = models.CharField(max_length=LONGEST_VALUE, editable=False)
    user_name_key = models.CharField(max_length=2 * LONGEST_VALUE, editable=False)
    email = models.CharField("e-mail address", max_length=LONGEST_EMAIL, blank=True, editable=False)
    active = models.BooleanField(default=True, editable=False)
    # As it was sent, in SCIM's own names, without what has a column of its own.
    attributes = models.JSONField(default=dict, editable=False)
    # The same with every value in the form that comparisons use: filters and sorting read this.
    comparable = models.JSONField(default=dict, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    invited_at = models.DateTimeField("invited", null=True, editable=False)
    created_at = models.DateTimeField("provisioned", auto_now_add=True)
    updated_at = models.DateTimeField("last changed", auto_now_add=True)

    objects: Any = TenantManager.from_queryset(ProvisionedUserQuerySet)()

    audit_exclude = frozenset({"comparable", "user_name_key", "version", "invited_at", "created_at", "updated_at"})

    class Meta(TenantModel.Meta):
        verbose_name = "provisioned user"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            unique_in_organization("accounts_provisioneduser_in_organization"),
            models.UniqueConstraint(
                fields=["organization", "user_name_key"],
                name="accounts_provisioneduser_user_name",
                violation_error_message="Another provisioned user has this userName already.",
            ),
            models.UniqueConstraint(
                fields=["organization", "connection", "external_id"],
                condition=~models.Q(external_id=""),
                name="accounts_provisioneduser_external_id",
                violation_error_message="Another provisioned user has this externalId already.",
            ),
            models.UniqueConstraint(
                fields=["organization", "membership"],
                name="accounts_provisioneduser_membership",
                violation_error_message="The member with this e-mail address is provisioned under another userName "
                "already.",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization", "email"], name="accounts_provuser_email"),
            models.Index(fields=["organization", "connection", "created_at", "id"], name="accounts_provuser_oldest"),
            # The sweep that invites people and connects those who have joined.
            models.Index(
                fields=["organization", "created_at"],
                condition=models.Q(membership=None, active=True),
                name="accounts_provuser_waiting",
            ),
        ]

    def __str__(self) -> str:
        return self.user_name

    @property
    def state(self) -> str:
        """Return which of `USER_STATES` they are in; `ProvisionedUserQuerySet.in_state` finds the same rows."""
        if not self.active:
            return "inactive"
        return "waiting" if self.membership_id is None else "member"


class ProvisionedGroup(TenantModel):
    """A SCIM Group (RFC 7643 section 4.2): one of the organization's groups, managed by the identity provider."""

    connection = same_organization("accounts.ScimConnection", related_name="+", editable=False)
    group = same_organization("tenants.Group", related_name="+", editable=False)
    external_id = models.CharField(max_length=LONGEST_VALUE, blank=True, editable=False)
    display_name = models.CharField(max_length=LONGEST_VALUE, editable=False)
    display_name_key = models.CharField(max_length=2 * LONGEST_VALUE, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField("provisioned", auto_now_add=True)
    updated_at = models.DateTimeField("last changed", auto_now_add=True)

    audit_exclude = frozenset({"display_name_key", "version", "created_at", "updated_at"})

    class Meta(TenantModel.Meta):
        verbose_name = "provisioned group"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            unique_in_organization("accounts_provisionedgroup_in_organization"),
            models.UniqueConstraint(
                fields=["organization", "group"],
                name="accounts_provisionedgroup_group",
                violation_error_message="This group is managed by an identity provider already.",
            ),
            models.UniqueConstraint(
                fields=["organization", "display_name_key"],
                name="accounts_provisionedgroup_display_name",
                violation_error_message="Another provisioned group has this displayName already.",
            ),
            models.UniqueConstraint(
                fields=["organization", "connection", "external_id"],
                condition=~models.Q(external_id=""),
                name="accounts_provisionedgroup_external_id",
                violation_error_message="Another provisioned group has this externalId already.",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization", "connection", "created_at", "id"], name="accounts_provgroup_oldest"),
        ]

    def __str__(self) -> str:
        return self.display_name


class WaitingGroupMember(TenantModel):
    """A place in a provisioned group for somebody who has not joined the organization yet."""

    provisioned_group = same_organization("accounts.ProvisionedGroup", related_name="+", editable=False)
    provisioned_user = same_organization("accounts.ProvisionedUser", related_name="+", editable=False)

    class Meta(TenantModel.Meta):
        verbose_name = "waiting group member"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["organization", "provisioned_user", "provisioned_group"],
                name="accounts_waitinggroupmember_once",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization", "provisioned_group"], name="accounts_waiting_of_group"),
        ]

    def __str__(self) -> str:
        return f"{self.provisioned_user} in {self.provisioned_group}"
