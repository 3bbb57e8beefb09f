"""Accounts at social providers by which people sign in: found by subject, connected by their people, not by address."""

from collections.abc import Sequence
from uuid import UUID, uuid4

from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from accounts import signals
from accounts.models import SocialIdentity, User
from accounts.social.person import SocialPerson
from accounts.sso.exceptions import SignInRefused
from accounts.sso.held import doors_for_login, refuse_held_address
from accounts.sso_door import SsoDoor
from audit.redaction import snapshot
from isolation.actor import Actor, ActorKind
from isolation.exceptions import DomainError
from tenants.models import Invitation, Membership
from tenants.services.invitations import accept_invitation
from tenants.services.rules import one_of_a_kind

from .sign_up import is_sign_up_open, join_default_organization
from .users import create_user
from .users import person as acting_person

MOST_IDENTITIES = 10
_NOBODY = (
    "No account here is connected with this account of {label}. If you have one here, sign in as you do otherwise, "
    "then connect {label} on your profile page. If you have none, ask somebody in your organization for an invitation."
)
_NO_ADDRESS = "{label} knows no confirmed e-mail address of yours. Confirm your primary address there, then try again."


@transaction.atomic
def known_user(person: SocialPerson) -> User | None:
    """Return whose login an account opens, and note that it was used; None when it opens none."""
    rows = SocialIdentity.objects.select_related("user")
    found = rows.filter(provider=person.provider.key, issuer=person.provider.issuer, subject=person.subject).first()
    if found is None:
        return None
    SocialIdentity.objects.filter(pk=found.pk).update(last_used_at=timezone.now())
    return found.user


@transaction.atomic
def sign_up_with(person: SocialPerson) -> User:
    """Make a login for somebody who has none, where anybody may sign up.

    Their address is proven only when the provider runs the mailbox; otherwise they confirm it by a mail of ours.

    Raises:
        SignInRefused: sign-up is closed, the provider knows no confirmed address, the address has a login, or its
            people have to come by single sign-on. Whoever has that login connects the account themselves: an equal
            address is no proof that it is the same person.
    """
    label = person.provider.label
    if not is_sign_up_open():
        raise SignInRefused("Nobody is known by this account, and sign-up is closed.", _NOBODY.format(label=label))
    if not person.email:
        raise SignInRefused("The provider knows no confirmed address.", _NO_ADDRESS.format(label=label))
    if _has_login(person.email):
        raise SignInRefused(
            "The address has a login, with which this account is not connected.", _NOBODY.format(label=label)
        )
    _refuse_held(person.email)
    user = _new_login(person, email=person.email, verified=person.is_proven)
    if person.is_proven:
        join_default_organization(user=user)
    return user


@transaction.atomic
def join_by_invitation(*, person: SocialPerson, organization_id: UUID, invitation_id: UUID) -> Membership:
    """Make a login for somebody who holds an invitation's link, and let them join. The link proves the address.

    Args:
        person: who came back; whatever address the provider knows does not count.
        organization_id: whose invitation; its scope must be open.
        invitation_id: which.

    Raises:
        SignInRefused: the invitation is not open any more, its address has a login by now, or its people have to come
            by single sign-on.
    """
    invitation = Invitation.objects.filter(pk=invitation_id).first()
    if invitation is None or not invitation.is_open:
        raise SignInRefused("The invitation is not open any more.", "This invitation is not open any more.")
    email = invitation.email.lower()
    if _has_login(email):
        raise SignInRefused(
            "The invited address has a login.",
            "There is an account for the invited address. Sign in with it, then accept the invitation.",
        )
    _refuse_held(email)
    user = _new_login(person, email=email, verified=True)
    try:
        return accept_invitation(
            organization_id=organization_id, invitation_id=invitation_id, user=user, actor=acting_person(user)
        )
    except DomainError as error:
        raise SignInRefused(error.message, error.message) from error


