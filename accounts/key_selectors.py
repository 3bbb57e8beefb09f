"""Reading keys and service accounts for the console's pages."""

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from accounts.models import ApiKey, ApiKeySecret, ServiceAccount
from isolation.actor import Actor
from tenants.selectors import number_of


def with_secret(keys: "QuerySet[Any]") -> "QuerySet[Any]":
    """Return the keys with `last_four` of their current secret, and with what names their owner."""
    current = ApiKeySecret.objects.filter(api_key_id=OuterRef("pk"), expires_at=None)
    described = keys.select_related("organization", "project", "user", "service_account")
    found: QuerySet[Any] = described.annotate(last_four=Subquery(current.values("last_four")[:1]))
    return found


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


def keys_of_account(account: ServiceAccount, actor: Actor) -> "QuerySet[Any]":
    """Return a service account's keys that the actor may see, newest first."""
    rows = ApiKey.objects.visible_to(actor).filter(service_account=account)
    return with_secret(rows).order_by("-created_at", "-pk")


def keys_in_project(project: Any, actor: Actor) -> "QuerySet[Any]":
    """Return a project's keys that the actor may see, newest first."""
    return with_secret(ApiKey.objects.visible_to(actor).filter(project=project)).order_by("-created_at", "-pk")
