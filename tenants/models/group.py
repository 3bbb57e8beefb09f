"""Sets of members that carry roles."""

from typing import ClassVar

from django.db import models

from .base import TenantModel, same_organization, unique_in_organization
from .membership import Source


class Group(TenantModel):
    """A set of members of one organization, made by hand or by SCIM."""

    # Identity providers name groups with up to 256 characters.
    name = models.CharField(max_length=256)
    description = models.CharField(max_length=300, blank=True)
    source = models.CharField(max_length=12, choices=Source.choices, default=Source.MANUAL, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(TenantModel.Meta):
        ordering: ClassVar[list[str]] = ["name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            unique_in_organization("tenants_group_in_organization"),
            models.UniqueConstraint(
                "organization",
                models.functions.Lower("name"),
                name="tenants_group_name",
                violation_error_message="There is already a group with this name.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class GroupMember(TenantModel):
    """A member's place in a group."""

    group = same_organization("tenants.Group", related_name="members", editable=False)
    membership = same_organization("tenants.Membership", related_name="groups")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(TenantModel.Meta):
        verbose_name = "group member"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["organization", "membership", "group"],
                name="tenants_groupmember_once",
                violation_error_message="This member is already in the group.",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization", "group"], name="tenants_groupmember_of_group"),
        ]

    def __str__(self) -> str:
        return f"{self.membership} in {self.group}"


class GroupRole(TenantModel):
    """A role that a group gives its members, in the whole organization or in one project."""

    group = same_organization("tenants.Group", related_name="roles", editable=False)
    role = same_organization("tenants.Role", on_delete=models.PROTECT, related_name="+")
    project = same_organization(
        "tenants.Project",
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty: the role counts in the whole organization.",
    )

    class Meta(TenantModel.Meta):
        verbose_name = "group role"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["organization", "group", "project"],
                nulls_distinct=False,
                name="tenants_grouprole_once",
                violation_error_message="The group already has a role there.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group}: {self.role}"
