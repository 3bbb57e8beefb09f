"""Changes to organizations."""

import uuid
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from api.models import StoredResponse
from audit.models import Cosigner, CosigningKey, EvidenceExport, RedactionPolicy, SavedSearch, Sink, WitnessedLog
from audit.redaction import snapshot
from audit.services.alerts import delete_alerts
from audit.services.deleted_logs import keep_name
from audit.services.holds import refuse_held
from isolation.actor import Actor, ActorKind
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from tenants import signals
from tenants.models import (
    GroupRole,
    InstallationSettings,
    Invitation,
    Membership,
    Organization,
    ProjectMembership,
    Role,
    Source,
)
from tenants.models.installation import WhoMayCreate
from tenants.models.organization import MAX_KEY_DAYS
from tenants.permissions import BUILTIN_ROLES, BuiltinRole, P
from vault import data_keys

from .lifecycle import call_deletion_off, refuse_purge_before_due, schedule_deletion
from .naming import check_name, check_pattern, check_slug
from .rules import locked_organization, operators_only, own_row, refuse_above


def may_create_organization(actor: Actor) -> bool:
    """Return whether the installation lets `actor` create organizations."""
    if actor.runs_installation:
        return True
    creation = InstallationSettings.load().organization_creation
    return actor.kind is ActorKind.USER and creation == WhoMayCreate.ANYONE


@transaction.atomic
def create_organization(*, slug: str, name: str, owner: Any, actor: Actor) -> Organization:
    """Create an organization with its built-in roles and its first owner.

    Args:
        slug: the immutable identifier, unique in the installation.
        name: what people read.
        owner: the accounts.User who becomes owner.
        actor: who creates it.

    Raises:
        DomainError: the actor may not, or slug or name are refused.
    """
    installation = InstallationSettings.load()
    if not may_create_organization(actor):
        raise DomainError("Only operators create organizations here. Ask yours for one.", code="creation_closed")
    check_slug(slug, installation.organization_naming_pattern, installation.organization_naming_hint)
    name = check_name(name)
    organization = Organization(id=uuid.uuid4(), slug=slug, name=name)
    with tenant_scope(organization):
        try:
            with transaction.atomic():
                organization.save(force_insert=True)
        except IntegrityError as error:
            raise DomainError(
                f"The identifier {slug} is taken. Choose another one.", field="slug", code="taken"
            ) from error
        roles = {
            key: Role.objects.create(
                organization=organization, key=key, name=role.name, description=role.description, is_builtin=True
            )
            for key, role in BUILTIN_ROLES.items()
        }
        organization.default_role = roles[BuiltinRole.MEMBER]
        organization.save(update_fields=["default_role"])
        signals.organization_created.announce(organization, actor=actor, after=snapshot(organization))
        membership = Membership.objects.create(
            organization=organization, user=owner, role=roles[BuiltinRole.OWNER], source=Source.CREATOR
        )
        signals.member_added.announce(membership, actor=actor, after=snapshot(membership))
    return organization


@transaction.atomic
def update_organization(
    *,
    organization: Organization,
    actor: Actor,
    name: str,
    default_role: Role | None,
    project_naming_pattern: str = "",
    project_naming_hint: str = "",
    api_key_max_days: int | None = None,
) -> Organization:
    """Change what an organization's settings page shows; the slug never changes.

    Raises:
        MissingPermission: without ``organization:manage``.
        DomainError: a value is refused.
    """
    actor.require(P.ORGANIZATION_MANAGE, organization)
    stored = locked_organization(organization.pk)
    before = snapshot(stored)
    if default_role is not None and default_role.pk != stored.default_role_id:
        default_role = own_row(Role, default_role.pk, lock=False)
        refuse_above(
            actor,
            default_role.permissions,
            what=f"You cannot make {default_role} the default role",
            field="default_role",
        )
    stored.name = check_name(name)
    stored.default_role = default_role
    stored.project_naming_pattern = check_pattern(project_naming_pattern, field="project_naming_pattern")
    stored.project_naming_hint = project_naming_hint.strip()
    stored.api_key_max_days = _key_lifetime(api_key_max_days)
    stored.save()
    signals.organization_updated.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


