"""Changes to projects."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import connections, transaction

from audit.redaction import snapshot
from isolation.actor import Actor, ActorKind
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import APP, tenant_scope
from tenants import signals
from tenants.access import user_actor
from tenants.models import (
    GroupRole,
    Invitation,
    Organization,
    Project,
    ProjectGroupGrant,
    ProjectMembership,
    ProjectUserGrant,
)
from tenants.permissions import P

from .lifecycle import call_deletion_off, refuse_purge_before_due, schedule_deletion
from .naming import check_name, check_slug
from .rules import locked_organization, one_of_a_kind, own_row

LARGEST_METADATA = 8_000
_DEEPEST_METADATA = 20


@transaction.atomic
def create_project(
    *,
    organization: Organization,
    slug: str,
    name: str,
    environment: str,
    actor: Actor,
    description: str = "",
    metadata: Mapping[str, Any] | None = None,
) -> Project:
    """Create a project.

    Args:
        organization: where.
        slug: the immutable identifier, unique in the organization.
        name: what people read.
        environment: one of `Environment`.
        actor: who creates it.
        description: a sentence, optional.
        metadata: an object of the client's own, JSON values only.

    Raises:
        MissingPermission: without ``projects:create``.
        DomainError: slug, name or metadata are refused, or the organization is being deleted.
    """
    actor.require(P.PROJECTS_CREATE, organization)
    organization = locked_organization(organization.pk)
    if organization.is_being_deleted:
        raise DomainError("This organization is being deleted; nothing new can be made in it.", code="being_deleted")
    check_slug(slug, organization.project_naming_pattern, organization.project_naming_hint)
    project = Project(
        organization=organization,
        slug=slug,
        name=check_name(name),
        environment=environment,
        description=description.strip(),
        metadata=_checked_metadata(metadata or {}),
    )
    with one_of_a_kind(Project, field="slug"):
        project.save(force_insert=True)
    signals.project_created.announce(project, actor=actor, after=snapshot(project), project=project)
    return project


@transaction.atomic
def update_project(
    *,
    project: Project,
    name: str,
    environment: str,
    actor: Actor,
    description: str = "",
    metadata: Mapping[str, Any] | None = None,
) -> Project:
    """Change a project's name, description, environment and metadata (None: as it is); the slug never changes.

    Raises:
        MissingPermission: without ``projects:manage`` in the project.
        DomainError: a value is refused.
    """
    actor.require(P.PROJECTS_MANAGE, project)
    stored: Project = own_row(Project, project.pk)
    before = snapshot(stored)
    stored.name, stored.environment, stored.description = check_name(name), environment, description.strip()
    if metadata is not None:
        stored.metadata = _checked_metadata(metadata)
    stored.save()
    signals.project_updated.announce(stored, actor=actor, before=before, after=snapshot(stored), project=stored)
    return stored


@transaction.atomic
def request_project_deletion(*, project: Project, actor: Actor, reason: str = "") -> Project:
    """Schedule a project's deletion; nothing is lost until the grace period ends.

    Raises:
        MissingPermission: without ``projects:delete`` in the project.
        DomainError: it is scheduled already.
    """
    actor.require(P.PROJECTS_DELETE, project)
    stored: Project = own_row(Project, project.pk)
    before = snapshot(stored)
    schedule_deletion(stored)
    signals.project_deletion_requested.announce(
        stored, actor=actor, before=before, after=snapshot(stored), project=stored, reason=reason
    )
    return stored


@transaction.atomic
def restore_project(*, project: Project, actor: Actor) -> Project:
    """Call a project's deletion off.

    Raises:
        MissingPermission: without ``projects:delete`` in the project.
        DomainError: nothing is scheduled.
    """
    actor.require(P.PROJECTS_DELETE, project)
    stored: Project = own_row(Project, project.pk)
    before = snapshot(stored)
    call_deletion_off(stored)
    signals.project_restored.announce(stored, actor=actor, before=before, after=snapshot(stored), project=stored)
    return stored


@transaction.atomic
def purge_project(*, project: Project, actor: Actor) -> None:
    """Delete a project for good; its audit events stay. Only the system does this.

    Raises:
        DomainError: the grace period is not over, or a person asks.
    """
    if actor.kind is not ActorKind.SYSTEM:
        raise DomainError("Only the system deletes for good, after the grace period.", code="system_only")
    stored: Project = own_row(Project, project.pk)
    refuse_purge_before_due(stored)
    signals.project_purged.announce(stored, actor=actor, before=snapshot(stored), project=stored)
    _detach_invitations(stored)
    stored.delete()


@transaction.atomic
def transfer_project(*, project: Project, target_id: UUID, user: Any, actor: Actor, reason: str = "") -> Project:
    """Move a project to another organization in which the same person may accept it.

    API keys follow the project. Project roles, exceptions and open invitations' project roles end, because they name
    people and groups of the old organization. The audit events of the past stay in the old organization's log.

    Args:
        project: a project of the current organization.
        target_id: the UUID of the organization that takes it.
        user: the accounts.User behind `actor`; their rights in the target are loaded afresh.
        actor: who moves it, in the current organization.
        reason: why.

    Raises:
        MissingPermission: without ``projects:transfer`` in the project.
        DomainError: the person may not create and transfer projects in the target, or the slug is taken there.
    """
    actor.require(P.PROJECTS_TRANSFER, project)
    source_id = project.organization_id
    if target_id == source_id:
        raise DomainError("The project belongs to that organization already.", field="target", code="same_organization")
    # Two transfers in opposite directions lock the organizations in the same order.
    for organization_id in sorted((source_id, target_id), key=str):
        _lock_in_scope(organization_id)
    stored: Project = own_row(Project, project.pk)
    if stored.is_being_deleted:
        raise DomainError("This project is being deleted. Call that off first.", code="being_deleted")
    with tenant_scope(target_id):
        target, receiver = _receiving(target_id, user, actor)
        check_slug(stored.slug, target.project_naming_pattern, target.project_naming_hint)
        if Project.objects.filter(slug=stored.slug).exists():
            raise DomainError(
                f"{target} already has a project with the identifier {stored.slug}.", field="target", code="duplicate"
            )
    before = snapshot(stored)
    _end_local_ties(stored)
    after = {**before, "organization": str(target)}
    signals.project_transferred_away.announce(
        stored, actor=actor, before=before, after=after, project=stored, reason=reason
    )
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT tenants_move_project(%s, %s, %s)", [stored.pk, source_id, target_id])
    with tenant_scope(target_id):
        moved: Project = own_row(Project, project.pk)
        signals.project_transferred_here.announce(
            moved, actor=receiver, before=before, after=snapshot(moved), project=moved, reason=reason
        )
    return moved


def _checked_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    if _is_deeper(metadata, _DEEPEST_METADATA):
        raise DomainError(f"Nest {_DEEPEST_METADATA} levels at most.", field="metadata", code="too_deep")
    if len(json.dumps(metadata)) > LARGEST_METADATA:
        raise DomainError(f"Use {LARGEST_METADATA:,} bytes at most.", field="metadata", code="too_long")
    return dict(metadata)


def _is_deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return levels < 0 or any(_is_deeper(one, levels - 1) for one in inner)


def _lock_in_scope(organization_id: UUID) -> None:
    with tenant_scope(organization_id):
        if not Organization.objects.select_for_update(no_key=True).filter(pk=organization_id).exists():
            raise DomainError("There is no such organization for you.", field="target", code="unknown_target")


def _receiving(target_id: UUID, user: Any, actor: Actor) -> tuple[Organization, Actor]:
    """Return the target and the person's actor there, who must be allowed to take a project in."""
    receiver = user_actor(user, target_id)
    target = Organization.objects.get(pk=target_id)
    try:
        if receiver.id != actor.id:
            raise DomainError("Only the person who moves the project can accept it.", code="other_person")
        receiver.require(P.PROJECTS_CREATE, target)
        receiver.require(P.PROJECTS_TRANSFER, target)
    except MissingPermission as error:
        raise DomainError(
            f"Moving a project into that organization needs the permission {error.permission} there.",
            field="target",
            code="target_refuses",
        ) from error
    if target.is_being_deleted or target.is_suspended:
        raise DomainError("That organization takes no projects at present.", field="target", code="target_closed")
    return target, receiver


def _end_local_ties(project: Project) -> None:
    ProjectMembership.objects.filter(project=project).delete()
    GroupRole.objects.filter(project=project).delete()
    ProjectUserGrant.objects.filter(content_object=project).delete()
    ProjectGroupGrant.objects.filter(content_object=project).delete()
    _detach_invitations(project)


def _detach_invitations(project: Project) -> None:
    """Keep the invitations into the organization; only what they offered in this project ends."""
    Invitation.objects.filter(project=project).update(project=None, project_role=None)
