"""Changes to people's logins."""

from datetime import datetime
from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts import signals
from accounts.models import User
from audit.redaction import snapshot
from isolation.actor import Actor, ActorKind, FullAuthority
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from tenants.lookups import memberships_of
from tenants.models import Membership
from tenants.services.members import end_membership
from tenants.services.naming import tidy_name
from tenants.services.rules import lock_organization, operators_only, refuse_losing_last_owner

from .sessions import drop_sessions


@transaction.atomic
def create_user(
    *, email: str, actor: Actor, password: str | None = None, verified: bool = False, **fields: Any
) -> User:
    """Create a login.

    Args:
        email: the address; stored in lower case.
        actor: who creates it: an operator, the system, or the person who signs up.
        password: clear text; None: the person sets one by "forgot password".
        verified: whether the address counts as proven.
        fields: name, is_operator.

    Raises:
        DomainError: the address has a login already.
    """
    fields["name"] = tidy_name(fields.get("name", ""))
    try:
        user = User.objects.create_user(email, password, **fields)
    except IntegrityError as error:
        raise DomainError(f"{email} has a login already.", field="email", code="taken") from error
    EmailAddress.objects.create(user=user, email=user.email, verified=verified, primary=True)
    signals.user_created.announce(user, actor=actor, after=snapshot(user))
    return user


@transaction.atomic
def set_password(*, user: User, password: str, actor: Actor, reason: str = "", keep: str | None = None) -> None:
    """Give a login another password; every other session of it ends.

    Args:
        user: the login.
        password: clear text, checked already.
        actor: who changes it.
        reason: how it came to be, such as "Reset by e-mail".
        keep: the key of the session in which it is changed, which goes on.
    """
    user.set_password(password)
    user.save(update_fields=["password"])
    drop_sessions(user, except_key=keep)
    signals.user_password_changed.announce(user, actor=actor, reason=reason)


@transaction.atomic
def update_user(*, user: User, actor: Actor, **values: Any) -> User:
    """Change a person's name, or (operators only) whether they are an operator.

    Raises:
        DomainError: the actor is neither the person nor an operator, or would drop the last operator.
    """
    if actor.id != user.pk or set(values) - {"name"}:
        operators_only(actor)
    if unknown := set(values) - {"name", "is_operator"}:
        raise TypeError(f"update_user changes no {', '.join(sorted(unknown))}")
    if "name" in values:
        values["name"] = tidy_name(values["name"])
    demoted = values.get("is_operator") is False
    stored = _locked(user, with_operators=demoted)
    before = snapshot(stored)
    if demoted:
        _refuse_last_operator(stored)
    for name, value in values.items():
        setattr(stored, name, value)
    stored.save()
    signals.user_updated.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


@transaction.atomic
def set_user_active(*, user: User, active: bool, actor: Actor) -> User:
    """Close or open a login everywhere; each of the person's organizations reads it in its log as well.

    Raises:
        DomainError: no operator asks, or an organization would lose its last active owner.
    """
    operators_only(actor)
    if not active:
        _refuse_losing_last_owner(user, verb="deactivated")
    stored = _locked(user, with_operators=not active)
    if not active:
        _refuse_last_operator(stored)
    before = snapshot(stored)
    stored.is_active = active
    stored.save(update_fields=["is_active"])
    if not active:  # they do not come back with the login
        drop_sessions(stored)
    signal = signals.user_reactivated if active else signals.user_deactivated
    signal.announce(stored, actor=actor, before=before, after=snapshot(stored))
    for membership in memberships_of(user.pk):
        with tenant_scope(membership.organization_id):
            signal.announce(
                stored,
                actor=actor,
                before=before,
                after=snapshot(stored),
                organization_id=membership.organization_id,
            )
    return stored


@transaction.atomic
def delete_user(*, user: User, actor: Actor) -> None:
    """Delete a login and end its memberships; the audit log keeps its text.

    Raises:
        DomainError: no operator asks, or an organization would lose its last active owner.
    """
    operators_only(actor)
    for organization_id in _refuse_losing_last_owner(user, verb="deleted"):
        with tenant_scope(organization_id):
            memberships = Membership.objects.select_related("role", "user").select_for_update(of=("self",))
            for membership in memberships.filter(user=user):
                end_membership(membership, actor=actor, reason="The login was deleted")
    stored = _locked(user, with_operators=True)
    _refuse_last_operator(stored)
    signals.user_deleted.announce(stored, actor=actor, before=snapshot(stored))
    stored.delete()


def person(user: User) -> Actor:
    """Return the actor for somebody outside any organization: who they are, without any authority."""
    return Actor(ActorKind.USER, user.pk, user.email)


def operator_actor(user: User, *, proved_at: datetime | None = None) -> Actor:
    """Return the actor for an operator who runs the installation; the caller has made sure that they are one.

    Args:
        user: the operator.
        proved_at: when they showed last who they are, for a session; None for one who acts without a session.
    """
    return Actor(ActorKind.OPERATOR, user.pk, user.email, proved_at=proved_at, authority=FullAuthority())


def _locked(user: User, *, with_operators: bool) -> User:
    """Return the login, locked until the transaction ends; with every operator's, in one order, where that counts."""
    rows = Q(pk=user.pk) | Q(is_operator=True) if with_operators else Q(pk=user.pk)
    return {row.pk: row for row in User.objects.select_for_update().filter(rows).order_by("pk")}[user.pk]


def _refuse_losing_last_owner(user: User, *, verb: str) -> list[UUID]:
    """Lock the person's organizations, in the order that moves of projects use, and check each one's owners.

    Returns:
        the organizations' ids.
    """
    summaries = sorted(memberships_of(user.pk), key=lambda summary: str(summary.organization_id))
    for summary in summaries:
        with tenant_scope(summary.organization_id):
            lock_organization(summary.organization_id)
            for membership in Membership.objects.select_related("role", "user").filter(user=user):
                refuse_losing_last_owner(membership, what=f"{user} cannot be {verb} (last owner of {summary.name})")
    return [summary.organization_id for summary in summaries]


def _refuse_last_operator(user: User) -> None:
    """Refuse to lose the last operator; call it with every operator's row locked."""
    if not (user.is_operator and user.is_active):
        return
    if not User.objects.filter(is_operator=True, is_active=True).exclude(pk=user.pk).exists():
        raise DomainError(
            "This is the last active operator. Make somebody else an operator first.", code="last_operator"
        )
