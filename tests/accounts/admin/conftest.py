"""Acme with keys of every kind and a service account."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from accounts.key_format import KeyKind
from accounts.models import ApiKey, ServiceAccount
from accounts.services.api_keys import create_api_key
from accounts.services.key_rules import IssuedKey
from accounts.services.service_accounts import create_service_account, set_service_account_project_role
from isolation.actor import Actor
from tests.accounts.admin.provisioning_stage import Provisioning, provisioned
from tests.browsers import admin, elsewhere, owner, rows_of, viewer
from tests.people import Tenant, signed_in

__all__ = ["admin", "elsewhere", "owner", "viewer"]  # fixtures of these tests

ADD = "/o/acme/accounts/apikey/add/"
LIST = "/o/acme/accounts/apikey/"
ONCE = re.compile(r'name="once" value="([^"]+)"')
SECRET = re.compile(r"gatesk_\w+")


@dataclass
class Keys:
    """Keys of one organization, and its service account."""

    tenant: Tenant
    account: UUID
    project_role: UUID
    issued: dict[str, IssuedKey] = field(default_factory=dict)

    def pk(self, kind: str) -> UUID:
        """Return a key's primary key."""
        pk: UUID = self.issued[kind].key.pk
        return pk

    def urls(self) -> list[str]:
        """Return every page about one of the rows, below the organization's address."""
        parts = ("change", "rotate", "revoke", "history", "delete")
        return [
            *(f"accounts/apikey/{issued.key.pk}/{part}/" for issued in self.issued.values() for part in parts[:4]),
            *(f"accounts/serviceaccount/{self.account}/{part}/" for part in ("change", "delete", "history")),
        ]


def make(tenant: Tenant, actor: Actor, kind: str, name: str, scopes: list[str], **values: Any) -> IssuedKey:
    """Return a new key."""
    return create_api_key(organization=tenant.organization, kind=kind, name=name, scopes=scopes, actor=actor, **values)


def furnish(tenant: Tenant, person: str = "member") -> Keys:
    """Return keys of every kind, made by the owner; the personal one is `person`'s."""
    with tenant.acting("owner") as owner:
        account = create_service_account(
            organization=tenant.organization, name="Judge", kind="evaluator", role=tenant.role("member"), actor=owner
        )
        role = set_service_account_project_role(
            account=account, project=tenant.project, role=tenant.role("viewer"), actor=owner
        )
        keys = Keys(tenant, account.pk, role.pk)
        keys.issued = {
            "project": make(tenant, owner, KeyKind.PROJECT, "Ingestion", ["traces:write"], project=tenant.project),
            "organization": make(tenant, owner, KeyKind.ORGANIZATION, "Terraform", ["projects:read"]),
            "service_account": make(
                tenant, owner, KeyKind.SERVICE_ACCOUNT, "Judge's key", ["scores:write"], service_account=account
            ),
        }
    with tenant.acting(person) as actor:
        keys.issued["personal"] = make(tenant, actor, KeyKind.PERSONAL, "Laptop", ["traces:read"])
    return keys


def state(tenant: Tenant) -> dict[str, Any]:
    """Return what the pages can change, to compare before and after."""
    return rows_of(tenant, "accounts")


def asked(client: Client, kind: str, url: str = ADD, **values: Any) -> dict[str, Any]:
    """Return the answers of a new key's form, with the token of a form that was just opened."""
    page = client.get(url, {"kind": kind}).content.decode()
    found = ONCE.search(page)
    assert found, page
    usual = {
        "name": "New key",
        "note": "",
        "scopes": ["traces:read"],
        "expires_at_0": "90",
        "expires_at_1": "",
        "allowed_networks": "",
        "environment": "production",
        "once": found[1],
    }
    return {**usual, **values}


def create(client: Client, kind: str, url: str = ADD, **values: Any) -> Any:
    """Return the answer to a filled-in form."""
    return client.post(f"{url}?kind={kind}", asked(client, kind, url, **values))


def shown_secret(response: Any) -> str:
    """Return the secret that a page shows."""
    found: str = SECRET.findall(response.content.decode())[0]
    return found


def stored(tenant: Tenant, pk: Any) -> ApiKey:
    """Return a key as it is now."""
    with tenant.acting("owner"):
        key: ApiKey = ApiKey.objects.select_related("project", "user", "service_account", "organization").get(pk=pk)
        return key


def rotation(client: Client, pk: Any, overlap: timedelta = timedelta()) -> dict[str, str]:
    """Return the answers of the rotation page as it is drawn now."""
    page = client.get(f"{LIST}{pk}/rotate/").content.decode()
    found = re.search(r'name="expected" value="([^"]+)"', page)
    assert found, page
    return {"overlap": str(int(overlap.total_seconds())), "expected": found[1]}


def account_of(keys: Keys) -> ServiceAccount:
    """Return the service account as it is now."""
    with keys.tenant.acting("owner"):
        account: ServiceAccount = ServiceAccount.objects.select_related("role").get(pk=keys.account)
        return account


@pytest.fixture
def keys(acme: Tenant) -> Keys:
    """Return Acme's keys."""
    return furnish(acme)


@pytest.fixture
def provisioning(acme: Tenant) -> Provisioning:
    """Return what came through Acme's connection."""
    return provisioned(acme)


@pytest.fixture
def member(acme: Tenant) -> Client:
    """Return Acme's member in a browser, whose the personal key is."""
    return signed_in(acme.member)
