"""Per-object exceptions: the one module that uses django-guardian's shortcuts."""

from typing import Any, cast

from django.contrib.auth.models import Permission as DjangoPermission
from django.contrib.contenttypes.models import ContentType
from django.db import models, transaction
from guardian.shortcuts import assign_perm

from isolation.actor import Actor
from isolation.exceptions import DomainError
from tenants import signals
from tenants.models import Group, Membership, Project, ProjectGroupGrant, ProjectUserGrant
from tenants.permissions import PERMISSIONS, Level, P, known

from .rules import hold_organization, own_row, refuse_above


@transaction.atomic
def grant_to_member(*, project: Project, membership: Membership, permission: str, actor: Actor) -> ProjectUserGrant:
    """Let one member do one thing in one project, whatever their role there says.

    Raises:
        MissingPermission: without ``projects:manage`` in the project.
        UnknownPermission: the name is not in the catalogue.
        DomainError: no project permission, one that the actor does not hold there, or granted already.
    """
    project, name = _prepare(project, permission, actor)
    membership = own_row(Membership, membership.pk, lock=False, related=("user",))
    _refuse_twice(
        ProjectUserGrant.objects.filter(user=membership.user, content_object=project, permission__codename=name)
    )
    grant = cast("ProjectUserGrant", assign_perm(name.value, membership.user, project))
    _announce(grant, project, str(membership), name, actor)
    return grant


@transaction.atomic
def grant_to_group(*, project: Project, group: Group, permission: str, actor: Actor) -> ProjectGroupGrant:
    """Let a group's members do one thing in one project, whatever their roles there say.

    Raises:
        MissingPermission: without ``projects:manage`` in the project.
        UnknownPermission: the name is not in the catalogue.
        DomainError: no project permission, one that the actor does not hold there, or granted already.
    """
    project, name = _prepare(project, permission, actor)
    group = own_row(Group, group.pk, lock=False)
    _refuse_twice(ProjectGroupGrant.objects.filter(group=group, content_object=project, permission__codename=name))
    grant: ProjectGroupGrant = ProjectGroupGrant.objects.create(
        organization=project.organization, group=group, content_object=project, permission=_django_permission(name)
    )
    _announce(grant, project, str(group), name, actor)
    return grant


@transaction.atomic
def revoke_exception(*, grant: ProjectUserGrant | ProjectGroupGrant, actor: Actor) -> None:
    """Take an exception back.

    Raises:
        MissingPermission: without ``projects:manage`` in the project.
        DomainError: it is for a permission that the actor does not hold there.
    """
    stored = own_row(type(grant), grant.pk, related=("content_object", "permission"))
    project: Project = stored.content_object
    actor.require(P.PROJECTS_MANAGE, project)
    name = P(stored.permission.codename)
    refuse_above(actor, [name], what="You cannot take back this exception", obj=project, field=None)
    holder = stored.user if isinstance(stored, ProjectUserGrant) else stored.group
    signals.exception_revoked.announce(
        stored, actor=actor, before={"holder": str(holder), "permission": name.value}, project=project
    )
    stored.delete()


def _prepare(project: Project, permission: str, actor: Actor) -> tuple[Project, P]:
    (name,) = known([permission])
    actor.require(P.PROJECTS_MANAGE, project)
    if PERMISSIONS[name].level is not Level.PROJECT:
        raise DomainError("This permission counts in the whole organization only.", field="permission", code="level")
    refuse_above(actor, [name], what="You cannot grant this exception", obj=project, field="permission")
    hold_organization(project.organization_id)
    return own_row(Project, project.pk), name


def _refuse_twice(existing: models.QuerySet[Any]) -> None:
    """Refuse an exception that is there already; the lock on the project makes two requests queue up."""
    if existing.exists():
        raise DomainError("This exception is granted already.", field="permission", code="duplicate")


def _django_permission(name: P) -> DjangoPermission:
    return DjangoPermission.objects.get(content_type=ContentType.objects.get_for_model(Project), codename=name.value)


def _announce(
    grant: ProjectUserGrant | ProjectGroupGrant, project: Project, holder: str, name: P, actor: Actor
) -> None:
    signals.exception_granted.announce(
        grant, actor=actor, after={"holder": holder, "permission": name.value}, project=project
    )
