"""Per-object exceptions: one permission on one project, for one user or group (guardian, direct foreign keys)."""

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from guardian.managers import UserObjectPermissionManager
from guardian.models import BaseObjectPermission, UserObjectPermissionBase

from isolation.managers import TenantManager, TenantQuerySet

from .base import same_organization


class CurrentOrganization(models.Func):
    """The tenant of the running transaction, as SQL: guardian creates rows without naming the organization."""

    template = "current_setting('app.organization')::uuid"
    output_field = models.UUIDField()

    def __init__(self) -> None:
        super().__init__()


class ProjectGrant(models.Model):
    """What both kinds of exception are: a tenant's row, like `TenantModel`, that guardian's code can create."""

    tenant_column = "organization_id"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(
        "tenants.Organization",
        on_delete=models.CASCADE,
        editable=False,
        related_name="+",
        db_default=CurrentOrganization(),
    )

    class Meta:
        abstract = True


class ProjectUserGrantManager(UserObjectPermissionManager, TenantManager):  # type: ignore[misc]
    """Guardian's assignment verbs over the current organization's rows."""


class ProjectUserGrant(ProjectGrant, UserObjectPermissionBase):  # noqa: DJ008 - guardian's base has it
    """One permission on one project for one user, whatever their role there says."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, related_name="+")
    content_object = same_organization("tenants.Project", db_column="project_id", related_name="user_grants")

    objects: ClassVar[Any] = ProjectUserGrantManager.from_queryset(TenantQuerySet)()

    class Meta(UserObjectPermissionBase.Meta):
        verbose_name = "exception for a user"
        base_manager_name = "objects"
        default_permissions = ()
        unique_together: ClassVar[Any] = [
            "organization",
            "user",
            "permission",
            "content_object",
        ]


class ProjectGroupGrant(ProjectGrant, BaseObjectPermission):  # noqa: DJ008 - guardian's base has it
    """One permission on one project for the members of one of the organization's groups.

    Guardian's own group table is tied to Django's global groups, which know no tenant, so the group is ours.
    """

    group = same_organization("tenants.Group", related_name="grants")
    content_object = same_organization("tenants.Project", db_column="project_id", related_name="group_grants")

    objects: Any = TenantManager()

    class Meta:
        verbose_name = "exception for a group"
        base_manager_name = "objects"
        default_permissions = ()
        unique_together: ClassVar[Any] = [
            "organization",
            "group",
            "permission",
            "content_object",
        ]