@transaction.atomic
def request_deletion(*, organization: Organization, actor: Actor, reason: str = "") -> Organization:
    """Schedule an organization's deletion; nothing is lost until the grace period ends.

    Raises:
        MissingPermission: without ``organization:delete``.
        DomainError: it is scheduled already, or a legal hold is in force.
    """
    actor.require(P.ORGANIZATION_DELETE, organization)
    stored = locked_organization(organization.pk)
    refuse_held("the organization is deleted")
    before = snapshot(stored)
    schedule_deletion(stored)
    signals.organization_deletion_requested.announce(
        stored, actor=actor, before=before, after=snapshot(stored), reason=reason
    )
    return stored


@transaction.atomic
def restore_organization(*, organization: Organization, actor: Actor) -> Organization:
    """Call the deletion off.

    Raises:
        MissingPermission: without ``organization:delete``.
        DomainError: nothing is scheduled.
    """
    actor.require(P.ORGANIZATION_DELETE, organization)
    stored = locked_organization(organization.pk)
    before = snapshot(stored)
    call_deletion_off(stored)
    signals.organization_restored.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


@transaction.atomic
def suspend_organization(*, organization: Organization, actor: Actor, reason: str) -> Organization:
    """Close an organization for its members until it is resumed; operators only.

    Raises:
        DomainError: no reason, or suspended already.
    """
    operators_only(actor)
    if not reason.strip():
        raise DomainError("Say why: the organization's owners will read it.", field="reason", code="reason_missing")
    stored = locked_organization(organization.pk)
    if stored.is_suspended:
        raise DomainError("The organization is suspended already.", code="already_suspended")
    before = snapshot(stored)
    stored.suspended_at, stored.suspension_reason = timezone.now(), reason.strip()
    stored.save()
    signals.organization_suspended.announce(stored, actor=actor, before=before, after=snapshot(stored), reason=reason)
    return stored


@transaction.atomic
def resume_organization(*, organization: Organization, actor: Actor) -> Organization:
    """Open a suspended organization again; operators only.

    Raises:
        DomainError: it is not suspended.
    """
    operators_only(actor)
    stored = locked_organization(organization.pk)
    if not stored.is_suspended:
        raise DomainError("The organization is not suspended.", code="not_suspended")
    before = snapshot(stored)
    stored.suspended_at, stored.suspension_reason = None, ""
    stored.save()
    signals.organization_resumed.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


@transaction.atomic
def purge_organization(*, organization: Organization, actor: Actor) -> None:
    """Delete an organization and everything in it for good; its audit log stays. Only the system does this.

    Raises:
        DomainError: the grace period is not over, a legal hold is in force, or a person asks.
    """
    if actor.kind is not ActorKind.SYSTEM:
        raise DomainError("Only the system deletes for good, after the grace period.", code="system_only")
    stored = locked_organization(organization.pk)
    refuse_purge_before_due(stored)
    refuse_held("the organization is deleted")
    before = snapshot(stored)
    # Before the last event: what a backup still holds of the organization's secrets does not open either.
    data_keys.shred(organization_id=stored.pk, actor=actor, reason="The organization was deleted for good")
    signals.organization_purged.announce(stored, actor=actor, before=before)
    keep_name(organization_id=stored.pk, slug=stored.slug, name=stored.name)
    # default_role protects nothing, but points back at a role of the same organization.
    stored.default_role = None
    stored.save(update_fields=["default_role"])
    _delete_contents()
    stored.delete()


def _key_lifetime(days: int | None) -> int | None:
    if days is not None and not 1 <= days <= MAX_KEY_DAYS:
        raise DomainError(
            f"The longest life of an API key is a number of days from 1 to {MAX_KEY_DAYS}, or nothing.",
            field="api_key_max_days",
            code="out_of_range",
        )
    return days


def _delete_contents() -> None:
    """Delete the rows that PROTECT roles, before the cascade reaches them, and those that no cascade reaches."""
    of_tenants = (Invitation, ProjectMembership, GroupRole, Membership)
    of_its_log = (SavedSearch, EvidenceExport, Sink, RedactionPolicy, Cosigner, CosigningKey, WitnessedLog)
    for model in (*of_tenants, StoredResponse, *of_its_log):
        model.objects.all().delete()
    delete_alerts()
