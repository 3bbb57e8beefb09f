"""Who an identity provider's word lets in: somebody known by subject, or found by externalId or verified address.

An issuer and a subject are who somebody is; an e-mail address counts once, to find them, and only in a domain that the
organization has verified.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts import signals
from accounts.models import Joining, ProvisionedUser, SsoConnection, SsoIdentity
from accounts.models.provisioned import LONGEST_EMAIL
from accounts.scim.resources import User as ScimUser
from accounts.scim.resources import comparable_name
from accounts.sso.checks import Checklist
from accounts.sso.exceptions import SignInRefused
from audit.redaction import snapshot
from isolation.exceptions import DomainError
from tenants.access import user_actor
from tenants.domain_names import mail_domain
from tenants.models import Invitation, Membership, Source
from tenants.permissions import P
from tenants.selectors import is_verified_domain
from tenants.services.invitations import accept_invitation
from tenants.services.members import add_new_member
from tenants.services.rules import lock_organization

from .connection_actor import connection_actor, provider_actor
from .joining import login_for, member_who_proved, role_of_new, whoever_has
from .provisioned_users import let_in
from .sso_groups import follow_groups
from .sso_owners import follow_owner
from .users import person as acting_person

_NOT_KNOWN = (
    "Your identity provider knows you, but nobody has invited you to this organization. Ask one of its owners for an "
    "invitation."
)


@dataclass(frozen=True, slots=True)
class Person:
    """What the claims say of somebody.

    Attributes:
        subject: who they are to the issuer.
        email: in lower case, "" without one.
        email_verified: what the issuer says of the address; None: nothing.
        name: for people to read, "" without one.
        external_id: what SCIM knows them by, "" without one.
    """

    subject: str
    email: str
    email_verified: bool | None
    name: str
    external_id: str


def person_of(connection: SsoConnection, claims: dict[str, Any]) -> Person:
    """Return who checked claims speak of, by the connection's names for them."""
    email = _text(claims, connection.email_claim).lower()
    verified = claims.get("email_verified") if connection.email_claim == "email" else None
    if isinstance(verified, str):  # Cognito and others send texts
        verified = verified.lower() == "true"
    return Person(
        subject=claims["sub"],
        email=email if "@" in email and len(email) <= LONGEST_EMAIL else "",
        email_verified=verified if isinstance(verified, bool) else None,
        name=_text(claims, connection.name_claim),
        external_id=_text(claims, connection.external_id_claim),
    )


@transaction.atomic
def recognize(
    *,
    connection: SsoConnection,
    person: Person,
    claims: dict[str, Any],
    checklist: Checklist,
    proved: UUID | None = None,
) -> Membership:
    """Return the active membership of whoever an identity provider names; make them a member where that is allowed.

    Args:
        connection: through which they came; its scope must be open.
        person: whom the claims speak of.
        claims: what was checked.
        checklist: gets what was found.
        proved: the id of the user who is signed in at this browser otherwise than by single sign-on.

    Raises:
        SignInRefused: they may not come in; nothing has changed then.
    """
    lock_organization(connection.organization_id)
    with checklist.step("The identity provider's account belongs to a member"):
        identity = _identity(connection, person.subject)
        membership = identity.membership if identity else _found(connection, person)
        if not membership.is_active or not membership.user.is_active:
            where = "as a user of this installation" if membership.is_active else "in this organization"
            raise SignInRefused(
                f"{membership} is deactivated {where}.",
                "Your access to this organization has ended. Ask one of its owners if that is a mistake.",
            )
        if identity is None and membership.user_id != proved and _owns(membership):
            # Who manages connections or provisioning says who people are, and may be no owner.
            raise SignInRefused(
                f"{membership} is an owner and comes by this account for the first time: that takes a browser in which "
                "they have signed in with their password.",
                "Sign in with your password first, once, then through your identity provider in the same browser. "
                "Where your password opens nothing any more, ask another owner for an exception until then.",
            )
    if identity is None:
        _link(connection, person, membership)
    else:
        SsoIdentity.objects.filter(pk=identity.pk).update(last_used_at=timezone.now())
    follow_groups(connection=connection, membership=membership, claims=claims, checklist=checklist)
    follow_owner(
        connection=connection,
        membership=membership,
        email="" if person.email_verified is False else person.email,
        claims=claims,
        checklist=checklist,
    )
    return membership


def _identity(connection: SsoConnection, subject: str) -> SsoIdentity | None:
    known = SsoIdentity.objects.select_related("membership__user", "membership__role")
    found: SsoIdentity | None = known.filter(connection=connection, issuer=connection.issuer, subject=subject).first()
    return found


def _owns(membership: Membership) -> bool:
    """Return whether a member may do what only owners may, by their own role or a group's."""
    actor = user_actor(membership.user, membership.organization_id)
    return actor.can(P.ORGANIZATION_DELETE)


