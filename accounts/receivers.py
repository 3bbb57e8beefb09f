"""Turns the signals of Django's and allauth's authentication into audit events, in the request's transaction."""

from typing import Any

from allauth.account import signals as account_signals
from allauth.account.models import EmailAddress
from django.contrib.auth import signals as auth_signals
from django.dispatch import receiver
from django.http import HttpRequest

from accounts import signals
from accounts.audit_events import REAUTHENTICATED, SIGN_IN_FAILED, SIGNED_IN, SIGNED_OUT, record_presence
from accounts.models import User
from accounts.second_factor import last_method, sign_in_methods, signed_in_alone
from accounts.services.devices import recognize_device
from accounts.services.sign_in_policy import refuse_freeing_people, refuse_losing_break_glass
from accounts.services.sign_up import join_default_organization
from accounts.services.users import person
from accounts.sessions.middleware import cookie_of, give_cookie
from accounts.sessions.store import SessionStore
from accounts.social_providers import SOCIAL
from accounts.sso.confinement import confinement_of, release
from accounts.sso.held import came_by_single_sign_on
from audit.models import Outcome
from isolation.actor import ANONYMOUS, Actor
from tenants import signals as tenant_signals
from tenants.models import Domain, Membership


@receiver(auth_signals.user_logged_in, dispatch_uid="accounts:signed_in")
def record_sign_in(sender: object, *, user: User, request: HttpRequest | None = None, **kwargs: Any) -> None:
    """Write that somebody signed in, and by which methods.

    What a provider's sign-in left behind that did not get through its second step confines nobody who has signed in
    by themselves since. What a sign-in of their own left behind that did not get through releases no provider's.
    """
    methods: list[str] = []
    if request is not None and hasattr(request, "session"):
        if signed_in_alone(request, user) and not came_by_single_sign_on(request):
            release(request)
        methods = sign_in_methods(request, user)
    told = _single_sign_on(request)
    if told:
        methods = ["single sign-on", *methods]
    record_presence(SIGNED_IN, actor=person(user), user=user, after={"methods": methods} if methods else None, **told)


@receiver(auth_signals.user_logged_in, dispatch_uid="accounts:device")
def recognize_browser(sender: object, *, user: User, request: HttpRequest | None = None, **kwargs: Any) -> None:
    """Remember with which browser somebody signs in, and when, in the session and for the person.

    Django's own receiver notes the sign-in on the login after this one: `last_login` still tells of the one before.
    """
    session = getattr(request, "session", None)
    if request is None or not hasattr(request, "origin") or not isinstance(session, SessionStore):
        return  # signed in by a program, not in a browser
    found = recognize_device(
        user=user, cookie=cookie_of(request), first_sign_in=user.last_login is None, actor=person(user)
    )
    session.note_sign_in(device_id=found.device.pk)
    give_cookie(request, found.cookie)


@receiver(auth_signals.user_logged_out, dispatch_uid="accounts:signed_out")
def record_sign_out(sender: object, *, user: User | None, request: HttpRequest | None = None, **kwargs: Any) -> None:
    """Write that somebody signed out; nothing when nobody was signed in."""
    if user is not None:
        record_presence(SIGNED_OUT, actor=person(user), user=user, **_single_sign_on(request))


@receiver(auth_signals.user_login_failed, dispatch_uid="accounts:sign_in_failed")
def record_failed_sign_in(
    sender: object, *, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
) -> None:
    """Write that somebody typed a wrong password or an unknown address; the password is not among the credentials."""
    typed = str(credentials.get("email") or credentials.get("username") or "").strip().lower()
    user = User.objects.filter(email=typed).first()
    if user is None:
        address = EmailAddress.objects.filter(email=typed, verified=True).select_related("user").first()
        user = address.user if address else None
    signed_in = getattr(request, "user", None)
    record_presence(
        SIGN_IN_FAILED,
        actor=person(signed_in) if isinstance(signed_in, User) else ANONYMOUS,
        user=user,
        typed_email=typed,
        outcome=Outcome.FAILED,
        reason="The login is deactivated" if user and not user.is_active else "",
    )


