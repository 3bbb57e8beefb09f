"""Sessions that end because an organization has come to require single sign-on of their people."""

from itertools import groupby

from accounts.models import Session, SignInException, SignInPolicy, User
from accounts.sso.presence import presence_kept
from isolation.actor import Actor
from tenants.domain_names import mail_domain
from tenants.models import Domain, Membership

from .sessions import end_picked_sessions


def end_sessions_held_to_sso(policy: SignInPolicy, *, actor: Actor) -> None:
    """End the sessions that the organization's people opened otherwise, of those whom it holds to single sign-on.

    These are the members with an address in a verified domain (`accounts.sso.held`). Other members' sessions go on
    elsewhere, and do not enter this organization any more.

    Args:
        policy: of the organization whose scope is open.
        actor: who required single sign-on.
    """
    held = {user.pk: user for user in _held(policy)}
    sessions = Session.objects.filter(user_id__in=held).order_by("user_id", "pk")
    for user_id, rows in groupby(sessions, key=lambda session: session.user_id):
        otherwise = [row for row in rows if presence_kept(row.get_decoded(), policy.organization_id) is None]
        end_picked_sessions(held[user_id], otherwise, actor=actor, reason="Single sign-on is required now")


def _held(policy: SignInPolicy) -> list[User]:
    domains = set(Domain.objects.filter(verified_at__isnull=False).values_list("name", flat=True))
    members = Membership.objects.filter(is_active=True, user__is_operator=False).select_related("user")
    excepted = SignInException.objects.values("membership")
    members = members.exclude(pk__in=excepted).exclude(pk=policy.break_glass_id)
    return [member.user for member in members if mail_domain(member.user.email) in domains]
