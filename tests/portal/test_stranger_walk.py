"""A stranger walks every address of the portal and every registered admin, and meets nothing of Acme."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin import AdminSite
from django.db import models
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.key_format import KeyKind
from accounts.models import (
    ApiKey,
    ApiKeySecret,
    ScimConnection,
    ScimToken,
    ServiceAccount,
    ServiceAccountProjectRole,
    User,
)
from accounts.services.api_keys import create_api_key
from accounts.services.scim_connections import create_scim_connection
from accounts.services.scim_tokens import create_scim_token
from accounts.services.service_accounts import create_service_account, set_service_account_project_role
from audit.models import Event
from console.sites import operator_site, tenant_site
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.models import (
    Group,
    GroupMember,
    GroupRole,
    Invitation,
    Membership,
    Organization,
    Project,
    ProjectGroupGrant,
    ProjectMembership,
    ProjectUserGrant,
    Role,
)
from tenants.permissions import P
from tenants.services.exceptions import grant_to_group, grant_to_member
from tenants.services.groups import add_group_member, create_group, set_group_role
from tenants.services.invitations import invite_member
from tenants.services.members import set_project_role
from tenants.services.roles import create_role
from tests.people import Tenant, signed_in

MODELS: tuple[type[models.Model], ...] = (
    Organization,
    Project,
    Role,
    Membership,
    ProjectMembership,
    Group,
    GroupMember,
    GroupRole,
    Invitation,
    ProjectUserGrant,
    ProjectGroupGrant,
    ServiceAccount,
    ServiceAccountProjectRole,
    ApiKey,
    ApiKeySecret,
    ScimConnection,
    ScimToken,
    Event,
)
ARGUMENT = re.compile(r"<(?:\w+:)?\w+>")
REFUSED = {403, 404, 405}


@pytest.fixture
def full_acme(acme: Tenant) -> dict[type[models.Model], Any]:
    """Return one row of each tenant model of Acme; every one of them has "acme" in its text."""
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        membership = acme.membership("member")
        group = create_group(organization=acme.organization, name="Acme engineers", actor=SYSTEM)
        add_group_member(group=group, membership=membership, actor=SYSTEM)
        set_group_role(group=group, role=acme.role("viewer"), project=acme.project, actor=SYSTEM)
        set_project_role(membership=membership, project=acme.project, role=acme.role("admin"), actor=SYSTEM)
        create_role(organization=acme.organization, name="Acme writers", permissions=[P.TRACES_WRITE], actor=SYSTEM)
        invite_member(organization=acme.organization, email="new@acme.example", role=acme.role("viewer"), actor=SYSTEM)
        grant_to_member(project=acme.project, membership=membership, permission=P.AUDIT_LOG_READ, actor=SYSTEM)
        grant_to_group(project=acme.project, group=group, permission=P.API_KEYS_ROTATE, actor=SYSTEM)
        account = create_service_account(
            organization=acme.organization, name="Acme judge", kind="agent", role=acme.role("member"), actor=SYSTEM
        )
        set_service_account_project_role(account=account, project=acme.project, role=acme.role("viewer"), actor=SYSTEM)
        shared: dict[str, Any] = {"organization": acme.organization, "name": "Acme key", "actor": SYSTEM}
        shared["scopes"] = [P.TRACES_READ]
        create_api_key(kind=KeyKind.PROJECT, project=acme.project, **shared)
        create_api_key(kind=KeyKind.SERVICE_ACCOUNT, service_account=account, **shared)
        connection = create_scim_connection(organization=acme.organization, name="Acme directory", actor=SYSTEM)
        create_scim_token(connection=connection, name="Acme token", actor=SYSTEM)
        return {model: model._default_manager.first() for model in MODELS}


def routes(patterns: list[URLPattern | URLResolver], before: str = "") -> Iterator[str]:
    """Yield every route below some URL patterns, arguments as ``<kind:name>``."""
    for pattern in patterns:
        route = before + str(pattern.pattern).removeprefix("^").removesuffix("$").removesuffix(r"\Z")
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route


def filled(route: str, rows: dict[type[models.Model], Any]) -> Iterator[str]:
    """Yield the route with the pk of the row that it is about, or of each row where it does not say."""
    if not ARGUMENT.search(route):
        yield route
        return
    named = [row for model, row in rows.items() if f"{model._meta.app_label}/{model._meta.model_name}/" in route]
    for row in named or rows.values():
        yield ARGUMENT.sub(str(row.pk), route)


def console_addresses(rows: dict[type[models.Model], Any]) -> list[str]:
    """Return every address of a tenant's console, filled with Acme's pks."""
    found = {
        address for route in routes(get_resolver("portal.urls_tenant").url_patterns) for address in filled(route, rows)
    }
    return sorted(address for address in found if not re.search(r"[\\(^$]", address))


def body(response: Any) -> str:
    """Return what a response says, streamed or not."""
    content = b"".join(response.streaming_content) if response.streaming else response.content
    text = content.decode(errors="replace")
    return text.replace("acme-chatbot-prod", "").replace("client-acme-corp", "")  # examples in help texts


def test_the_walk_meets_every_registered_admin(full_acme: dict[type[models.Model], Any]) -> None:
    walked = console_addresses(full_acme)
    for model in tenant_site._registry:
        prefix = f"{model._meta.app_label}/{model._meta.model_name}/"
        assert any(prefix in address for address in walked), model
    assert len(walked) > 30
    assert all(row is not None for row in full_acme.values())


def test_a_stranger_finds_no_address_below_acme(full_acme: dict[type[models.Model], Any], stranger: User) -> None:
    browser = signed_in(stranger)
    for address in console_addresses(full_acme):
        for method in (browser.get, browser.post):
            response = method(f"/o/acme/{address}")
            assert response.status_code == 404, address
            assert "new@acme" not in body(response), address


def test_nobody_in_particular_is_sent_to_sign_in(full_acme: dict[type[models.Model], Any]) -> None:
    browser = Client()
    for address in console_addresses(full_acme):
        response = browser.get(f"/o/acme/{address}")
        assert response.status_code == 302, address
        assert response["Location"].startswith("/accounts/login/"), address


def test_acmes_rows_do_not_exist_in_another_console(full_acme: dict[type[models.Model], Any], stranger: User) -> None:
    """An owner may do everything in Globex; with Acme's pks every address of Globex's console is a 404 or a refusal."""
    browser = signed_in(stranger)
    for address in console_addresses(full_acme):
        about_a_row = any(str(row.pk) in address for row in full_acme.values())
        for method in (browser.get, browser.post):
            response = method(f"/o/globex/{address}")
            assert response.status_code < 500, address
            assert "acme" not in body(response).lower(), address
            # Django's admin sends every /<pk>/ on to /<pk>/change/, which is walked as well.
            if about_a_row and response.headers.get("Location") != f"/o/globex/{address}change/":
                assert response.status_code in REFUSED, (address, response.status_code)


def test_posted_pks_of_acme_are_refused(
    full_acme: dict[type[models.Model], Any], stranger: User, superuser: Any
) -> None:
    """Every form of Globex's console gets Acme's pks in every field that could take one."""
    browser = signed_in(stranger)
    before = dump(superuser)
    for model in tenant_site._registry:
        address = f"/o/globex/{model._meta.app_label}/{model._meta.model_name}/add/"
        fields = [field.name for field in model._meta.concrete_fields]
        for row in full_acme.values():
            response = browser.post(address, dict.fromkeys(fields, str(row.pk)))
            assert response.status_code < 500, (address, row)
            assert "acme" not in body(response).lower(), (address, row)
    after = dump(superuser)
    assert {table: rows for table, rows in after.items() if rows != before[table]} == {}


def dump(superuser: Any) -> dict[str, list[Any]]:
    """Return Acme's rows of every table, as the database's owner sees them."""
    return {
        model._meta.db_table: superuser.execute(
            f"SELECT * FROM {model._meta.db_table} t WHERE to_jsonb(t) @> %s ORDER BY 1",  # noqa: S608
            [f'{{"{getattr(model, "tenant_column", "")}": "{_acme_id(superuser)}"}}'],
        ).fetchall()
        for model in MODELS
        if model is not Event
    }


def _acme_id(superuser: Any) -> str:
    return str(superuser.execute("SELECT id FROM tenants_organization WHERE slug = 'acme'").fetchone()[0])


@pytest.mark.parametrize("person", ["owner", "admin", "member", "viewer", "auditor", "none"])
def test_nobody_of_a_tenant_enters_the_operator_console(
    full_acme: dict[type[models.Model], Any], acme: Tenant, person: str
) -> None:
    browser = signed_in(acme.people[person])
    for route in routes(operator_site.get_urls()):
        for address in filled(route, full_acme):
            if re.search(r"[\\(^$]", address):
                continue
            response = browser.get(f"/admin/{address}")
            assert response.status_code in {302, 403, 404}, address
            if response.status_code == 302:
                assert response["Location"].startswith("/accounts/"), address


def test_both_sites_are_walked() -> None:
    for site in (tenant_site, operator_site):
        assert isinstance(site, AdminSite)
        assert site._registry
