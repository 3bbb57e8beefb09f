"""What an identity provider changes about people: SCIM Users (RFC 7643 section 4.1)."""

from dataclasses import dataclass, field
from typing import Any

from allauth.account.models import EmailAddress
from django.db import transaction
from django.utils import timezone

from accounts import signals
from accounts.key_format import KeyKind
from accounts.models import ApiKey, ProvisionedUser, ScimConnection, User
from audit.redaction import snapshot
from isolation.actor import Actor
from isolation.exceptions import DomainError
from tenants.lookups import memberships_of
from tenants.models import Invitation
from tenants.permissions import P
from tenants.selectors import is_verified_domain
from tenants.services.invitations import SentInvitation, invite_member
from tenants.services.members import remove_member, set_member_active
from tenants.services.naming import tidy_name
from tenants.services.open_invitations import revoke_open_invitations
from tenants.services.rules import lock_organization, one_of_a_kind

from .api_keys import end_api_key
from .joining import LONGEST_NAME, adopt_as_inactive, find_or_make_membership, join, role_of_new, touch


@dataclass(frozen=True, slots=True)
class UserValues:
    """What an identity provider says of a person.

    Attributes:
        user_name: as it was sent.
        user_name_key: the same in the form that comparisons use.
        external_id: the provider's own id, "" without one.
        email: the address that counts, in lower case, "" without one.
        name: for people to read, "" without one.
        active: whether they belong to the organization now.
        attributes: everything else, in SCIM's names and as it was sent.
        comparable: the same in the form that comparisons use.
    """

    user_name: str
    user_name_key: str
    external_id: str = ""
    email: str = ""
    name: str = ""
    active: bool = True
    attributes: dict[str, Any] = field(default_factory=dict)
    comparable: dict[str, Any] = field(default_factory=dict)


_STORED = ("user_name", "user_name_key", "external_id", "email", "active", "attributes", "comparable")


@transaction.atomic
def provision_user(*, connection: ScimConnection, values: UserValues, actor: Actor) -> ProvisionedUser:
    """Create a provisioned user: an active one joins at once or waits for their own acceptance, a member is adopted.

    An inactive one does not join; whoever is a member by hand already loses access with it.

    Args:
        connection: whose identity provider tells of them.
        values: what it tells.
        actor: the connection.

    Raises:
        MissingPermission: without ``members:manage``.
        DomainError: with code ``duplicate``: userName, externalId or the member is provisioned already; or, for an
            inactive one, ``last_owner``.
    """
    actor.require(P.MEMBERS_MANAGE, connection)
    lock_organization(connection.organization_id)
    user = ProvisionedUser(organization=connection.organization, connection=connection)
    _set(user, values)
    if values.active:
        user.membership = find_or_make_membership(connection, email=values.email, name=values.name, actor=actor)
    else:
        user.membership = adopt_as_inactive(email=values.email, actor=actor)
    with one_of_a_kind(ProvisionedUser):
        user.save(force_insert=True)
    signals.provisioned_user_created.announce(user, actor=actor, after=snapshot(user))
    if not values.active:
        _end_what_is_open(user, actor)
    return user


@transaction.atomic
def update_provisioned_user(*, user: ProvisionedUser, values: UserValues, actor: Actor) -> ProvisionedUser:
    """Store what an identity provider says of a person now, and let it take effect.

    Becoming inactive ends what they have in this organization at once: access, personal keys, open invitations.
    Becoming active again brings the same membership back, with its roles and groups.

    Args:
        user: the stored row, locked.
        values: what the provider says.
        actor: the connection.

    Raises:
        MissingPermission: without ``members:manage``.
        DomainError: with code ``duplicate`` or ``last_owner``.
    """
    actor.require(P.MEMBERS_MANAGE, user)
    before, was = snapshot(user), UserValues(**{name: getattr(user, name) for name in _STORED}, name=values.name)
    if was == values:
        return user
    _set(user, values)
    touch(user)
    if was.email != user.email and user.membership is None:
        user.invited_at = None
        revoke_open_invitations(email=was.email, actor=actor, reason="Their e-mail address changed")
    with one_of_a_kind(ProvisionedUser):
        user.save()
    signals.provisioned_user_updated.announce(user, actor=actor, before=before, after=snapshot(user))
    if was.active != user.active:
        _set_active(user, actor)
    if user.active and user.membership is None:
        join(user, name=values.name, actor=actor)
    _follow_profile(user, values, actor)
    return user


@transaction.atomic
def deprovision_user(*, user: ProvisionedUser, actor: Actor) -> None:
    """Delete a provisioned user with their membership; provisioned again, the same person gets another id.

    Args:
        user: the stored row, locked.
        actor: the connection.

    Raises:
        MissingPermission: without ``members:manage``.
        DomainError: with code ``last_owner``.
    """
    actor.require(P.MEMBERS_MANAGE, user)
    signals.provisioned_user_deleted.announce(user, actor=actor, before=snapshot(user))
    membership = user.membership
    if membership is None:
        revoke_open_invitations(email=user.email, actor=actor, reason="Deprovisioned")
        user.delete()
        return
    _end_personal_keys(membership.user_id, actor)
    remove_member(membership=membership, actor=actor, reason="Deprovisioned")


