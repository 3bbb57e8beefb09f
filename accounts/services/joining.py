"""How a provisioned user becomes a member: at once within a verified domain, otherwise by their own acceptance."""

from allauth.account.models import EmailAddress
from django.utils import timezone

from accounts import signals
from accounts.models import ProvisionedUser, ScimConnection, SsoConnection, User, WaitingGroupMember
from audit.redaction import snapshot
from isolation.actor import Actor
from tenants.models import Membership, Role, Source
from tenants.permissions import BuiltinRole
from tenants.selectors import is_verified_domain
from tenants.services.groups import add_group_member
from tenants.services.management import hand_over_member
from tenants.services.members import add_new_member, set_member_active
from tenants.services.naming import tidy_name
from tenants.services.rules import builtin_role, one_of_a_kind

from .connection_actor import connection_actor
from .sessions import drop_sessions
from .social_identities import end_unproven_identities
from .users import create_user

LONGEST_NAME = 120


def find_or_make_membership(connection: ScimConnection, *, email: str, name: str, actor: Actor) -> Membership | None:
    """Return the active membership of whoever has an e-mail address; None when they have to accept first.

    A member is adopted. Anybody else becomes one only where the organization has verified the address's domain: there
    it may speak for the address, so that a login is found or made.

    Args:
        connection: that provisions them; call it under `lock_organization`.
        email: in lower case; "" for somebody without an address.
        name: what a new login is called.
        actor: the connection.
    """
    if not email:
        return None
    login, membership = whoever_has(email)
    if membership is None:
        if not is_verified_domain(email):
            return None
        login = login_for(email, login, name=name, actor=actor)
        membership = _membership_of(login)
    if membership is None:
        return add_new_member(
            organization=connection.organization,
            user=login,
            role=role_of_new(connection),
            source=Source.SCIM,
            actor=actor,
        )
    membership = hand_over_member(membership=membership, actor=actor)
    return set_member_active(membership=membership, active=True, actor=actor)


def adopt_as_inactive(*, email: str, actor: Actor) -> Membership | None:
    """Return the membership, inactive from now on, of the member who has an e-mail address; None when there is none.

    Args:
        email: in lower case; "" for somebody without an address. Call it under `lock_organization`.
        actor: the connection.

    Raises:
        DomainError: with code ``last_owner``.
    """
    _, membership = whoever_has(email)
    if membership is None:
        return None
    membership = hand_over_member(membership=membership, actor=actor)
    return set_member_active(membership=membership, active=False, actor=actor)


def join(user: ProvisionedUser, *, name: str, actor: Actor) -> bool:
    """Make an active provisioned user a member when that takes nobody's acceptance; return whether they are one now.

    Args:
        user: somebody without a membership; call it under `lock_organization`.
        name: what a new login is called.
        actor: the connection.
    """
    membership = find_or_make_membership(user.connection, email=user.email, name=name, actor=actor)
    if membership is None:
        return False
    user.refresh_from_db(fields=["membership", "version"])  # `connect_waiting` may have been first
    if user.membership is None:
        connect(user, membership, actor=actor)
    return True


def role_of_new(connection: ScimConnection | SsoConnection) -> Role:
    """Return what the connection's new people are: its own choice, the organization's default, or None."""
    role: Role = connection.role or connection.organization.default_role or builtin_role(BuiltinRole.NONE)
    return role


def connect(user: ProvisionedUser, membership: Membership, *, actor: Actor) -> None:
    """Tie a provisioned user to the membership that they now have, and give them the places that waited.

    Args:
        user: somebody without a membership.
        membership: theirs.
        actor: who made them a member.

    Raises:
        DomainError: with code ``duplicate``: another provisioned user is this member already.
    """
    before = snapshot(user)
    user.membership = membership
    touch(user)
    with one_of_a_kind(ProvisionedUser):
        user.save(update_fields=["membership", "version", "updated_at"])
    signals.provisioned_user_joined.announce(user, actor=actor, before=before, after=snapshot(user))
    waiting = WaitingGroupMember.objects.filter(provisioned_user=user).select_related("provisioned_group__group")
    manager = connection_actor(user.connection)
    for place in waiting:
        add_group_member(group=place.provisioned_group.group, membership=membership, actor=manager)
    waiting.delete()


def connect_waiting(membership: Membership, *, actor: Actor) -> None:
    """Tie a new or returned member to the provisioned user that waits under their e-mail address, if there is one."""
    waiting = ProvisionedUser.objects.select_for_update(of=("self",)).filter(
        email=membership.user.email, membership=None, active=True
    )
    user = waiting.select_related("connection").order_by("created_at", "pk").first()
    if user is not None and not ProvisionedUser.objects.filter(membership=membership).exists():
        manager = connection_actor(user.connection)
        connect(user, hand_over_member(membership=membership, actor=manager), actor=actor)


def touch(row: ProvisionedUser) -> None:
    """Count a change of what SCIM shows of a row: its version (RFC 7644 section 3.14) and when it was."""
    row.version += 1
    row.updated_at = timezone.now()


def whoever_has(email: str) -> tuple[User | None, Membership | None]:
    """Return the login whose e-mail address this is, and its membership of the organization in scope."""
    login = User.objects.filter(email=email).first()
    return login, _membership_of(login)


def member_who_proved(email: str) -> Membership | None:
    """Return the member who has proved an address, which need not be the one that they sign in with."""
    proven = EmailAddress.objects.filter(email=email, verified=True).select_related("user").first()
    return _membership_of(proven.user) if proven else None


def login_for(email: str, login: User | None, *, name: str, actor: Actor) -> User:
    """Return the login for an address of a verified domain: whoever has proved it, or one made or claimed for it.

    Args:
        email: in lower case; the caller has made sure of the domain.
        login: what `whoever_has` found.
        name: what a new login is called.
        actor: the identity provider's connection.
    """
    proven = EmailAddress.objects.filter(email=email, verified=True).select_related("user").first()
    if proven is not None:
        owner: User = proven.user
        return owner
    if login is not None:
        return _claimed(login, _login_name(name), actor)
    return create_user(email=email, name=_login_name(name), verified=True, actor=actor)


def _membership_of(login: User | None) -> Membership | None:
    if login is None:
        return None
    found: Membership | None = Membership.objects.select_related("user", "role").filter(user=login).first()
    return found


def _login_name(name: str) -> str:
    return tidy_name(name)[:LONGEST_NAME]


def _claimed(login: User, name: str, actor: Actor) -> User:
    """Take a login from whoever made it without ever proving the address: their password opens it no more."""
    login = User.objects.select_for_update().get(pk=login.pk)
    before = snapshot(login)
    login.set_unusable_password()
    login.name = name
    login.save(update_fields=["password", "name"])
    drop_sessions(login)
    end_unproven_identities(user=login, actor=actor)
    EmailAddress.objects.filter(user=login).exclude(email=login.email).delete()
    EmailAddress.objects.update_or_create(user=login, email=login.email, defaults={"verified": True, "primary": True})
    signals.user_updated.announce(
        login,
        actor=actor,
        before=before,
        after=snapshot(login),
        reason="Nobody had proved the address; the organization with its domain provisioned it",
    )
    return login
