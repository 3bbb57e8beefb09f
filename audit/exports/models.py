"""An evidence export, and how far it has come."""

import uuid
from typing import Any, ClassVar

from django.db import models

from audit.querysets import EvidenceExportQuerySet
from isolation.actor import ActorKind
from isolation.managers import TenantManager
from isolation.scope import INSTALLATION
from vault.fields import EncryptedField

_TITLES = {"package": "Package", "ndjson": "NDJSON", "csv": "CSV", "parquet": "Parquet", "ocsf": "OCSF"}


class ExportState(models.TextChoices):
    """How an export stands."""

    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"


class EvidenceExport(models.Model):
    """A part of one log, asked for by somebody, and the file that it becomes.

    `organization_id` carries no foreign key: the log outlives its organization. The nil UUID stands for the log of the
    installation itself. Everything from `position` to `attempts` is where the worker goes on.
    """

    tenant_column = "organization_id"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = models.UUIDField(editable=False)
    requester_kind = models.CharField(max_length=24, choices=[(k.value, k.value.replace("_", " ")) for k in ActorKind])
    requester_id = models.UUIDField(null=True)
    # Their text: people leave.
    requester = models.CharField("requested by", max_length=320)
    # What people call the log, for the file's name and its report.
    log_name = models.CharField("log", max_length=63, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    format = models.CharField(max_length=16)
    query = models.CharField(max_length=500, blank=True)
    since = models.DateTimeField("from", null=True)
    until = models.DateTimeField(null=True)
    days = models.PositiveSmallIntegerField("days kept")
    as_of = models.BigIntegerField("sealed events")
    created_at = models.DateTimeField("requested", auto_now_add=True)

    first = models.BigIntegerField(null=True)
    end = models.BigIntegerField(null=True)
    position = models.BigIntegerField(default=0)
    events = models.BigIntegerField(default=0)
    stored = models.BigIntegerField(default=0)
    chunks = models.BigIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)

    state = models.CharField(max_length=12, choices=ExportState.choices, default=ExportState.RUNNING)
    problem = models.CharField(max_length=300, blank=True)
    size = models.BigIntegerField("bytes", null=True)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    completed_at = models.DateTimeField("completed", null=True)
    expires_at = models.DateTimeField("expires", null=True)
    # Of this one file; the organization's data key opens it.
    file_key = EncryptedField()

    objects: Any = TenantManager.from_queryset(EvidenceExportQuerySet)()

    audit_exclude = frozenset(
        {
            "as_of",
            "attempts",
            "chunks",
            "created_at",
            "end",
            "file_key",
            "first",
            "organization_id",
            "position",
            "stored",
        }
        | {"log_name", "requester", "requester_id", "requester_kind"}
    )

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()
        verbose_name = "evidence export"
        ordering: ClassVar[list[str]] = ["-created_at", "-id"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization_id", "-created_at", "-id"], name="audit_export_newest")
        ]

    def __str__(self) -> str:
        return f"{self.title} of {self.created_at:%Y-%m-%d %H:%M} UTC"

    @property
    def title(self) -> str:
        """Return the format's name as a heading says it."""
        return _TITLES.get(self.format, self.format)

    @property
    def is_installations(self) -> bool:
        """Return whether it is of the installation's own log."""
        return bool(self.organization_id == INSTALLATION)

    @property
    def is_running(self) -> bool:
        """Return whether it is still being made."""
        return self.state == ExportState.RUNNING

    @property
    def is_completed(self) -> bool:
        """Return whether there is a file."""
        return self.state == ExportState.COMPLETED

    @property
    def total(self) -> int:
        """Return how many events of the log are read; 0 before that is known."""
        return 0 if self.first is None or self.end is None else int(self.end - self.first)

    @property
    def done(self) -> int:
        """Return how many of them were read."""
        return 0 if self.first is None else int(max(0, self.position - self.first))

    @property
    def percent(self) -> int:
        """Return how much is read, in percent; 100 is left for what is completed."""
        if self.is_completed:
            return 100
        return min(99, self.done * 100 // self.total) if self.total else 0
