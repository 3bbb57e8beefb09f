"""Whether a session may enter an organization now: what its sign-in policy asks, at each request.

A policy holds for the organization's members. Operators who visit with a reason are not among them.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.utils import timezone

from accounts.key_record import address_in
from accounts.models import SignInException, SignInPolicy, SsoAsSecondFactor, SsoRequired, User
from accounts.second_factor import has_second_factor, proved_second_factor
from accounts.selectors import proven_addresses
from accounts.services.sign_in_policy import announce_break_glass
from accounts.sessions.facts import last_seen_at, sessions_of, signed_in_at
from accounts.sso.confinement import confinement_of
from accounts.sso.presence import Presence, is_two_steps, presence_in
from isolation.context import current_origin
from isolation.scope import on_scope_exit
from tenants.selectors import has_had_domain

_BREAK_GLASS = "break_glass"


class Ask(StrEnum):
    """What a policy asks of a session before it opens."""

    NETWORK = "network"
    SIGN_IN_AGAIN = "sign_in_again"
    SINGLE_SIGN_ON = "single_sign_on"
    SECOND_FACTOR = "second_factor"


@dataclass(frozen=True, slots=True)
class Asked:
    """Why a session does not enter.

    Attributes:
        what: what is asked of it.
        why: a sentence for its person.
    """

    what: Ask
    why: str


@dataclass(frozen=True, slots=True)
class Entry:
    """How a session enters an organization.

    Attributes:
        asked: what it lacks; None: it may enter.
        by_break_glass: it enters without the single sign-on that is required of everybody else.
    """

    asked: Asked | None = None
    by_break_glass: bool = False


def entry_of(request: HttpRequest, user: User, organization_id: UUID) -> Entry:
    """Return how a member's session enters the organization whose scope is open; one statement where no policy is.

    Args:
        request: the request, with its session.
        user: whose session it is.
        organization_id: that organization.
    """
    policy = _policy(user)
    if policy is None:
        return Entry()
    if asked := _network(policy) or _age(policy, request, user):
        return Entry(asked)
    presence = _presence(request, user, organization_id)
    by_break_glass = False
    if presence is None and _is_held(policy, user):
        if policy.break_glass is None or policy.break_glass.user_id != user.pk:
            return Entry(Asked(Ask.SINGLE_SIGN_ON, "This organization requires single sign-on."))
        if not has_second_factor(user):  # whoever has the password would set one up
            why = "You are the break-glass owner, but have no second step: only single sign-on lets you in."
            return Entry(Asked(Ask.SINGLE_SIGN_ON, why))
        by_break_glass = True
    if by_break_glass or policy.second_factor_required:
        counts = presence is not None and _counts_as_second_factor(policy, presence)
        if not counts and not proved_second_factor(request):
            return Entry(Asked(Ask.SECOND_FACTOR, "This organization requires two-step sign-in."))
    return Entry(by_break_glass=by_break_glass)


def note_break_glass(request: HttpRequest, organization_id: UUID, user: User) -> None:
    """Have it written and told that a session entered by break-glass: once for each session and organization.

    It is written whatever becomes of the request.
    """
    entered = request.session.get(_BREAK_GLASS, [])
    if str(organization_id) not in entered:
        request.session[_BREAK_GLASS] = [*entered, str(organization_id)]
        on_scope_exit(partial(announce_break_glass, organization_id=organization_id, user=user))


def _policy(user: User) -> Any:
    """Return the policy with what it says of this person, None where nothing is asked."""
    exceptions = SignInException.objects.filter(organization=OuterRef("organization"), membership__user=user)
    return SignInPolicy.objects.select_related("break_glass").annotate(is_excepted=Exists(exceptions)).first()


def _network(policy: SignInPolicy) -> Asked | None:
    address = current_origin().ip
    if not policy.allowed_networks or (address is not None and address_in(address, policy.allowed_networks)):
        return None
    return Asked(
        Ask.NETWORK,
        f"This organization is entered from certain networks only, and {address or 'your address'} is in none of them. "
        "Try again from your organization's network or its VPN.",
    )


def _age(policy: SignInPolicy, request: HttpRequest, user: User) -> Asked | None:
    now, since, seen = timezone.now(), signed_in_at(request), last_seen_at(request)
    if policy.session_hours and (since is None or now - since > timedelta(hours=policy.session_hours)):
        return Asked(Ask.SIGN_IN_AGAIN, f"A session here lasts {policy.session_hours} hours at most.")
    if policy.idle_minutes and seen is not None and now - seen > timedelta(minutes=policy.idle_minutes):
        return Asked(Ask.SIGN_IN_AGAIN, f"After a pause of {policy.idle_minutes} minutes a session here ends.")
    if policy.concurrent_sessions and since is not None:
        newer = sessions_of(user).filter(signed_in_at__gt=since).count()
        if newer >= policy.concurrent_sessions:
            number = policy.concurrent_sessions
            return Asked(
                Ask.SIGN_IN_AGAIN,
                "You signed in elsewhere since, and one session at a time is allowed here."
                if number == 1
                else f"You signed in elsewhere since, and {number} sessions at a time are allowed here.",
            )
    return None


def _presence(request: HttpRequest, user: User, organization_id: UUID) -> Presence | None:
    """Return the session's single sign-on into this organization, None when there is none that still holds."""
    presence = presence_in(request, organization_id)
    if presence is None:
        return None
    # A confined session was asked this already, on its way here.
    confinement = confinement_of(request)
    asked_already = confinement is not None and confinement.connection_id == presence.connection_id
    return presence if asked_already or presence.holds(user) else None


def _is_held(policy: Any, user: User) -> bool:
    if policy.sso_required == SsoRequired.NOBODY or policy.is_excepted:
        return False
    # Whoever made another address of theirs the first one is held all the same; and losing a domain frees nobody.
    return policy.sso_required == SsoRequired.EVERYBODY or has_had_domain(proven_addresses(user))


def _counts_as_second_factor(policy: SignInPolicy, presence: Presence) -> bool:
    if policy.sso_as_second_factor == SsoAsSecondFactor.WHEN_SAID:
        return is_two_steps(presence.assurance)
    return policy.sso_as_second_factor == SsoAsSecondFactor.ALWAYS
