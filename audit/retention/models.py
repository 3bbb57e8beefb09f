"""How long a log is kept, what holds parts of it back, who is erased from it, and what was retired.

The database sets the times of these rows and lets no running role shorten what it says: see migrations/retention.sql.
"""

import uuid
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from isolation.managers import TenantManager

MOST_MONTHS = 1_200
HOLDS_ON = timedelta(days=7)
"""How long a hold goes on after its release, so that whoever misses it can set another; as audit_holds_on() says."""


class _Kept(models.Model):
    """A row of an organization, or of the installation's log (the nil UUID), that nobody deletes."""

    tenant_column = "organization_id"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = models.UUIDField(editable=False)

    objects: Any = TenantManager()

    class Meta:
        abstract = True
        base_manager_name = "objects"
        default_permissions = ()


class RetentionChange(_Kept):
    """For how many months events are kept, from a time on; None: without end. The newest one that is due counts."""

    months = models.PositiveSmallIntegerField(
        null=True, validators=[MinValueValidator(1), MaxValueValidator(MOST_MONTHS)]
    )
    notice_days = models.PositiveSmallIntegerField()
    changed_by = models.CharField(max_length=320)
    announced_at = models.DateTimeField(null=True)
    effective_at = models.DateTimeField(null=True)

    audit_exclude = frozenset({"organization_id", "changed_by", "announced_at"})

    class Meta(_Kept.Meta):
        verbose_name = "retention"
        verbose_name_plural = "retention"
        ordering: ClassVar[list[str]] = ["-announced_at", "-id"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization_id", "-announced_at", "-id"], name="audit_retention_newest"),
        ]

    def __str__(self) -> str:
        return "Retention"

    @property
    def is_announced_only(self) -> bool:
        """Return whether it waits, or waited, for the end of its notice."""
        return bool(self.announced_at and self.effective_at and self.effective_at > self.announced_at)


class LegalHold(_Kept):
    """Events that stay, whatever retention, erasure or the deletion of the organization would do.

    Of an organization's whole log, or of what concerns one actor, or of a period, or both.
    """

    name = models.CharField(max_length=120)
    reason = models.CharField(max_length=1_000)
    actor_id = models.UUIDField(null=True)
    actor_label = models.CharField(max_length=320, blank=True)
    since = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)
    by_operator = models.BooleanField(default=False)
    set_by = models.CharField(max_length=320)
    set_at = models.DateTimeField(null=True)
    released_at = models.DateTimeField(null=True)
    released_by = models.CharField(max_length=320, blank=True)
    release_reason = models.CharField(max_length=1_000, blank=True)

    audit_exclude = frozenset({"organization_id", "set_by", "set_at", "released_at", "released_by", "release_reason"})

    class Meta(_Kept.Meta):
        verbose_name = "legal hold"
        ordering: ClassVar[list[str]] = ["-set_at", "-id"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization_id", "-set_at", "-id"], name="audit_legalhold_newest"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def ends_at(self) -> Any:
        """Return until when a released hold goes on; None while it is not released."""
        return self.released_at + HOLDS_ON if self.released_at else None

    @property
    def is_in_force(self) -> bool:
        """Return whether it holds now."""
        return self.ends_at is None or timezone.now() < self.ends_at

    @property
    def state(self) -> str:
        """Return ``in force``, ``released`` (it goes on for a while) or ``ended``."""
        if self.released_at is None:
            return "in force"
        return "released" if self.is_in_force else "ended"


class ErasureRequest(_Kept):
    """A person whose values are taken out of a log once the notice is over; whom it was about is forgotten then."""

    person_id = models.UUIDField()
    names = ArrayField(models.CharField(max_length=320))
    reason = models.CharField(max_length=1_000)
    notice_days = models.PositiveSmallIntegerField()
    by_operator = models.BooleanField(default=False)
    requested_by = models.CharField(max_length=320)
    requested_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    cancelled_by = models.CharField(max_length=320, blank=True)
    done_at = models.DateTimeField(null=True)
    events = models.PositiveIntegerField(default=0)
    fields = models.PositiveIntegerField(default=0)

    # The log tells of it without the person's data.
    audit_exclude = frozenset(
        {"organization_id", "names", "requested_by", "requested_at", "cancelled_at", "cancelled_by"}
    )

    class Meta(_Kept.Meta):
        verbose_name = "erasure"
        ordering: ClassVar[list[str]] = ["-requested_at", "-id"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization_id", "-requested_at", "-id"], name="audit_erasure_newest"),
        ]

    def __str__(self) -> str:
        return f"Erasure {str(self.pk)[:8]}"

    @property
    def state(self) -> str:
        """Return ``waiting``, ``done`` or ``cancelled``."""
        return "done" if self.done_at else "cancelled" if self.cancelled_at else "waiting"


class DeletedLog(_Kept):
    """The name of an organization that was deleted for good and whose log is still kept."""

    slug = models.CharField(max_length=63)
    name = models.CharField(max_length=200)
    deleted_at = models.DateTimeField(default=timezone.now)

    class Meta(_Kept.Meta):
        verbose_name = "log of a deleted organization"
        verbose_name_plural = "logs of deleted organizations"
        ordering: ClassVar[list[str]] = ["-deleted_at", "-id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization_id"], name="audit_deletedlog_once"),
        ]

    def __str__(self) -> str:
        return self.name


class RetirementReceipt(models.Model):
    """A signed statement of which events were retired, when and why. The sealer alone writes it."""

    tenant_column = "organization_id"
    audit_exempt = True

    id = models.BigAutoField(primary_key=True)
    organization_id = models.UUIDField()
    month = models.DateField()
    first = models.BigIntegerField()
    last = models.BigIntegerField()
    events = models.BigIntegerField()
    note = models.TextField()
    time = models.DateTimeField()

    objects: Any = TenantManager()

    class Meta:
        managed = False
        db_table = "audit_receipt"
        default_permissions = ()
        base_manager_name = "objects"
        ordering: ClassVar[list[str]] = ["-id"]

    def __str__(self) -> str:
        return f"Receipt of {self.month:%Y-%m}"
