"""Reading keys, service accounts and provisioned people: what pages, mails, commands and sweeps show of them."""

from datetime import timedelta
from typing import Any

from allauth.account.models import EmailAddress
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from isolation.actor import Actor
from tenants.models import Domain, Project
from tenants.selectors import number_of

from .models import (
    ApiKey,
    ApiKeySecret,
    PlatformKey,
    ProvisionedUser,
    ScimToken,
    ServiceAccount,
    User,
)
from .querysets import ApiKeyQuerySet

WARNINGS = (timedelta(days=14), timedelta(days=3), timedelta(days=1))
"""How long before a key expires its people are told, the earliest first."""


def with_secret(keys: "QuerySet[Any]") -> ApiKeyQuerySet:
    """Return the keys, each with what names its owner and with what is known of its current secret.

    Each row has ``last_four`` and ``secret_created_at`` besides.
    """
    current = ApiKeySecret.objects.filter(api_key=OuterRef("pk"), expires_at=None)
    described: Any = keys.select_related("organization", "project", "user", "service_account")
    found: ApiKeyQuerySet = described.annotate(
        last_four=Subquery(current.values("last_four")[:1]),
        secret_created_at=Subquery(current.values("created_at")[:1]),
    )
    return found


def keys_with_secret() -> ApiKeyQuerySet:
    """Return `with_secret` of all keys of the scope that is open."""
    return with_secret(ApiKey.objects.all())


def keys_of_account(account: ServiceAccount, actor: Actor) -> ApiKeyQuerySet:
    """Return a service account's keys that the actor may see, newest first."""
    return with_secret(ApiKey.objects.visible_to(actor).filter(service_account=account)).order_by("-created_at", "-pk")


def keys_in_project(project: Project, actor: Actor) -> ApiKeyQuerySet:
    """Return a project's keys that the actor may see, newest first."""
    return with_secret(ApiKey.objects.visible_to(actor).filter(project=project)).order_by("-created_at", "-pk")


def secrets_of(key: ApiKey) -> list[ApiKeySecret]:
    """Return the current secret and those whose overlap may still last, newest first."""
    return list(ApiKeySecret.objects.filter(api_key=key).order_by("-created_at"))


def current_secret(key: ApiKey) -> ApiKeySecret:
    """Return the secret that a rotation would replace."""
    secret: ApiKeySecret = ApiKeySecret.objects.get(api_key=key, expires_at=None)
    return secret


def with_key_count(accounts: "QuerySet[Any]") -> "QuerySet[Any]":
    """Return the service accounts with their role and `key_count`, the number of keys that are in force."""
    number = number_of(ApiKey.objects.active(), "service_account_id")
    counted: QuerySet[Any] = accounts.select_related("role").annotate(key_count=number)
    return counted


def keys_older_than(days: int) -> ApiKeyQuerySet:
    """Return the active keys whose current secret was made more than `days` days ago, the oldest first."""
    return keys_with_secret().older_than(days).order_by("secret_created_at", "pk")


def keys_to_warn_about() -> ApiKeyQuerySet:
    """Return the active keys that expire soon and whose people have not been told so yet, the soonest first.

    A warning is due at each of `WARNINGS` that the current secret has lived to see: a key made for an hour has none.
    """
    keys = keys_with_secret().filter(revoked_at=None, organization__suspended_at=None)
    due: ApiKeyQuerySet = _due(keys, "secret_created_at")
    return due


def platform_keys_to_warn_about() -> Any:
    """Return the active platform keys that expire soon and of which the operators have not been told so yet."""
    return _due(PlatformKey.objects.filter(revoked_at=None), "created_at")


def scim_tokens_to_warn_about() -> Any:
    """Return the active SCIM tokens that expire soon and of which the owners have not been told so yet."""
    tokens = ScimToken.objects.select_related("connection", "organization")
    return _due(tokens.filter(revoked_at=None, organization__suspended_at=None), "created_at")


def waiting_people_to_let_in() -> "QuerySet[ProvisionedUser]":
    """Return who waits though their address is in a verified domain by now, the longest first."""
    verified = Domain.objects.filter(verified_at__isnull=False).values_list("name", flat=True)
    addresses = Q(pk__in=())
    for name in verified:
        addresses |= Q(email__endswith=f"@{name}")
    found: QuerySet[ProvisionedUser] = ProvisionedUser.objects.waiting().filter(addresses).order_by("created_at", "pk")
    return found


def waiting_people_to_invite() -> "QuerySet[ProvisionedUser]":
    """Return who waits and has not been invited yet, the longest first."""
    waiting = ProvisionedUser.objects.waiting().filter(invited_at=None)
    found: QuerySet[ProvisionedUser] = waiting.order_by("created_at", "pk")
    return found


def proven_addresses(user: User) -> set[str]:
    """Return the address that somebody signs in with, and the others that they have proved."""
    others = EmailAddress.objects.filter(user=user, verified=True).values_list("email", flat=True)
    return {user.email, *(email.lower() for email in others)}


def _due(keys: Any, born: str) -> Any:
    now = timezone.now()
    due = Q()
    for before in WARNINGS:
        moment = F("expires_at") - before
        unsaid = Q(expiry_warned_at=None) | Q(expiry_warned_at__lt=moment)
        due |= Q(expires_at__lte=now + before) & Q(**{f"{born}__lt": moment}) & unsaid
    return keys.filter(due, expires_at__gt=now, expires_at__lte=now + max(WARNINGS)).order_by("expires_at", "pk")
