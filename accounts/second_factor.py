"""Whether somebody has a second factor, whether this session proved one, and where to go to prove one.

Second factors are an authenticator app (TOTP) and passkeys. Recovery codes stand in for them, and are none themselves.
"""

from typing import Any
from urllib.parse import urlencode

from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.http import HttpRequest

from accounts.models import User
from accounts.social_providers import LABELS, SOCIAL
from console.links import root_url

FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
PAGE = "accounts/second-step/"

_NAMES = {"totp": "authenticator app", "webauthn": "passkey", "recovery_codes": "recovery code"}


def has_second_factor(user: User) -> bool:
    """Return whether somebody set up an authenticator app or a passkey."""
    return bool(Authenticator.objects.filter(user_id=user.pk, type__in=FACTORS).exists())


def has_any_factor(user: User) -> bool:
    """Return whether there is anything of somebody's second step, recovery codes among it."""
    return bool(Authenticator.objects.filter(user_id=user.pk).exists())


def proved_second_factor(request: HttpRequest) -> bool:
    """Return whether the session's person proved a second factor in it: signing in, later, or by setting it up.

    A passkey that signed them in without a password counts, since it asked who is holding it; so does a recovery code.
    What was proved by a factor that is gone since counts no more.
    """
    user = request.user
    if not isinstance(user, User):
        return False
    proved = {record.get("id") for record in _records(request, user) if record.get("method") == "mfa"}
    return bool(proved) and bool(Authenticator.objects.filter(user_id=user.pk, pk__in=proved).exists())


def operator_lacks_second_factor(request: HttpRequest) -> bool:
    """Return whether an operator's session has to prove a second factor before it acts with their authority."""
    return settings.OPERATORS_NEED_SECOND_FACTOR and not proved_second_factor(request)


def step_up_url(request: HttpRequest, next_url: str) -> str:
    """Return where a signed-in person proves a second factor, or sets one up; it leads on to `next_url`.

    Args:
        request: the running request.
        next_url: an address of this host; any other is ignored there.
    """
    return f"{root_url(PAGE)}?{urlencode({'next': next_url})}"


def sign_in_methods(request: HttpRequest, user: User) -> list[str]:
    """Return by which methods the person showed who they are in this session, in order: "Google", "passkey"."""
    return list(dict.fromkeys(_name(record) for record in _records(request, user)))


def last_method(request: HttpRequest, user: User) -> str:
    """Return by which method the person has just shown who they are."""
    return next((_name(record) for record in reversed(_records(request, user))), "")


def signed_in_alone(request: HttpRequest, user: User) -> bool:
    """Return whether the person showed who they are without an organization's identity provider.

    By password, by a passkey, or by an account at a social provider that they connected themselves.
    """
    return any(
        record.get("method") in {"password", SOCIAL} or record.get("passwordless") for record in _records(request, user)
    )


def _name(record: dict[str, Any]) -> str:
    if record.get("method") == SOCIAL:
        return LABELS.get(record.get("provider", ""), SOCIAL)
    return _NAMES.get(record.get("type", ""), str(record.get("method", "")))


def _records(request: HttpRequest, user: User) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = get_authentication_records(request, user)
    return records
