"""Deleting for good what was scheduled and whose grace period is over."""

from celery import shared_task
from django.utils import timezone

from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import operator_scope
from isolation.tasks import TenantTask

from .models import Organization, Project
from .services.organizations import purge_organization
from .services.projects import purge_project


@shared_task(name="tenants.tasks.purge_due")
def purge_due() -> int:
    """Start a purge for each organization in which something is due; a lost start is made up by the next sweep.

    Returns:
        how many organizations are concerned.
    """
    now = timezone.now()
    with acting_as(SYSTEM), operator_scope("Sweep for deletions whose grace period is over"):
        due = set(Organization.objects.filter(purge_at__lte=now).values_list("pk", flat=True))
        due |= set(Project.objects.filter(purge_at__lte=now).values_list("organization_id", flat=True))
    for organization_id in due:
        purge_due_in.delay(str(organization_id))
    return len(due)


@shared_task(base=TenantTask, name="tenants.tasks.purge_due_in")
def purge_due_in(organization_id: str) -> None:
    """Delete an organization that is due, or start the purge of each of its projects that is."""
    organization = Organization.objects.filter(pk=organization_id).first()
    if organization is None:
        return
    if organization.is_due():
        purge_organization(organization=organization, actor=SYSTEM)
        return
    for project_id in Project.objects.filter(purge_at__lte=timezone.now()).values_list("pk", flat=True):
        purge_due_project.delay(organization_id, str(project_id))


@shared_task(base=TenantTask, name="tenants.tasks.purge_due_project")
def purge_due_project(organization_id: str, project_id: str) -> None:
    """Delete one project that is due; one that resists keeps no other waiting."""
    project = Project.objects.filter(pk=project_id).first()
    if project is not None and project.is_due():
        purge_project(project=project, actor=SYSTEM)
