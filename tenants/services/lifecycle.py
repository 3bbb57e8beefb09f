"""Two-step deletion of organizations and projects: schedule, call off."""

from datetime import timedelta

from django.utils import timezone

from isolation.exceptions import DomainError
from tenants.models import InstallationSettings, Organization, Project


def schedule_deletion(row: Organization | Project) -> None:
    """Store when a row will be deleted for good; the caller has locked it and announces the change.

    Raises:
        DomainError: it is scheduled already.
    """
    if row.is_being_deleted:
        raise DomainError("The deletion is scheduled already.", code="already_scheduled")
    row.deletion_requested_at = timezone.now()
    row.purge_at = row.deletion_requested_at + timedelta(days=InstallationSettings.load().deletion_grace_days)
    row.save()


def call_deletion_off(row: Organization | Project) -> None:
    """Forget a scheduled deletion; the caller has locked the row and announces the change.

    Raises:
        DomainError: nothing is scheduled.
    """
    if not row.is_being_deleted:
        raise DomainError("No deletion is scheduled.", code="not_scheduled")
    row.deletion_requested_at = row.purge_at = None
    row.save()


def refuse_purge_before_due(row: Organization | Project) -> None:
    """Refuse to delete for good what can still be restored.

    Raises:
        DomainError: the grace period is not over.
    """
    if not row.is_due():
        raise DomainError("The grace period is not over.", code="not_due")