@transaction.atomic
def connect_social_identity(*, user: User, person: SocialPerson, actor: Actor) -> SocialIdentity:
    """Let an account sign a login in from now on; it is there already when it does so.

    Args:
        user: the login; the caller has made sure that its person proved their password lately.
        person: who came back from the provider.
        actor: the person themselves.

    Raises:
        DomainError: somebody else asks, an organization holds the login to single sign-on, the account signs somebody
            else in, or there are too many.
    """
    _themselves_only(user, actor)
    if doors := doors_for_login(user):
        raise DomainError(held_to(doors), code="sso_required")
    rows = SocialIdentity.objects.filter(provider=person.provider.key, issuer=person.provider.issuer)
    known = rows.filter(subject=person.subject).first()
    label = person.provider.label
    if known is not None and known.user_id == user.pk:
        return known
    if known is not None:
        raise DomainError(
            f"This account of {label} signs in to another account here. Disconnect it there first.", code="taken"
        )
    if SocialIdentity.objects.filter(user=user).count() >= MOST_IDENTITIES:
        raise DomainError(f"You can connect {MOST_IDENTITIES} accounts at most. Disconnect one first.", code="too_many")
    return _linked(user, person, actor=actor)


@transaction.atomic
def disconnect_social_identity(*, user: User, identity_id: UUID, actor: Actor) -> SocialIdentity:
    """Let an account sign its login in no more.

    Args:
        user: the login.
        identity_id: one of its identities.
        actor: the person themselves.

    Raises:
        SocialIdentity.DoesNotExist: the login has no such identity.
        DomainError: somebody else asks, or it is the only way to sign in.
    """
    _themselves_only(user, actor)
    locked = User.objects.select_for_update().get(pk=user.pk)
    identity = SocialIdentity.objects.get(pk=identity_id, user=locked)
    others = SocialIdentity.objects.filter(user=locked).exclude(pk=identity.pk)
    if not locked.has_usable_password() and not others.exists():
        raise DomainError(
            "This is your only way to sign in. Choose a password first, or connect another account.", code="only_way"
        )
    _unlink(identity, actor=actor)
    return identity


def held_to(doors: Sequence[SsoDoor]) -> str:
    """Return why a login that an organization holds to single sign-on connects no account."""
    return f"{doors[0].organization} requires that you sign in through its identity provider. No account is connected."


def end_unproven_identities(*, user: User, actor: Actor) -> None:
    """Forget the accounts that were connected before anybody had proved the login's address.

    Whoever proves it now may be somebody else: what the former one left behind opens the login no more.
    """
    for identity in SocialIdentity.objects.filter(user=user, before_proof=True):
        _unlink(identity, actor=actor, reason="Connected before anybody had proved the address")


def _new_login(person: SocialPerson, *, email: str, verified: bool) -> User:
    newcomer = Actor(ActorKind.USER, uuid4(), email)
    try:
        user = create_user(email=email, name=person.name[:120], verified=verified, actor=newcomer, id=newcomer.id)
    except DomainError as error:  # made a moment ago, by another request
        raise SignInRefused(error.message, _NOBODY.format(label=person.provider.label)) from error
    _linked(user, person, actor=acting_person(user))
    return user


def _linked(user: User, person: SocialPerson, *, actor: Actor) -> SocialIdentity:
    identity = SocialIdentity(
        user=user,
        provider=person.provider.key,
        issuer=person.provider.issuer,
        subject=person.subject,
        account=person.account,
        before_proof=not EmailAddress.objects.filter(user=user, verified=True).exists(),
    )
    with one_of_a_kind(SocialIdentity):
        identity.save(force_insert=True)
    signals.social_identity_linked.announce(identity, actor=actor, after=snapshot(identity))
    return identity


def _unlink(identity: SocialIdentity, *, actor: Actor, reason: str = "") -> None:
    signals.social_identity_unlinked.announce(identity, actor=actor, before=snapshot(identity), reason=reason)
    SocialIdentity.objects.filter(pk=identity.pk).delete()


def _refuse_held(email: str) -> None:
    """Refuse an address for a new login whose people have to come by single sign-on."""
    try:
        refuse_held_address(email)
    except ValidationError as error:
        raise SignInRefused("An organization requires single sign-on of this address.", error.messages[0]) from error


def _has_login(email: str) -> bool:
    """Return whether the address is that of a login, or a proven further one of some login."""
    proven = EmailAddress.objects.filter(email=email, verified=True)
    return User.objects.filter(email=email).exists() or proven.exists()


def _themselves_only(user: User, actor: Actor) -> None:
    if actor.kind is not ActorKind.USER or actor.id != user.pk:
        raise DomainError("People connect and disconnect their own accounts only.", code="not_yours")
