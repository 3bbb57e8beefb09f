"""What the tests of keys share: one key of each kind, and what a secret allows now."""

from typing import Any

from accounts.key_format import KeyKind
from accounts.models import ServiceAccount
from accounts.services.api_keys import create_api_key
from accounts.services.key_authentication import KeyRefused, authenticate_key, key_actor
from accounts.services.key_rules import IssuedKey
from accounts.services.service_accounts import create_service_account
from isolation.actor import Actor
from isolation.scope import tenant_scope
from tenants.permissions import P
from tests.people import Tenant

SCOPES = ["traces:read", "traces:write"]


def make_key(tenant: Tenant, actor: Actor, kind: str = KeyKind.PROJECT, **values: Any) -> IssuedKey:
    """Return a new key; the scope must be open. Without an owner it is the tenant's project's."""
    owners = {"project": tenant.project} if kind == KeyKind.PROJECT else {}
    named = {"organization": tenant.organization, "kind": kind, "name": "Key", "scopes": SCOPES, "actor": actor}
    return create_api_key(**{**named, **owners, **values})


def make_account(tenant: Tenant, actor: Actor, **values: Any) -> ServiceAccount:
    """Return a new service account, a member unless another role is given; the scope must be open."""
    named = {"organization": tenant.organization, "name": "Judge", "kind": "evaluator", "actor": actor}
    return create_service_account(**{**named, "role": tenant.role("member"), **values})


def refusal(secret: str) -> str:
    """Return why a secret is refused, "" when it is accepted."""
    try:
        authenticate_key(secret=secret, ip=None)
    except KeyRefused as refused:
        return str(refused)
    return ""


def permissions_now(tenant: Tenant, secret: str, obj: Any = None) -> set[str]:
    """Return what a secret allows in an organization, or on one of its projects."""
    record = authenticate_key(secret=secret, ip=None)
    with tenant_scope(tenant.organization):
        actor = key_actor(record, tenant.organization.pk)
        return {name for name in P if actor.can(name, obj)}
