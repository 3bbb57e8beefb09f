"""Two-step deletion, shared by organizations and projects."""

from datetime import datetime

from django.db import models
from django.utils import timezone


class Deletable(models.Model):
    """Deleted in two steps: scheduled (nothing is lost, it can be restored), then purged by a task."""

    deletion_requested_at = models.DateTimeField(null=True, blank=True, editable=False)
    purge_at = models.DateTimeField("deleted for good at", null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    @property
    def is_being_deleted(self) -> bool:
        """Return whether the deletion is scheduled."""
        return self.purge_at is not None

    def is_due(self, *, now: datetime | None = None) -> bool:
        """Return whether the grace period is over."""
        return self.purge_at is not None and self.purge_at <= (now or timezone.now())


def due_index(name: str) -> models.Index:
    """Return the index by which the hourly sweep finds the few rows that are scheduled among all."""
    return models.Index(fields=["purge_at"], condition=models.Q(purge_at__isnull=False), name=name)
