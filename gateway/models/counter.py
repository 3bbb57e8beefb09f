"""Where limits are counted when no Redis does it."""

import uuid
from typing import Any, ClassVar

from django.contrib.postgres.functions import RandomUUID
from django.db import models

from isolation.managers import TenantManager


class UsageCounter(models.Model):
    """What the gateway's processes have taken out of one limit in its running window.

    The table is unlogged: after a crash of the server days and months are counted on from `UsageHour`. It carries no
    foreign key, which would lock the organization's row.
    """

    tenant_column = "organization_id"
    audit_exempt = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, db_default=RandomUUID(), editable=False)
    organization_id = models.UUIDField(editable=False)
    limit_id = models.UUIDField(editable=False)
    subject = models.CharField(max_length=120, editable=False)
    started_at = models.DateTimeField(editable=False)
    used = models.BigIntegerField(editable=False)

    objects: Any = TenantManager()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization_id", "limit_id", "subject"], name="gateway_usagecounter_one"),
        ]

    def __str__(self) -> str:
        return f"{self.used} since {self.started_at:%Y-%m-%d %H:%M}"


class UsageSlot(models.Model):
    """A place that one request holds among those that may run at the same time; it ends by itself."""

    tenant_column = "organization_id"
    audit_exempt = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, db_default=RandomUUID(), editable=False)
    organization_id = models.UUIDField(editable=False)
    limit_id = models.UUIDField(editable=False)
    subject = models.CharField(max_length=120, editable=False)
    slot = models.CharField(max_length=40, editable=False)
    expires_at = models.DateTimeField(editable=False)

    objects: Any = TenantManager()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["organization_id", "limit_id", "subject", "slot"], name="gateway_usageslot_one"
            ),
        ]

    def __str__(self) -> str:
        return self.slot


class UsageNotice(models.Model):
    """That a limit was reached to so many percent in a window, and that it was said."""

    tenant_column = "organization_id"
    audit_exempt = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = models.UUIDField(editable=False)
    limit_id = models.UUIDField(editable=False)
    subject = models.CharField(max_length=120, editable=False)
    started_at = models.DateTimeField(editable=False)
    percent = models.PositiveSmallIntegerField(editable=False)

    objects: Any = TenantManager()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["organization_id", "limit_id", "subject", "started_at", "percent"],
                name="gateway_usagenotice_one",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.percent} % since {self.started_at:%Y-%m-%d}"
