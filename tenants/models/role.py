"""A named set of permissions."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from tenants.permissions import BuiltinRole, P, role_permissions

from .base import TenantModel, unique_in_organization


class Role(TenantModel):
    """A built-in role (its key names it, its permissions come from the code) or a custom one of the organization."""

    key = models.CharField(max_length=63, editable=False)
    name = models.CharField(max_length=80)
    description = models.CharField(max_length=300, blank=True)
    is_builtin = models.BooleanField(default=False, editable=False)
    custom_permissions = ArrayField(models.CharField(max_length=60), default=list, blank=True)

    class Meta(TenantModel.Meta):
        ordering: ClassVar[list[str]] = ["-is_builtin", "name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            unique_in_organization("tenants_role_in_organization"),
            models.UniqueConstraint(fields=["organization", "key"], name="tenants_role_key"),
            models.UniqueConstraint(
                "organization",
                models.functions.Lower("name"),
                name="tenants_role_name",
                violation_error_message="There is already a role with this name.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def permissions(self) -> frozenset[P]:
        """Return what the role allows."""
        return role_permissions(self.key, is_builtin=self.is_builtin, custom=self.custom_permissions)

    @property
    def is_owner(self) -> bool:
        """Return whether this is the built-in Owner role."""
        return self.is_builtin and self.key == BuiltinRole.OWNER