@transaction.atomic
def let_in(*, user: ProvisionedUser, actor: Actor) -> bool:
    """Make somebody who waits a member if that takes nobody's acceptance any more; return whether they are one now.

    Raises:
        MissingPermission: without ``members:manage``.
    """
    actor.require(P.MEMBERS_MANAGE, user)
    stored = lock_provisioned_user(user.connection, user.pk)
    if stored.membership is not None or not stored.active:
        return True
    return join(stored, name=_display_name(stored), actor=actor)


@transaction.atomic
def invite_provisioned_user(*, user: ProvisionedUser, actor: Actor) -> SentInvitation | None:
    """Invite somebody who waits, once; the task that calls this sends the mail.

    Raises:
        MissingPermission: without ``members:invite``.
        DomainError: the organization has sent too many invitations today, or takes no members at present.
    """
    stored = lock_provisioned_user(user.connection, user.pk)
    if stored.invited_at is not None or stored.membership is not None or not stored.active:
        return None
    stored.invited_at = timezone.now()
    stored.save(update_fields=["invited_at"])
    if Invitation.objects.filter(email=stored.email, accepted_at=None, revoked_at=None).exists():
        return None
    return invite_member(
        organization=stored.connection.organization,
        email=stored.email,
        role=role_of_new(stored.connection),
        actor=actor,
    )


def lock_provisioned_user(connection: ScimConnection, pk: Any) -> ProvisionedUser:
    """Return one of a connection's users, locked, with the organization locked before.

    Raises:
        DomainError: there is none, with code ``gone``.
    """
    lock_organization(connection.organization_id)
    rows = ProvisionedUser.objects.select_for_update(of=("self",)).filter(connection=connection)
    user: ProvisionedUser | None = rows.select_related("membership__user", "membership__role").filter(pk=pk).first()
    if user is None:
        raise DomainError("There is no user with this id.", code="gone")
    user.connection = connection
    return user


def _set(user: ProvisionedUser, values: UserValues) -> None:
    for name in _STORED:
        setattr(user, name, getattr(values, name))


def _set_active(user: ProvisionedUser, actor: Actor) -> None:
    if user.membership is not None:
        set_member_active(membership=user.membership, active=user.active, actor=actor)
    if not user.active:
        user.invited_at = None
        user.save(update_fields=["invited_at"])
        _end_what_is_open(user, actor)


def _end_what_is_open(user: ProvisionedUser, actor: Actor) -> None:
    """End what would let an inactive person in: a member's personal keys, anybody else's invitation."""
    if user.membership is not None:
        _end_personal_keys(user.membership.user_id, actor)
    else:
        revoke_open_invitations(email=user.email, actor=actor, reason="Deprovisioned")


def _end_personal_keys(user_id: Any, actor: Actor) -> None:
    for key in ApiKey.objects.filter(kind=KeyKind.PERSONAL, user_id=user_id, revoked_at=None).order_by("pk"):
        end_api_key(key, actor=actor, reason="Its owner was deprovisioned")


def _display_name(user: ProvisionedUser) -> str:
    return str(user.attributes.get("displayName") or user.attributes.get("name", {}).get("formatted") or "")


def _follow_profile(user: ProvisionedUser, values: UserValues, actor: Actor) -> None:
    """Let the person's login follow name and address, as far as it is this organization's alone to decide.

    A login reaches every organization of its person: what one says counts only while the person is nowhere else, runs
    no installation, and their addresses lie in domains that this organization has verified.
    """
    if user.membership is None or not user.active:
        return
    login = user.membership.user
    name = tidy_name(values.name)[:LONGEST_NAME] or login.name
    email = values.email or login.email
    if (name, email) == (login.name, login.email) or login.is_operator or len(memberships_of(login.pk)) > 1:
        return
    if not is_verified_domain(login.email):
        return
    if email != login.email and (not is_verified_domain(email) or _is_taken(email, login)):
        email = login.email
    before = snapshot(login)
    login.name = name
    if email != login.email:
        EmailAddress.objects.filter(user=login, email=login.email).delete()
        EmailAddress.objects.filter(user=login, email=email).delete()
        EmailAddress.objects.create(user=login, email=email, verified=True, primary=True)
        login.email = email
    login.save(update_fields=["name", "email"])
    signals.user_updated.announce(login, actor=actor, before=before, after=snapshot(login), reason="Provisioned so")


def _is_taken(email: str, login: User) -> bool:
    others = EmailAddress.objects.filter(email=email).exclude(user=login)
    return others.exists() or User.objects.filter(email=email).exclude(pk=login.pk).exists()
