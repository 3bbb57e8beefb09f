"""Changes to what an organization asks of the sessions that enter it."""

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F

from accounts import signals
from accounts.key_record import address_in
from accounts.mails import send_break_glass_notice
from accounts.models import SignInException, SignInPolicy, SsoIdentity, SsoRequired, User
from accounts.second_factor import has_second_factor
from audit.redaction import snapshot
from isolation.actor import Actor, ActorKind
from isolation.context import current_origin
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from tenants.access import load_authority
from tenants.models import Domain, Membership, Organization
from tenants.permissions import P
from tenants.selectors import is_verified_domain
from tenants.services.rules import locked_organization, one_of_a_kind, own_row

from .key_rules import check_networks, check_text
from .session_endings import end_sessions_held_to_sso
from .sso_requirement import has_proven_connection
from .users import person

FIELDS = (
    "sso_required",
    "break_glass",
    "second_factor_required",
    "sso_as_second_factor",
    "session_hours",
    "idle_minutes",
    "concurrent_sessions",
    "allowed_networks",
)
MOST_EXCEPTIONS = 50


@transaction.atomic
def update_sign_in_policy(*, organization: Organization, actor: Actor, **values: Any) -> SignInPolicy:
    """Change an organization's sign-in policy; it counts with the next request of everybody.

    Where single sign-on becomes required, sessions that its people opened by password end.

    Args:
        organization: whose.
        actor: who changes it.
        values: any of `FIELDS`; those left out stay as they are.

    Raises:
        MissingPermission: without ``sign_in_policy:manage``.
        DomainError: a value is refused, or the change would lock people out: no identity provider that has let somebody
            in, no break-glass owner with a second step, a network list without the address that it is sent from.
    """
    actor.require(P.SIGN_IN_POLICY_MANAGE, organization)
    if unknown := set(values) - set(FIELDS):
        raise TypeError(f"a sign-in policy has no {', '.join(sorted(unknown))}")
    stored = SignInPolicy.of(locked_organization(organization.pk).pk)
    is_new = stored._state.adding
    before, asked_sso, guard = snapshot(stored), stored.sso_required, stored.break_glass_id
    for field, value in values.items():
        setattr(stored, field, check_networks(value) if field == "allowed_networks" else value)
    _check_values(stored)
    if stored.requires_sso and (stored.sso_required != asked_sso or stored.break_glass_id != guard):
        _refuse_locking_out(stored)
    if "allowed_networks" in values:
        _refuse_locking_oneself_out(stored, actor)
    stored.save(force_insert=is_new)
    signals.sign_in_policy_updated.announce(
        stored, actor=actor, before=None if is_new else before, after=snapshot(stored)
    )
    if stored.requires_sso and stored.sso_required != asked_sso:
        end_sessions_held_to_sso(stored, actor=actor)
    return stored


@transaction.atomic
def add_sign_in_exception(*, membership: Membership, reason: str, actor: Actor) -> SignInException:
    """Let a member go on without single sign-on where it is required.

    Raises:
        MissingPermission: without ``sign_in_policy:manage``.
        DomainError: no reason, an exception already, or too many.
    """
    actor.require(P.SIGN_IN_POLICY_MANAGE, membership)
    member: Membership = own_row(Membership, membership.pk, related=("user",), lock=False)
    reason = check_text(reason, field="reason", longest=300)
    if not reason:
        raise DomainError("Say why: it stands in the list and in the audit log.", field="reason", code="required")
    locked_organization(member.organization_id)
    if SignInException.objects.count() >= MOST_EXCEPTIONS:
        raise DomainError(f"An organization has {MOST_EXCEPTIONS} exceptions at most.", code="too_many")
    exception = SignInException(
        organization_id=member.organization_id, membership=member, reason=reason, created_by=actor.label[:320]
    )
    with one_of_a_kind(SignInException, field="membership"):
        exception.save(force_insert=True)
    signals.sign_in_exception_added.announce(exception, actor=actor, after=snapshot(exception), reason=reason)
    return exception


@transaction.atomic
def remove_sign_in_exception(*, exception: SignInException, actor: Actor) -> None:
    """Hold a member to single sign-on like the others.

    Raises:
        MissingPermission: without ``sign_in_policy:manage``.
    """
    actor.require(P.SIGN_IN_POLICY_MANAGE, exception)
    stored: SignInException = own_row(SignInException, exception.pk, related=("membership__user",))
    signals.sign_in_exception_removed.announce(stored, actor=actor, before=snapshot(stored))
    stored.delete()


def announce_break_glass(*, organization_id: UUID, user: User) -> None:
    """Write that the break-glass owner came in without single sign-on, and tell all owners by mail after the commit.

    Args:
        organization_id: where.
        user: that owner.
    """
    with tenant_scope(organization_id):
        policy = SignInPolicy.of(organization_id)
        signals.break_glass_used.announce(policy, actor=person(user), reason="Single sign-on is required of the others")
        send_break_glass_notice(policy.organization, user)


