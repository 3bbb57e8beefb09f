"""Changes to the non-human identities of an organization."""

from django.db import transaction

from accounts import signals
from accounts.lookups import service_account_authority
from accounts.models import ApiKey, ServiceAccount, ServiceAccountProjectRole
from accounts.models.service_account import ServiceAccountKind
from audit.redaction import snapshot
from isolation.actor import Actor
from isolation.exceptions import DomainError
from tenants.models import Organization, Project, Role
from tenants.permissions import P
from tenants.services.naming import check_name
from tenants.services.rules import hold_organization, one_of_a_kind, own_row, refuse_above

from .api_keys import end_api_key
from .key_rules import check_text

_LONGEST_DESCRIPTION = 300


@transaction.atomic
def create_service_account(
    *,
    organization: Organization,
    name: str,
    kind: str,
    role: Role,
    actor: Actor,
    description: str = "",
) -> ServiceAccount:
    """Create a service account.

    Args:
        organization: where.
        name: unique in the organization, whatever the case.
        kind: one of `ServiceAccountKind`.
        role: what it may do at most; nobody gives more than they hold in every project.
        actor: who creates it.
        description: a sentence, optional.

    Raises:
        MissingPermission: without ``service_accounts:manage``.
        DomainError: a value is refused.
    """
    actor.require(P.SERVICE_ACCOUNTS_MANAGE, organization)
    organization = own_row(Organization, organization.pk, lock=False)
    if organization.is_being_deleted:
        raise DomainError("This organization is being deleted; nothing new can be made in it.", code="being_deleted")
    role = own_row(Role, role.pk, lock=False)
    refuse_above(actor, role.permissions, what=f"You cannot give the role {role}", everywhere=True)
    account = ServiceAccount(
        organization=organization,
        name=check_name(name),
        kind=_kind(kind),
        role=role,
        description=check_text(description, field="description", longest=_LONGEST_DESCRIPTION),
        created_by=actor.label[:320],
    )
    with one_of_a_kind(ServiceAccount, field="name"):
        account.save(force_insert=True)
    signals.service_account_created.announce(account, actor=actor, after=snapshot(account))
    return account


@transaction.atomic
def update_service_account(
    *,
    account: ServiceAccount,
    name: str,
    kind: str,
    role: Role,
    is_active: bool,
    actor: Actor,
    description: str = "",
) -> ServiceAccount:
    """Change a service account; while it is not active, none of its keys is accepted.

    Raises:
        MissingPermission: without ``service_accounts:manage``.
        DomainError: a value is refused, or the old or new role is above the actor's own.
    """
    actor.require(P.SERVICE_ACCOUNTS_MANAGE, account)
    stored = _account(account)
    before = snapshot(stored)
    role = own_row(Role, role.pk, lock=False)
    if role.pk != stored.role_id or (is_active and not stored.is_active):
        refuse_above(actor, stored.role.permissions, what=f"You cannot replace the role {stored.role}", everywhere=True)
        refuse_above(actor, role.permissions, what=f"You cannot give the role {role}", everywhere=True)
    stored.name, stored.kind, stored.role, stored.is_active = check_name(name), _kind(kind), role, is_active
    stored.description = check_text(description, field="description", longest=_LONGEST_DESCRIPTION)
    with one_of_a_kind(ServiceAccount, field="name"):
        stored.save()
    signals.service_account_updated.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


@transaction.atomic
def delete_service_account(*, account: ServiceAccount, actor: Actor, reason: str = "") -> None:
    """Delete a service account and its keys, which stop working at once.

    Raises:
        MissingPermission: without ``service_accounts:manage``.
        DomainError: its role is above the actor's own.
    """
    actor.require(P.SERVICE_ACCOUNTS_MANAGE, account)
    stored = _account(account)
    refuse_above(actor, stored.role.permissions, what=f"You cannot delete {stored}", field=None, everywhere=True)
    for key in ApiKey.objects.filter(service_account=stored, revoked_at=None):
        end_api_key(key, actor=actor, reason="The service account was deleted")
    signals.service_account_deleted.announce(stored, actor=actor, before=snapshot(stored), reason=reason)
    stored.delete()


@transaction.atomic
def set_service_account_project_role(
    *, account: ServiceAccount, project: Project, role: Role, actor: Actor
) -> ServiceAccountProjectRole:
    """Give a service account a role in one project that replaces its organization role there; NONE hides the project.

    Raises:
        MissingPermission: without ``service_accounts:manage``.
        DomainError: the new role, or the one it replaces, is above the actor's own there.
    """
    actor.require(P.SERVICE_ACCOUNTS_MANAGE, account)
    hold_organization(account.organization_id)
    stored_account = _account(account)
    project, role = own_row(Project, project.pk), own_row(Role, role.pk, lock=False)
    stored = ServiceAccountProjectRole.objects.select_related("role").filter(account=stored_account, project=project)
    existing: ServiceAccountProjectRole | None = stored.first()
    replaced = existing.role if existing else stored_account.role
    refuse_above(actor, replaced.permissions, what=f"You cannot replace the role {replaced}", obj=project)
    refuse_above(actor, role.permissions, what=f"You cannot give the role {role}", obj=project)
    before = snapshot(existing) if existing else None
    row = existing or ServiceAccountProjectRole(
        organization_id=stored_account.organization_id, account=stored_account, project=project
    )
    row.role = role
    row.save()
    signals.service_account_project_role_set.announce(
        row, actor=actor, before=before, after=snapshot(row), project=project
    )
    return row


@transaction.atomic
def remove_service_account_project_role(*, project_role: ServiceAccountProjectRole, actor: Actor) -> None:
    """End a service account's role in a project, so that its organization role counts there again.

    Raises:
        MissingPermission: without ``service_accounts:manage``.
        DomainError: the role, or the one that counts afterwards, is above the actor's own there.
    """
    actor.require(P.SERVICE_ACCOUNTS_MANAGE, project_role.account)
    stored = own_row(ServiceAccountProjectRole, project_role.pk, related=("project", "role", "account"))
    project = stored.project
    refuse_above(actor, stored.role.permissions, what=f"You cannot take away the role {stored.role}", obj=project)
    signals.service_account_project_role_removed.announce(stored, actor=actor, before=snapshot(stored), project=project)
    account = stored.account
    stored.delete()
    for grant in service_account_authority(account.pk, account.organization_id).roles_in(project.pk):
        refuse_above(actor, grant.permissions, what=f"You cannot give back the role {grant}", obj=project)


def _account(account: ServiceAccount) -> ServiceAccount:
    stored: ServiceAccount = own_row(ServiceAccount, account.pk, related=("role",))
    return stored


def _kind(kind: str) -> str:
    if kind not in ServiceAccountKind.values:
        raise DomainError(
            f"A service account is one of {', '.join(ServiceAccountKind.values)}.", field="kind", code="invalid"
        )
    return kind
