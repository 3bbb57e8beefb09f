"""What allauth asks of us: who may sign up, how users and passwords are stored, where a sign-in leads."""

from typing import Any, cast

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import clear_authentication_records
from allauth.account.internal.stagekit import clear_login
from allauth.core import context as allauth_context
from allauth.core.exceptions import ImmediateHttpResponse
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from accounts.audit_events import SIGN_IN_FAILED, record_presence
from accounts.models import User
from accounts.services.sign_up import announce_sign_up, is_sign_up_open
from accounts.services.social_identities import end_unproven_identities
from accounts.services.users import person, set_password
from accounts.sso.held import came_by_single_sign_on, doors_for_login, lead_to_provider
from accounts.sso.way_out import way_out
from audit.models import Outcome
from console.links import root_url
from tenants.lookups import memberships_of, open_invitations
from tenants.services.naming import tidy_name

_WAYS = {
    "reauthenticate": "Use your password",
    "mfa_reauthenticate": "Use a code",
    "mfa_reauthenticate:webauthn": "Use a passkey",
}
_CONFIRMATION_SENT = "account/messages/email_confirmation_sent.txt"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no type hints
    """Stores through the services, so that each change has its audit event; sends mails after the commit."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return whether anybody may sign up. Invited people do so by their link, which asks nobody here."""
        return is_sign_up_open()

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        """Lead somebody whom an organization holds to single sign-on there, by whatever else they came."""
        response: HttpResponse | None = super().pre_login(request, user, **kwargs)
        if response is not None or came_by_single_sign_on(request):
            return response
        doors = doors_for_login(user)
        if not doors:
            return None
        clear_login(request)
        clear_authentication_records(request)
        record_presence(
            SIGN_IN_FAILED,
            actor=person(user),
            user=user,
            outcome=Outcome.FAILED,
            reason=f"{doors[0].organization} requires single sign-on",
        )
        return lead_to_provider(request, doors, email=user.email)

    def get_login_stages(self) -> list[str]:
        """Return what is asked between knowing somebody and letting them in.

        Whether single sign-on needs a second step here is the organization's to say (`accounts.entry`).
        """
        stages: list[str] = super().get_login_stages()
        if came_by_single_sign_on(allauth_context.request):
            return [stage for stage in stages if not stage.startswith("allauth.mfa.")]
        return stages

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:  # noqa: FBT001, FBT002
        """Store somebody who signed up, and tell it."""
        user.name = tidy_name(form.cleaned_data.get("name", ""))
        user = super().save_user(request, user, form, commit=commit)
        if commit:
            announce_sign_up(user)
        return user

    def set_password(self, user: User, password: str) -> None:
        """Store a changed, reset or first password, and tell it.

        Raises:
            ImmediateHttpResponse: the link of a mail was opened, and by now an organization requires single sign-on.
        """
        request = allauth_context.request
        signed_in = request.user.is_authenticated
        if not signed_in and (doors := doors_for_login(user)):
            raise ImmediateHttpResponse(lead_to_provider(request, doors, email=user.email))
        reason = "" if signed_in else "Reset by the link in a mail"
        keep = request.session.session_key if signed_in else None
        set_password(user=user, password=password, actor=person(user), reason=reason, keep=keep)
        if not signed_in:
            end_unproven_identities(user=user, actor=person(user))

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Return the only organization's console when there is nothing else to see, otherwise the landing page."""
        user = cast("User", request.user)
        places = [place for place in memberships_of(user.pk) if place.is_active]
        if len(places) == 1 and not user.is_operator and not open_invitations(user.email):
            return root_url(f"o/{places[0].slug}/")
        return root_url()

    def get_logout_redirect_url(self, request: HttpRequest) -> str:
        """Return where the identity provider that somebody came through hears that they sign out, or the usual page."""
        return way_out(request) or str(super().get_logout_redirect_url(request))

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        """Return the profile page."""
        return root_url("accounts/profile/")

    def get_reauthentication_methods(self, user: User) -> list[dict[str, Any]]:
        """Return the ways in which somebody confirms who they are, in our words."""
        ways: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        return [way | {"description": _WAYS[way["id"]]} for way in ways]

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the address by the trusted-proxy rule of `OriginMiddleware`; limits count by it."""
        origin = getattr(request, "origin", None)
        return (origin and origin.ip) or "unknown"

    def add_message(
        self, request: HttpRequest, level: int, message_template: str | None = None, *args: Any, **kwargs: Any
    ) -> None:
        """Add a message, but none about a sent mail for whoever signs up: a known address would lack it."""
        if message_template == _CONFIRMATION_SENT and not request.user.is_authenticated:
            return
        super().add_message(request, level, message_template, *args, **kwargs)

    def send_account_already_exists_mail(self, email: str) -> None:
        """Tell the mailbox that it has a login, after as much work as storing a new one would be."""
        make_password(email)
        super().send_account_already_exists_mail(email)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Render a mail now and send it after the commit: what rolled back was never announced."""
        values = {"request": allauth_context.request, "email": email, **context}
        message = self.render_mail(template_prefix, email, values)
        transaction.on_commit(message.send, robust=True)