def refuse_losing_break_glass(member: Membership) -> None:
    """Refuse that a member goes or is no owner any more, if they are the break-glass owner and that may be needed.

    Args:
        member: who; the scope must be open.

    Raises:
        DomainError: with code ``break_glass``.
    """
    if SignInPolicy.objects.filter(break_glass=member).exclude(sso_required=SsoRequired.NOBODY).exists():
        raise DomainError(
            f"{member} is the break-glass owner, who comes in when the identity provider fails. Choose another one in "
            "the sign-in policy first.",
            code="break_glass",
        )


def refuse_freeing_people(domain: Domain, actor: Actor) -> None:
    """Refuse that somebody removes a domain whose people have to come by single sign-on, and may not say so otherwise.

    Args:
        domain: the one that would go; the scope must be open.
        actor: who removes it.

    Raises:
        DomainError: with code ``sso_required``.
    """
    holds = domain.is_verified or domain.lost_at is not None
    if not holds or actor.can(P.SIGN_IN_POLICY_MANAGE, domain):
        return
    if SignInPolicy.of(domain.organization_id).sso_required == SsoRequired.DOMAINS:
        raise DomainError(
            f"The sign-in policy requires single sign-on of people with an address at {domain}. Ask an owner to change "
            "the policy, or to remove the domain.",
            code="sso_required",
        )


def _check_values(policy: SignInPolicy) -> None:
    """Refuse what the model's own fields refuse.

    Raises:
        DomainError: naming the first field.
    """
    try:
        policy.clean_fields(exclude={"id", "organization", "break_glass"})
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise DomainError(messages[0], field=field, code="invalid") from error
    if policy.break_glass is not None:
        policy.break_glass = own_row(Membership, policy.break_glass.pk, related=("user", "role"), lock=False)
        _refuse_unfit_break_glass(policy.break_glass)


def _refuse_unfit_break_glass(member: Membership) -> None:
    is_owner = member.is_active and load_authority(member.user_id, member.organization_id).allows(
        P.SIGN_IN_POLICY_MANAGE, None
    )
    if not is_owner or not member.user.is_active:
        raise DomainError(
            f"{member} is no active owner, and could not switch this off again. Choose an owner.",
            field="break_glass",
            code="no_owner",
        )
    if not has_second_factor(member.user):
        raise DomainError(
            f"{member} has no second step yet. They set one up under “Two-step sign-in” of their profile first.",
            field="break_glass",
            code="no_second_factor",
        )


def _refuse_locking_out(policy: SignInPolicy) -> None:
    if policy.break_glass is None:
        raise DomainError(
            "Choose the break-glass owner: somebody has to come in when the identity provider fails.",
            field="break_glass",
            code="required",
        )
    if not has_proven_connection():
        raise DomainError(
            "Nobody has come in through an identity provider yet. Sign in through one that is switched on first, so "
            "that you know it works.",
            field="sso_required",
            code="unproven",
        )
    if policy.sso_required == SsoRequired.DOMAINS and not Domain.objects.filter(verified_at__isnull=False).exists():
        raise DomainError(
            "No domain is verified, so nobody would have to. Verify one first, or require it of every member.",
            field="sso_required",
            code="no_domain",
        )
    _refuse_locking_owners_out(policy)


def _refuse_locking_owners_out(policy: SignInPolicy) -> None:
    """Refuse to hold the login of an owner who has never come through a provider: the first time takes their password.

    Raises:
        DomainError: naming one of them.
    """
    known = SsoIdentity.objects.filter(connection__is_enabled=True, issuer=F("connection__issuer"))
    excepted = SignInException.objects.values("membership")
    owners = Membership.objects.active_owners().select_related("user").exclude(pk=policy.break_glass_id)
    for owner in owners.exclude(pk__in=known.values("membership")).exclude(pk__in=excepted).order_by("user__email"):
        if is_verified_domain(owner.user.email) and not owner.user.is_operator:
            raise DomainError(
                f"{owner} is an owner and has never come through an identity provider, which takes their password the "
                "first time. They sign in with it, then through the provider in the same browser; or except them.",
                field="sso_required",
                code="owner_unknown",
            )


def _refuse_locking_oneself_out(policy: SignInPolicy, actor: Actor) -> None:
    address = current_origin().ip
    if actor.kind is not ActorKind.USER or not policy.allowed_networks:
        return
    if address is None or not address_in(address, policy.allowed_networks):
        raise DomainError(
            f"Your own address, {address or 'which is not known'}, is in none of these networks: you would be locked "
            "out at once. Add it.",
            field="allowed_networks",
            code="own_address",
        )