@receiver(account_signals.authentication_step_completed, dispatch_uid="accounts:proved")
def record_proof(
    sender: object,
    *,
    user: User,
    method: str,
    request: HttpRequest,
    reauthenticated: bool = False,
    **kwargs: Any,
) -> None:
    """Write what follows a right password other than signing in: confirming it once more, or being held up.

    The event also stands for the stored hash, which Django may have renewed while checking the password.
    """
    if reauthenticated:
        if method == "password":
            release(request)
        record_presence(REAUTHENTICATED, actor=person(user), user=user, after={"method": last_method(request, user)})
    elif _proves(method, kwargs) and not EmailAddress.objects.filter(user=user, verified=True).exists():
        record_presence(
            SIGN_IN_FAILED,
            actor=person(user),
            user=user,
            outcome=Outcome.FAILED,
            reason="The e-mail address is not confirmed yet",
        )


@receiver(account_signals.email_confirmed, dispatch_uid="accounts:email_verified")
def record_verification(sender: object, *, email_address: EmailAddress, **kwargs: Any) -> None:
    """Write that an address is proven; a newcomer joins the default organization.

    Only the first proven address makes a newcomer: a further one must not bring somebody back who was removed there.
    """
    user = email_address.user
    signals.user_email_verified.announce(user, actor=person(user), after={"email": email_address.email})
    proven = EmailAddress.objects.filter(user=user, verified=True)
    if not proven.exclude(pk=email_address.pk).exists():
        join_default_organization(user=user)


@receiver(account_signals.email_changed, dispatch_uid="accounts:email_changed")
def record_changed_address(
    sender: object,
    *,
    user: User,
    from_email_address: EmailAddress | None,
    to_email_address: EmailAddress,
    **kwargs: Any,
) -> None:
    """Write that the address somebody signs in with is another one."""
    before = {"email": from_email_address.email} if from_email_address else None
    signals.user_updated.announce(user, actor=person(user), before=before, after={"email": to_email_address.email})


@receiver(account_signals.email_added, dispatch_uid="accounts:email_added")
def record_added_address(sender: object, *, user: User, email_address: EmailAddress, **kwargs: Any) -> None:
    """Write that somebody added a further address."""
    signals.user_email_added.announce(user, actor=person(user), after={"email": email_address.email})


@receiver(account_signals.email_removed, dispatch_uid="accounts:email_removed")
def record_removed_address(sender: object, *, user: User, email_address: EmailAddress, **kwargs: Any) -> None:
    """Write that somebody removed one of their addresses."""
    signals.user_email_removed.announce(user, actor=person(user), before={"email": email_address.email})


def _proves(method: str, facts: dict[str, Any]) -> bool:
    """Return whether somebody tried to sign in to a login that was there before."""
    return method == "password" or (method == SOCIAL and not facts.get("is_new"))


def _single_sign_on(request: HttpRequest | None) -> dict[str, Any]:
    """Return how the event of a session is written that one organization's identity provider opened."""
    confinement = confinement_of(request) if request is not None and hasattr(request, "session") else None
    if confinement is None:
        return {}
    return {"only_organization": confinement.organization_id, "reason": "Single sign-on"}


@receiver(
    (tenant_signals.member_removed, tenant_signals.member_left, tenant_signals.member_deactivated),
    dispatch_uid="accounts:break_glass_stays",
)
def keep_break_glass_member(sender: object, *, target: Membership, **kwargs: Any) -> None:
    """Refuse to lose the one owner who comes in when the identity provider fails."""
    refuse_losing_break_glass(target)


@receiver(tenant_signals.domain_removed, dispatch_uid="accounts:domain_holds")
def keep_domain_that_holds(sender: object, *, target: Domain, actor: Actor, **kwargs: Any) -> None:
    """Leave it to whoever may change the sign-in policy to free people by removing the domain that holds them."""
    refuse_freeing_people(target, actor)


@receiver(tenant_signals.member_role_changed, dispatch_uid="accounts:break_glass_owns")
def keep_break_glass_owner(sender: object, *, target: Membership, **kwargs: Any) -> None:
    """Refuse to make the one who comes in when the identity provider fails something less than an owner."""
    if not target.role.is_owner:
        refuse_losing_break_glass(target)