def _found(connection: SsoConnection, person: Person) -> Membership:
    """Return the membership of somebody who comes for the first time."""
    provisioned = _provisioned(connection, person)
    if provisioned is not None:
        member: Membership = provisioned.membership
        return member
    _check_address(connection, person)
    login, membership = whoever_has(person.email)
    if membership is None:
        membership = member_who_proved(person.email) or _by_user_name(connection, person)
    if membership is not None:
        return membership
    waiting = _waiting(person)
    if waiting is not None and let_in(user=waiting, actor=connection_actor(waiting.connection)):
        waiting.refresh_from_db(fields=["membership"])
        if waiting.membership is not None:
            joined: Membership = waiting.membership
            return joined
    invitation = Invitation.objects.filter(
        email=person.email, accepted_at=None, revoked_at=None, expires_at__gt=timezone.now()
    ).first()
    if invitation is None and connection.joining != Joining.ANYBODY:
        raise SignInRefused(f"{person.email} is no member, and was neither provisioned nor invited.", _NOT_KNOWN)
    login = login_for(person.email, login, name=person.name, actor=provider_actor(connection))
    return _joined(connection, login, invitation)


def _joined(connection: SsoConnection, login: Any, invitation: Invitation | None) -> Membership:
    already: Membership | None = Membership.objects.select_related("user", "role").filter(user=login).first()
    if already is not None:
        return already
    if invitation is None:
        return add_new_member(
            organization=connection.organization,
            user=login,
            role=role_of_new(connection),
            source=Source.SSO,
            actor=provider_actor(connection),
        )
    try:
        return accept_invitation(
            organization_id=connection.organization_id,
            invitation_id=invitation.pk,
            user=login,
            actor=acting_person(login),
        )
    except DomainError as error:
        raise SignInRefused(error.message, error.message) from error


def _check_address(connection: SsoConnection, person: Person) -> None:
    """Refuse an address that the organization cannot speak for."""
    if not person.email:
        raise SignInRefused(
            f"The identity provider sends no e-mail address in “{connection.email_claim}”, and nobody is known by this "
            "account yet. Compare that name with the claims that came."
        )
    if person.email_verified is False:
        raise SignInRefused(
            f"The identity provider says that {person.email} is not verified.",
            "Confirm your e-mail address at your identity provider, then sign in again.",
        )
    if not is_verified_domain(person.email):
        raise SignInRefused(
            f"{person.email} is in no domain that this organization has verified, and nobody is known by this account "
            "yet. Verify the domain on the page Domains.",
            "Your e-mail address is in no domain of this organization. Tell whoever looks after single sign-on there.",
        )
    if connection.domains and mail_domain(person.email) not in connection.domains:
        named = ", ".join(connection.domains)
        raise SignInRefused(
            f"{person.email} is in none of the domains that {connection} speaks for ({named}), and nobody is known by "
            "this account yet. Add the domain to the connection, if that is right.",
            "Your organization has another identity provider for your e-mail address. Choose “Single sign-on” on the "
            "sign-in page and enter the address.",
        )


def _provisioned(connection: SsoConnection, person: Person) -> ProvisionedUser | None:
    """Return whom SCIM knows by the externalId.

    It is a name in one directory. Two may give the same to different people, so that it says nothing where people sign
    in through several, unless the connection says which SCIM connection is of its own directory.
    """
    if not person.external_id:
        return None
    rows = _members_of(connection).filter(external_id=person.external_id)
    if connection.scim_connection_id is None:
        others = SsoConnection.objects.filter(is_enabled=True).exclude(pk=connection.pk)
        if others.exists():
            return None
    found = list(rows[:2])
    return found[0] if len(found) == 1 else None  # two connections may use the same id for different people


def _by_user_name(connection: SsoConnection, person: Person) -> Membership | None:
    """Return the member whose userName the address is, which need not be the address that SCIM knows of them.

    A userName is unique in the organization. It counts as far as the address does: in a verified domain.
    """
    found = _members_of(connection).filter(user_name_key=comparable_name(ScimUser, "userName", person.email)).first()
    return found.membership if found else None


def _members_of(connection: SsoConnection) -> QuerySet[ProvisionedUser]:
    """Return the active provisioned members of the connection's own directory; of any where it does not say which."""
    rows: QuerySet[ProvisionedUser] = ProvisionedUser.objects.filter(active=True, membership__isnull=False)
    if connection.scim_connection_id is not None:
        rows = rows.filter(connection=connection.scim_connection_id)
    return rows.select_related("membership__user", "membership__role")


def _waiting(person: Person) -> ProvisionedUser | None:
    is_theirs = Q(email=person.email) | Q(user_name_key=comparable_name(ScimUser, "userName", person.email))
    rows = ProvisionedUser.objects.waiting().filter(is_theirs)
    found: ProvisionedUser | None = rows.select_related("connection").order_by("created_at", "pk").first()
    return found


def _link(connection: SsoConnection, person: Person, membership: Membership) -> None:
    """Remember by which account a member comes.

    Raises:
        SignInRefused: they come by another one.
    """
    if SsoIdentity.objects.filter(connection=connection, issuer=connection.issuer, membership=membership).exists():
        raise SignInRefused(
            f"{membership} signs in by another account of this identity provider. If that account is gone, forget it "
            "on the connection's page.",
        )
    identity = SsoIdentity(
        organization_id=connection.organization_id,
        connection=connection,
        issuer=connection.issuer,
        subject=person.subject,
        membership=membership,
    )
    identity.save(force_insert=True)
    signals.sso_identity_linked.announce(identity, actor=provider_actor(connection), after=snapshot(identity))


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    return value.strip() if isinstance(value, str) else ""
