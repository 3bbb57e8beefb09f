"""Changes to provider credentials: who may, what is refused, and that no secret is told anywhere."""

import json
import logging
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from audit.models import Event
from gateway.hotpath.problems import Refused
from gateway.models import ProviderCredential
from gateway.selectors import Use, resolution_of
from gateway.services.credential_tests import test_provider_credential as try_credential
from gateway.services.provider_credentials import (
    delete_provider_credential,
    put_back_former_secret,
    rotate_provider_credential,
    set_provider_credential_enabled,
    update_provider_credential,
)
from gateway.tasks import forget_former_secrets
from isolation.actor import SYSTEM
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import tenant_scope
from tenants.access import user_actor
from tenants.models import Source
from tenants.permissions import P
from tenants.services.exceptions import grant_to_member
from tenants.services.members import add_member
from tenants.services.organizations import purge_organization, request_deletion
from tenants.services.projects import request_project_deletion, transfer_project
from tests.audit.sinks.receivers import Answer, Receiver
from tests.llm_proxy.credentials.stage import OTHER, SECRET, credential_of, headers_of, hot
from tests.people import Tenant, make_project
from tests.tenants.stage import events

OAUTH = {"token_url": "https://idp.example/token", "client_id": "acme"}


def actions(tenant: Tenant) -> list[str]:
    return [event.action for event in events(tenant) if event.action.startswith("provider_credential")]


# Who may -----------------------------------------------------------------------------------------------


def test_a_stranger_changes_nothing(acme: Tenant, globex: Tenant) -> None:
    stored = credential_of(acme)
    tries = [
        lambda actor: update_provider_credential(credential=stored, name="Mine", actor=actor),
        lambda actor: rotate_provider_credential(credential=stored, secret=OTHER, actor=actor),
        lambda actor: put_back_former_secret(credential=stored, actor=actor),
        lambda actor: set_provider_credential_enabled(credential=stored, enabled=False, actor=actor),
        lambda actor: try_credential(credential=stored, actor=actor),
        lambda actor: delete_provider_credential(credential=stored, actor=actor),
    ]
    for attempt in tries:
        with pytest.raises(MissingPermission), globex.acting("owner") as actor:
            attempt(actor)
        with pytest.raises(MissingPermission), tenant_scope(acme.organization):
            attempt(user_actor(globex.owner, acme.organization.pk))
    with pytest.raises((MissingPermission, DomainError)):
        credential_of(globex, project=acme.project)
    assert actions(acme) == ["provider_credential.created"]
    assert headers_of(*hot(acme)) == [(b"authorization", f"Bearer {SECRET}".encode())]


@pytest.mark.parametrize("who", ["member", "viewer", "auditor", "none"])
def test_without_the_permission_nothing_is_added(who: str, acme: Tenant) -> None:
    for project in (None, acme.project):
        with pytest.raises(MissingPermission, match="provider_credentials:manage"):
            credential_of(acme, who, project=project)


