"""Rules that services share: no role above one's own, never without an owner, one clear error for a duplicate."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connections, models

from isolation.actor import Actor, ActorKind
from isolation.exceptions import DomainError
from isolation.scope import APP
from isolation.signals import access_denied
from tenants.models import Group, Membership, Organization, Role, Source
from tenants.permissions import PERMISSIONS, BuiltinRole, P


def refuse_above(
    actor: Actor,
    permissions: Iterable[P],
    *,
    what: str,
    obj: Any = None,
    field: str | None = "role",
    everywhere: bool = False,
) -> None:
    """Refuse to hand out, or take away, more than the actor holds.

    Args:
        actor: who wants to.
        permissions: what would be given or touched.
        what: the sentence's beginning, such as "You cannot give the role Owner".
        obj: where it would count: a project, or None for the organization.
        field: the form field to blame.
        everywhere: what is given counts in every project, those included in which the actor's own role is another.

    Raises:
        DomainError: with code ``above_own_permissions``; the refusal is recorded as a denied event.
    """
    holds = actor.authority.allows_everywhere if everywhere else partial(actor.can, obj=obj)
    missing = sorted(name for name in permissions if not holds(name))
    if missing:
        access_denied.send(sender=refuse_above, actor=actor, permission=str(missing[0]), obj=obj)
        named = ", ".join(f"“{PERMISSIONS[name].label}”" for name in missing[:3])
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""  # noqa: PLR2004 - three read well
        raise DomainError(
            f"{what}: it allows {named}{more}, which you are not allowed yourself.",
            field=field,
            code="above_own_permissions",
        )


def operators_only(actor: Actor) -> None:
    """Refuse everybody who does not run the installation.

    Raises:
        DomainError: with code ``operators_only``.
        FreshSignInNeeded: the operator signed in long ago.
    """
    if not actor.runs_installation:
        raise DomainError("Only an operator of this installation can do this.", code="operators_only")
    actor.require_fresh_sign_in()


def refuse_managed(row: Membership | Group, actor: Actor, *, what: str, field: str | None = None) -> None:
    """Refuse to change by hand what an identity provider manages: its next request would undo it.

    Args:
        row: a member or a group.
        actor: who wants to; the identity provider's connection itself may.
        what: the sentence's beginning, such as "ada@example.org cannot be deactivated here".
        field: the form field to blame.

    Raises:
        DomainError: with code ``managed_by_scim``.
    """
    if row.source == Source.SCIM and actor.kind is not ActorKind.SCIM_CONNECTION:
        raise DomainError(
            f"{what}: the identity provider manages it. Change it there, or stop managing it on the page Provisioning.",
            field=field,
            code="managed_by_scim",
        )


def lock_organization(organization_id: UUID) -> None:
    """Lock the organization's row until the transaction ends, so that changes of its owners queue up.

    FOR NO KEY UPDATE lets the foreign keys of new rows pass: they would wait for FOR UPDATE, with rows locked that are
    waited for here.
    """
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT FROM tenants_organization WHERE id = %s FOR NO KEY UPDATE", [organization_id])


def locked_organization(organization_id: UUID) -> Organization:
    """Return the organization as it is once it is locked as by `lock_organization`."""
    rows = Organization.objects.select_for_update(of=("self",), no_key=True)
    organization: Organization = rows.get(pk=organization_id)
    return organization


def hold_organization(organization_id: UUID) -> None:
    """Keep whoever locks the organization out until the transaction ends; those who only hold it share it.

    For what relies on a project or a member that stays: call it before any row is locked.
    """
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT FROM tenants_organization WHERE id = %s FOR SHARE", [organization_id])


def refuse_losing_last_owner(membership: Membership, *, what: str, field: str | None = None) -> None:
    """Refuse what would leave the organization without an active owner; call it under `lock_organization`.

    Args:
        membership: the member who would no longer be an active owner.
        what: the sentence's beginning, such as "ada@example.org cannot be removed".
        field: the field of the form at which the refusal stands.

    Raises:
        DomainError: with code ``last_owner``.
    """
    if not (membership.is_active and membership.role.is_owner and membership.user.is_active):
        return
    if not Membership.objects.active_owners().exclude(pk=membership.pk).exists():
        raise DomainError(
            f"{what}: an organization keeps at least one active owner. Make somebody else an owner first.",
            field=field,
            code="last_owner",
        )


@contextmanager
def one_of_a_kind(model: type[models.Model], *, field: str | None = None) -> Iterator[None]:
    """Turn a violated unique constraint of `model` into a DomainError with the constraint's own words.

    The transaction, or savepoint, of the service that this is a part of has to end with the error.
    """
    try:
        yield
    except IntegrityError as error:
        name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "")
        for constraint in model._meta.constraints:
            if constraint.name == name:
                message = str(constraint.violation_error_message)
                raise DomainError(message, field=field, code="duplicate") from error
        raise


def builtin_role(key: BuiltinRole) -> Role:
    """Return the current organization's built-in role."""
    role: Role = Role.objects.get(is_builtin=True, key=key)
    return role


def own_row(model: type[models.Model], pk: Any, *, lock: bool = True, related: tuple[str, ...] = ()) -> Any:
    """Return the current organization's row, locked; what a form handed over may be stale or tampered with.

    Raises:
        DomainError: it is gone, with code ``gone``.
    """
    queryset = model._default_manager.select_related(*related) if related else model._default_manager.all()
    if lock:
        queryset = queryset.select_for_update(of=("self",))
    row = queryset.filter(pk=pk).first()
    if row is None:
        raise DomainError(
            f"This {model._meta.verbose_name} no longer exists. Somebody may have removed it.", code="gone"
        )
    return row
