"""What happens by itself: deleting for good what was scheduled, and checking verified domains."""

import logging

from celery import shared_task
from django.utils import timezone

from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.exceptions import DomainError
from isolation.scope import operator_scope
from isolation.tasks import TenantTask

from .models import Domain, Organization, Project
from .selectors import domains_to_check
from .services.domains import recheck_domain
from .services.organizations import purge_organization
from .services.projects import purge_project

logger = logging.getLogger("gatehouse.tenants")


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
        try:
            purge_organization(organization=organization, actor=SYSTEM)
        except DomainError as error:
            if error.code != "legal_hold":
                raise
            logger.warning("The organization %s is not deleted: %s", organization.slug, error)
        return
    for project_id in Project.objects.filter(purge_at__lte=timezone.now()).values_list("pk", flat=True):
        purge_due_project.delay(organization_id, str(project_id))


@shared_task(base=TenantTask, name="tenants.tasks.purge_due_project")
def purge_due_project(organization_id: str, project_id: str) -> None:
    """Delete one project that is due; one that resists keeps no other waiting."""
    project = Project.objects.filter(pk=project_id).first()
    if project is not None and project.is_due():
        purge_project(project=project, actor=SYSTEM)


@shared_task(name="tenants.tasks.check_domains")
def check_domains() -> int:
    """Start a check of each verified domain; a lost start is made up by the next day's.

    Returns:
        how many domains these are.
    """
    with acting_as(SYSTEM), operator_scope("Sweep for verified domains to check"):
        domains = list(domains_to_check().values_list("organization_id", "pk"))
    for organization_id, pk in domains:
        check_domain.delay(str(organization_id), str(pk))
    return len(domains)


@shared_task(base=TenantTask, name="tenants.tasks.check_domain")
def check_domain(organization_id: str, domain_id: str) -> None:
    """Look for the record of one verified domain; name servers that do not answer keep no other waiting."""
    domain = Domain.objects.select_related("organization").filter(pk=domain_id).first()
    if domain is not None:
        recheck_domain(domain=domain)