def test_a_projects_permission_is_for_the_project_alone(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        grant_to_member(
            project=acme.project,
            membership=acme.membership("member"),
            permission=P.PROVIDER_CREDENTIALS_MANAGE,
            actor=actor,
        )
        other = make_project(acme, "billing")
    credential_of(acme, "member", project=acme.project)
    for project in (None, other):
        with pytest.raises(MissingPermission):
            credential_of(acme, "member", project=project)
    organization_wide = credential_of(acme, name="All")
    with pytest.raises(MissingPermission), acme.acting("member") as actor:
        rotate_provider_credential(credential=organization_wide, secret=OTHER, actor=actor)


def test_who_sees_what(acme: Tenant) -> None:
    credential_of(acme, name="Own", project=acme.project)
    credential_of(acme, name="All")
    with acme.acting("viewer") as actor:
        assert not ProviderCredential.objects.visible_to(actor).exists()
    with acme.acting("owner") as actor:
        membership = acme.membership("viewer")
        grant_to_member(
            project=acme.project, membership=membership, permission=P.PROVIDER_CREDENTIALS_READ, actor=actor
        )
    with acme.acting("viewer") as actor:
        assert [each.name for each in ProviderCredential.objects.visible_to(actor)] == ["Own"]
        found = resolution_of(project=acme.project, provider="", model="", actor=actor)
        assert ([step.credential.name for step in found.steps], found.hidden) == (["Own"], 1)


# What is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": " "}, "name"),
        ({"provider": "nobody"}, "provider"),
        ({"kind": "password"}, "kind"),
        ({"secret": " "}, "secret"),
        ({"secret": "two words"}, "secret"),
        ({"secret": "a\r\nb"}, "secret"),
        ({"secret": "schlüssel"}, "secret"),
        ({"secret": "x" * 16_001}, "secret"),
        ({"base_url": "https://evil.example"}, "base_url"),
        ({"base_url": "http://api.openai.com"}, "base_url"),
        ({"base_url": "https://api.openai.com.evil.example"}, "base_url"),
        ({"base_url": "https://user:pass@api.openai.com"}, "base_url"),
        ({"base_url": "https://api.openai.com/\nx"}, "base_url"),
        ({"provider": "azure_openai"}, "base_url"),
        ({"provider": "azure_openai", "base_url": "https://acme.openai.azure.com.evil.example"}, "base_url"),
        ({"provider": "openai_compatible"}, "base_url"),
        ({"provider": "bedrock"}, "region"),
        ({"provider": "bedrock", "options": {"region": "eu-central-1.evil.example/"}}, "region"),
        ({"options": {"unknown": "x"}}, "unknown"),
        ({"allowed_models": ["gpt 4"]}, "allowed_models"),
        ({"allowed_models": [f"m{number}" for number in range(201)]}, "allowed_models"),
        ({"priority": -1}, "priority"),
        ({"priority": 1_001}, "priority"),
        ({"kind": "oauth_client", "options": {"client_id": "c"}}, "token_url"),
        ({"kind": "oauth_client", "options": {"token_url": "https://idp.example/token"}}, "client_id"),
        ({"kind": "oauth_client", "options": {**OAUTH, "auth": "magic"}}, "auth"),
        ({"kind": "vault", "options": {"address": "https://vault.example", "path": "p"}}, "role_id"),
        ({"kind": "vault", "options": {"address": "https://vault.example", "role_id": "r"}}, "path"),
        (
            {
                "kind": "vault",
                "options": {"address": "https://v.example", "role_id": "r", "path": "p", "lease_seconds": 5},
            },
            "lease_seconds",
        ),
        (
            {"kind": "aws_secrets_manager", "options": {"store_region": "evil.example/", "secret_id": "s"}},
            "store_region",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_right_is_refused_at_its_field(values: dict[str, Any], field: str, acme: Tenant) -> None:
    with pytest.raises(DomainError) as caught:
        credential_of(acme, **values)
    assert caught.value.field == field
    assert SECRET not in caught.value.message
    with tenant_scope(acme.organization):
        assert not ProviderCredential.objects.exists()


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://169.254.169.254/",
        "https://10.0.0.1/token",
        "https://[::1]/token",
        "http://idp.example/token",
        "ftp://idp.example/token",
        "https://idp.example:22/",
    ],
)
@pytest.mark.parametrize("kind", ["oauth_client", "vault", "aws_secrets_manager"])
def test_no_address_leads_into_a_private_network(kind: str, address: str, acme: Tenant, settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    name, more = {
        "oauth_client": ("token_url", {"client_id": "c"}),
        "vault": ("address", {"role_id": "r", "path": "p"}),
        "aws_secrets_manager": (
            "endpoint",
            {"store_region": "eu-central-1", "secret_id": "s", "access_key_id": "AKIATEST"},
        ),
    }[kind]
    with pytest.raises(DomainError) as caught:
        credential_of(acme, kind=kind, options={name: address, **more})
    assert caught.value.field == name


def test_a_name_that_resolves_to_this_machine_gets_no_secret(
    acme: Tenant, giver: Receiver, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    port = giver.url.rpartition(":")[2]
    options = {**OAUTH, "token_url": f"https://localhost:{port}/token"}
    credential_of(acme, kind="oauth_client", options=options)
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    with pytest.raises(Refused, match="cannot be used now"):
        headers_of(*hot(acme))
    assert "may not be fetched from here" in caplog.text
    assert giver.connections == 0


def test_a_name_is_there_once_in_each_place(acme: Tenant, globex: Tenant) -> None:
    credential_of(acme)
    credential_of(acme, project=acme.project)
    credential_of(globex)
    for project in (None, acme.project):
        with pytest.raises(DomainError, match="already a credential with this name"):
            credential_of(acme, name="OPENAI", project=project)


def test_nothing_new_where_everything_is_being_deleted(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        request_project_deletion(project=acme.project, actor=actor)
    with pytest.raises(DomainError, match="project is being deleted"):
        credential_of(acme, project=acme.project)
    with acme.acting("owner") as actor:
        request_deletion(organization=acme.organization, actor=actor)
    with pytest.raises(DomainError, match="organization is being deleted"):
        credential_of(acme)


# Changing ----------------------------------------------------------------------------------------------


def test_another_address_takes_the_secret_again(acme: Tenant, settings: Any) -> None:
    settings.PROXY_UPSTREAMS = ["https://llm.example", "https://other.example"]
    plain = credential_of(acme, provider="openai_compatible", base_url="https://llm.example")
    client = credential_of(acme, name="Client", kind="oauth_client", options=OAUTH)
    moves: list[tuple[ProviderCredential, dict[str, Any]]] = [
        (plain, {"base_url": "https://other.example"}),
        (client, {"options": {"token_url": "https://evil.example/token"}}),
    ]
    for stored, values in moves:
        with pytest.raises(DomainError, match="give the secret again") as caught, acme.acting("owner") as actor:
            update_provider_credential(credential=stored, actor=actor, **values)
        assert caught.value.field == "secret"
        with acme.acting("owner") as actor:
            update_provider_credential(credential=stored, actor=actor, secret=OTHER, **values)
    with acme.acting("owner") as actor:
        update_provider_credential(credential=client, actor=actor, options={"scope": "llm"}, priority=7)
    with tenant_scope(acme.organization):
        stored = ProviderCredential.objects.get(name="Client")
        assert stored.options == {
            "token_url": "https://evil.example/token",
            "client_id": "acme",
            "scope": "llm",
            "auth": "basic",
        }
        assert (stored.priority, stored.secret.reveal()) == (7, OTHER)


def test_a_new_secret_forgets_the_former_one(acme: Tenant) -> None:
    stored = credential_of(acme)
    with acme.acting("owner") as actor:
        rotate_provider_credential(credential=stored, secret=OTHER, actor=actor, overlap=timedelta(days=1))
        changed = update_provider_credential(credential=stored, secret=SECRET, actor=actor)
        assert changed.previous_secret is None
        with pytest.raises(DomainError, match="No former secret is kept"):
            put_back_former_secret(credential=stored, actor=actor)


def test_a_change_that_changes_nothing_is_no_event(acme: Tenant) -> None:
    stored = credential_of(acme)
    with acme.acting("owner") as actor:
        update_provider_credential(credential=stored, name="OpenAI", actor=actor)
        set_provider_credential_enabled(credential=stored, enabled=True, actor=actor)
    assert actions(acme) == ["provider_credential.created"]


def test_rotation_keeps_the_former_secret_until_its_time(acme: Tenant) -> None:
    stored = credential_of(acme)
    with acme.acting("owner") as actor:
        for overlap in (timedelta(days=31), timedelta(seconds=-1)):
            with pytest.raises(DomainError, match="30 days at most"):
                rotate_provider_credential(credential=stored, secret=OTHER, actor=actor, overlap=overlap)
        with pytest.raises(DomainError, match="in use already"):
            rotate_provider_credential(credential=stored, secret=SECRET, actor=actor)
        rotated = rotate_provider_credential(credential=stored, secret=OTHER, actor=actor, overlap=timedelta(days=1))
        assert (rotated.last_four, rotated.keeps_former_secret) == (OTHER[-4:], True)
        back = put_back_former_secret(credential=stored, actor=actor)
        assert (back.last_four, back.previous_secret.reveal()) == (SECRET[-4:], OTHER)
    assert forget_former_secrets() == 0
    with tenant_scope(acme.organization):
        ProviderCredential.objects.update(previous_until=timezone.now())
    with pytest.raises(DomainError, match="No former secret is kept"), acme.acting("owner") as actor:
        put_back_former_secret(credential=stored, actor=actor)
    assert forget_former_secrets() == 1
    assert forget_former_secrets() == 0
    with tenant_scope(acme.organization):
        assert ProviderCredential.objects.get().previous_secret is None
    assert actions(acme) == [
        "provider_credential.created",
        "provider_credential.rotated",
        "provider_credential.put_back",
        "provider_credential.former_forgotten",
    ]


def test_no_secret_is_told_anywhere(acme: Tenant, provider: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    provider.rule = lambda request: Answer(401, request.headers["authorization"].encode())
    stored = credential_of(acme, provider="openai_compatible", base_url=provider.url)
    with acme.acting("owner") as actor:
        outcome = try_credential(credential=stored, actor=actor)
        rotate_provider_credential(credential=stored, secret=OTHER, actor=actor, overlap=timedelta(days=1))
        put_back_former_secret(credential=stored, actor=actor)
        update_provider_credential(credential=stored, secret=OTHER, actor=actor)
        delete_provider_credential(credential=stored, actor=actor)
    told = [json.dumps(row, default=str) for row in logged(acme)]
    for text in (*told, caplog.text, outcome.text, repr(stored), str(vars(stored))):
        assert SECRET not in text
        assert OTHER not in text
        assert SECRET[:12] not in text


def logged(tenant: Tenant) -> list[dict[str, Any]]:
    with tenant_scope(tenant.organization):
        return list(Event.objects.values())


# Testing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "accepted", "words"),
    [
        (Answer(), True, "The provider accepted it."),
        (Answer(401), False, "refused the credential"),
        (Answer(403), False, "does not allow it to list models"),
        (Answer(404), False, "no list of models"),
        (Answer(429), False, "too many requests"),
        (Answer(500), False, "status 500"),
        (Answer(0), False, "127.0.0.1"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Answer) else "",
)
def test_a_test_asks_the_provider_and_says_what_came_of_it(
    answer: Answer, accepted: bool, words: str, acme: Tenant, provider: Receiver
) -> None:
    provider.rule = lambda _request: answer
    stored = credential_of(acme, provider="openai_compatible", base_url=f"{provider.url}/")
    with acme.acting("owner") as actor:
        outcome = try_credential(credential=stored, actor=actor)
    assert outcome.accepted is accepted
    assert words in outcome.text
    request = provider.requests[0]
    assert (request.method, request.path) == ("GET", "/v1/models")
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    with tenant_scope(acme.organization):
        now = ProviderCredential.objects.get()
        assert now.test_outcome == outcome.text
        assert now.tested_at is not None
    (event,) = [event for event in events(acme) if event.action == "provider_credential.tested"]
    assert event.after == {"accepted": accepted, "outcome": outcome.text}


def test_each_provider_is_asked_where_it_lists_models(acme: Tenant, provider: Receiver, settings: Any) -> None:
    settings.PROXY_UPSTREAMS = [provider.url, f"{provider.url}/models-here"]
    asked = {
        "anthropic": ({}, provider.url, "/v1/models", "x-api-key"),
        "azure_openai": ({}, provider.url, "/openai/models?api-version=2024-10-21", "api-key"),
        "bedrock": ({"region": "eu-central-1"}, provider.url, "/foundation-models", "authorization"),
        "mistral": ({}, f"{provider.url}/models-here", "/models-here/v1/models", "authorization"),
    }
    for name, (options, base_url, path, header) in asked.items():
        stored = credential_of(acme, name=name, provider=name, options=options, base_url=base_url)
        with acme.acting("owner") as actor:
            assert try_credential(credential=stored, actor=actor).accepted
        request = provider.requests[-1]
        assert request.path == path
        assert SECRET in request.headers[header]
        assert ("anthropic-version" in request.headers) == (name == "anthropic")


def test_a_private_upstream_is_the_operators_to_open_for_tests(acme: Tenant, provider: Receiver, settings: Any) -> None:
    stored = credential_of(acme, provider="openai_compatible", base_url=provider.url)
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    with acme.acting("owner") as actor:
        outcome = try_credential(credential=stored, actor=actor)
    assert "The portal may not reach it to test it" in outcome.text
    assert provider.connections == 0


# What happens around -----------------------------------------------------------------------------------


def test_credentials_do_not_follow_a_project_to_another_organization(acme: Tenant, globex: Tenant) -> None:
    credential_of(acme, name="All")
    credential_of(acme, name="Own", project=acme.project)
    with tenant_scope(globex.organization):
        add_member(
            organization=globex.organization,
            user=acme.owner,
            role=globex.role("owner"),
            source=Source.MANUAL,
            actor=SYSTEM,
        )
        globex.project.slug  # noqa: B018 - the other one has the same
    with acme.acting("owner") as actor:
        project = make_project(acme, "billing")
    credential_of(acme, name="Billing", project=project)
    with acme.acting("owner") as actor:
        transfer_project(project=project, target_id=globex.organization.pk, user=acme.owner, actor=actor)
    assert hot(globex, project) == []
    with tenant_scope(globex.organization):
        assert not ProviderCredential.objects.exists()
    with tenant_scope(acme.organization):
        assert sorted(ProviderCredential.objects.values_list("name", flat=True)) == ["All", "Own"]
    (event,) = [event for event in events(acme) if event.action == "provider_credential.deleted"]
    assert event.target_label == "Billing"
    assert event.reason == "The project moved to another organization"


def test_a_purged_organization_leaves_none(acme: Tenant, globex: Tenant, superuser: Any) -> None:
    credential_of(acme)
    credential_of(acme, name="Own", project=acme.project)
    credential_of(globex)
    with acme.acting("owner") as actor:
        request_deletion(organization=acme.organization, actor=actor)
    superuser.execute("SET session_replication_role = replica")
    superuser.execute("UPDATE tenants_organization SET purge_at = now() WHERE id = %s", [acme.organization.pk])
    superuser.execute("SET session_replication_role = origin")
    with tenant_scope(acme.organization):
        purge_organization(organization=acme.organization, actor=SYSTEM)
    rows = superuser.execute("SELECT organization_id FROM gateway_providercredential").fetchall()
    assert rows == [(globex.organization.pk,)]


def test_vault_rotation_takes_both_secrets_along(acme: Tenant) -> None:
    stored = credential_of(acme)
    with acme.acting("owner") as actor:
        rotate_provider_credential(credential=stored, secret=OTHER, actor=actor, overlap=timedelta(days=1))
    before = {each.data_key for each in hot(acme)}
    call_command("rotate_keys", "--data-keys", stdout=StringIO())
    (found,) = hot(acme)
    assert {found.data_key} != before
    assert headers_of(found) == [(b"authorization", f"Bearer {OTHER}".encode())]
    with acme.acting("owner") as actor:
        assert put_back_former_secret(credential=stored, actor=actor).secret.reveal() == SECRET


def test_the_order_is_told_with_its_reasons(acme: Tenant, settings: Any) -> None:
    settings.PROXY_UPSTREAMS = ["https://llm.example"]
    credential_of(acme, name="backup", priority=200)
    credential_of(acme, name="first", project=acme.project, allowed_models=["gpt-4*"])
    credential_of(acme, name="small", allowed_models=["gpt-3*"], priority=1)
    credential_of(acme, name="claude", provider="anthropic")
    gone = credential_of(acme, name="gone", provider="openai_compatible", base_url="https://llm.example")
    off = credential_of(acme, name="off", project=acme.project)
    settings.PROXY_UPSTREAMS = []
    with acme.acting("owner") as actor:
        set_provider_credential_enabled(credential=off, enabled=False, actor=actor)
        found = resolution_of(project=acme.project, provider="", model="gpt-4o", actor=actor)
        steps = {step.credential.name: (step.use, step.reason) for step in found.steps}
        only = resolution_of(project=acme.project, provider="anthropic", model="", actor=actor)
    assert list(steps) == ["first", "off", "small", "claude", "gone", "backup"]
    assert steps["first"][0] is Use.FIRST
    assert steps["backup"][0] is Use.FALLBACK
    assert steps["claude"][0] is Use.FIRST, "each provider is asked by its own requests"
    assert steps["off"] == (Use.SKIPPED, "It is switched off.")
    assert steps["small"] == (Use.SKIPPED, "It allows gpt-3*, and gpt-4o is none of these.")
    assert "does not allow its address" in steps[gone.name][1]
    assert [step.credential.name for step in only.steps] == ["claude"]
    names = [name for name, (use, _) in steps.items() if use is not Use.SKIPPED or name == "small"]
    assert [each.name for each in hot(acme)] == names, "the hot path has the same order"
