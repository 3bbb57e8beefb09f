"""Keys through the services: who may make them, what they may do, and how they end."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.key_format import KeyKind, new_public_id, new_secret
from accounts.models import ApiKey, ApiKeySecret, ServiceAccount
from accounts.services.api_keys import create_api_key, revoke_api_key, rotate_api_key, update_api_key
from accounts.services.key_authentication import KeyRefused, authenticate_key, key_actor
from accounts.services.key_rules import IssuedKey
from accounts.services.service_accounts import create_service_account, update_service_account
from isolation.actor import SYSTEM, Actor
from isolation.context import acting_as
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import operator_scope, tenant_scope
from portal.startup import prepare_process
from tenants.permissions import P
from tenants.services.members import change_role, remove_member
from tests.people import Tenant
from vault import usage
from vault.checks import check_keyring


def project_key(tenant: Tenant, actor: Actor, **values: object) -> IssuedKey:
    return create_api_key(
        **{
            "organization": tenant.organization,
            "kind": KeyKind.PROJECT,
            "name": "Ingestion",
            "scopes": ["traces:write"],
            "project": tenant.project,
            "actor": actor,
        }
        | values
    )


def permissions_now(tenant: Tenant, issued: IssuedKey, project: object = None) -> set[str]:
    record = authenticate_key(secret=issued.secret, ip=None)
    with tenant_scope(tenant.organization):
        actor = key_actor(record, tenant.organization.pk)
        return {name for name in P if actor.can(name, project)}


def test_a_stranger_makes_and_touches_no_key(acme: Tenant, globex: Tenant) -> None:
    with acme.acting("owner") as owner:
        issued = project_key(acme, owner)
    with globex.acting("owner") as stranger:
        assert not ApiKey.objects.filter(pk=issued.key.pk).exists()
        with pytest.raises(MissingPermission):
            project_key(acme, stranger)
        for change in (rotate_api_key, revoke_api_key):
            with pytest.raises(MissingPermission):
                change(key=issued.key, actor=stranger)
    record = authenticate_key(secret=issued.secret, ip=None)
    with tenant_scope(globex.organization), pytest.raises(KeyRefused):
        key_actor(record, globex.organization.pk)


@pytest.mark.parametrize("person", ["member", "viewer", "auditor", "none"])
def test_who_manages_no_keys_makes_none(person: str, acme: Tenant) -> None:
    with acme.acting(person) as actor, pytest.raises(MissingPermission):
        project_key(acme, actor, scopes=["traces:read"])


def test_a_project_key_counts_in_its_project_alone(acme: Tenant) -> None:
    with acme.acting("owner") as owner:
        issued = project_key(acme, owner, scopes=["traces:read", "traces:write"])
    assert permissions_now(acme, issued, acme.project) == {"traces:read", "traces:write"}
    assert permissions_now(acme, issued) == set()
    assert issued.secret not in repr(issued)


def test_nobody_gives_a_key_more_than_they_hold(acme: Tenant) -> None:
    with acme.acting("admin") as admin, pytest.raises(DomainError) as refused:
        create_api_key(
            organization=acme.organization,
            kind=KeyKind.ORGANIZATION,
            name="Everything",
            scopes=["organization:delete"],
            actor=admin,
        )
    assert (refused.value.code, refused.value.field) == ("above_own_permissions", "scopes")


def test_a_personal_key_allows_what_its_owner_may_do_now(acme: Tenant) -> None:
    with acme.acting("member") as member:
        issued = create_api_key(
            organization=acme.organization,
            kind=KeyKind.PERSONAL,
            name="Laptop",
            scopes=["traces:read", "traces:write"],
            actor=member,
        )
    assert permissions_now(acme, issued) == {"traces:read", "traces:write"}
    with acme.acting("owner") as owner:
        change_role(membership=acme.membership("member"), role=acme.role("viewer"), actor=owner)
    assert permissions_now(acme, issued) == {"traces:read"}
    with acme.acting("owner") as owner:
        remove_member(membership=acme.membership("member"), actor=owner)
    with pytest.raises(KeyRefused, match="unknown"):
        authenticate_key(secret=issued.secret, ip=None)


def test_a_personal_key_is_made_by_nobody_else_and_for_no_more(acme: Tenant) -> None:
    values: dict[str, Any] = {"organization": acme.organization, "kind": KeyKind.PERSONAL, "name": "Laptop"}
    with acme.acting("owner") as owner, pytest.raises(DomainError, match="themselves"):
        create_api_key(**values, scopes=["traces:read"], user=acme.member, actor=owner)
    with acme.acting("viewer") as viewer, pytest.raises(DomainError, match="you lack"):
        create_api_key(**values, scopes=["traces:write"], actor=viewer)


def test_a_service_account_key_follows_the_accounts_role(acme: Tenant) -> None:
    with acme.acting("owner") as owner:
        account = create_service_account(
            organization=acme.organization, name="Judge", kind="evaluator", role=acme.role("member"), actor=owner
        )
        issued = create_api_key(
            organization=acme.organization,
            kind=KeyKind.SERVICE_ACCOUNT,
            name="Judge's key",
            scopes=["scores:write", "scores:delete"],
            service_account=account,
            actor=owner,
        )
    assert permissions_now(acme, issued) == {"scores:write"}
    with acme.acting("owner") as owner:
        stored = ServiceAccount.objects.get(pk=account.pk)
        update_service_account(
            account=stored, name="Judge", kind="evaluator", role=acme.role("member"), is_active=False, actor=owner
        )
    assert permissions_now(acme, issued) == set()


def test_rotation_accepts_both_secrets_until_the_overlap_ends(acme: Tenant) -> None:
    with acme.acting("owner") as owner:
        first = project_key(acme, owner)
        second = rotate_api_key(key=first.key, actor=owner, overlap=timedelta(hours=1))
    for issued in (first, second):
        assert authenticate_key(secret=issued.secret, ip=None).key_id == first.key.pk
    with acme.acting("owner") as owner:
        third = rotate_api_key(key=first.key, actor=owner)
    for issued in (first, second):
        with pytest.raises(KeyRefused, match="unknown"):
            authenticate_key(secret=issued.secret, ip=None)
    assert authenticate_key(secret=third.secret, public_id=first.public_id, ip=None).key_id == first.key.pk


def test_of_two_rotations_of_the_same_secret_the_second_is_refused(acme: Tenant) -> None:
    with acme.acting("owner") as owner:
        issued = project_key(acme, owner)
        current = ApiKeySecret.objects.get(api_key=issued.key)
        rotate_api_key(key=issued.key, actor=owner, expected_secret_id=current.pk)
        with pytest.raises(DomainError) as refused:
            rotate_api_key(key=issued.key, actor=owner, expected_secret_id=current.pk)
    assert refused.value.code == "rotated_meanwhile"


def test_a_revoked_key_is_refused_and_stays_revoked(acme: Tenant) -> None:
    with acme.acting("owner") as owner:
        issued = project_key(acme, owner)
        revoke_api_key(key=issued.key, actor=owner, reason="Laptop lost")
        for change in (rotate_api_key, revoke_api_key):
            with pytest.raises(DomainError):
                change(key=issued.key, actor=owner)
        with pytest.raises(DomainError, match="revoked"):
            update_api_key(key=issued.key, name="Again", scopes=["traces:read"], actor=owner)
    with pytest.raises(KeyRefused, match="revoked"):
        authenticate_key(secret=issued.secret, ip=None)


def test_the_allow_list_decides_from_where(acme: Tenant) -> None:
    with acme.acting("owner") as owner:
        issued = project_key(acme, owner, allowed_networks=["203.0.113.7", "2001:db8::/32"])
    for address in ("203.0.113.7", "2001:db8::1", "::ffff:203.0.113.7"):
        authenticate_key(secret=issued.secret, ip=address)
    for refused in ("203.0.113.8", None, "nonsense"):
        with pytest.raises(KeyRefused, match="network"):
            authenticate_key(secret=issued.secret, ip=refused)


def test_an_expired_key_is_refused(acme: Tenant) -> None:
    with acme.acting("owner") as owner:
        issued = project_key(acme, owner, expires_at=timezone.now() + timedelta(milliseconds=50))
    with pytest.raises(KeyRefused, match="expired"):
        while True:
            authenticate_key(secret=issued.secret, ip=None)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"scopes": []}, "required"),
        ({"scopes": ["traces:raed"]}, "unknown_permission"),
        ({"scopes": ["members:read"]}, "organization_scope"),
        ({"allowed_networks": ["10.0.0.0/33"]}, "invalid"),
        ({"expires_at": timezone.now() - timedelta(days=1)}, "past"),
        ({"name": " "}, "required"),
        ({"environment": "production"}, "other_environment"),
        ({"secret": "gatesk_prj_dev_short"}, "malformed_secret"),
        ({"secret": new_secret(KeyKind.PROJECT, "staging")}, "wrong_secret"),
        ({"public_id": new_public_id(KeyKind.PERSONAL, "development")}, "malformed_public_id"),
    ],
)
def test_bad_values_are_refused_and_change_nothing(values: dict[str, object], code: str, acme: Tenant) -> None:
    with acme.acting("owner") as owner, pytest.raises(DomainError) as refused:
        project_key(acme, owner, **values)
    assert refused.value.code == code
    with acme.acting("owner"):
        assert not ApiKey.objects.exists()


def test_a_predefined_secret_is_imported_once(acme: Tenant, globex: Tenant) -> None:
    secret = new_secret(KeyKind.PROJECT, "development")
    with acme.acting("owner") as owner:
        assert project_key(acme, owner, secret=secret).secret == secret
    with globex.acting("owner") as owner, pytest.raises(DomainError) as refused:
        project_key(globex, owner, secret=secret)
    assert refused.value.code == "duplicate"


def test_the_system_may_act_for_everybody(acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        issued = create_api_key(
            organization=acme.organization,
            kind=KeyKind.PERSONAL,
            name="Seed",
            scopes=["traces:read"],
            user=acme.member,
            actor=SYSTEM,
        )
    assert issued.key.user_id == acme.member.pk


@pytest.mark.unattributed
def test_the_report_of_peppers_counts_the_keys(acme: Tenant) -> None:
    with acme.acting("owner") as owner:
        first, second = project_key(acme, owner), project_key(acme, owner)
    with acting_as(SYSTEM), operator_scope("Report"):
        assert sum(usage.peppers()["API keys"].values()) == 2
    with acme.acting("owner") as owner:
        revoke_api_key(key=first.key, actor=owner, reason="")
        ApiKey.objects.filter(pk=second.key.pk).update(expires_at=timezone.now())
    with acting_as(SYSTEM), operator_scope("Report"):
        assert usage.peppers()["API keys"] == {}, "ended keys keep no pepper in the keyring"


def test_the_check_names_a_pepper_that_keys_need(acme: Tenant, settings: Any) -> None:
    with acme.acting("owner") as owner:
        project_key(acme, owner)
    assert check_keyring(databases=["default"]) == []
    (pepper,) = settings.KEYRING.peppers.values()
    settings.KEYRING = replace(settings.KEYRING, peppers={7: pepper}, active_pepper=7)
    (error,) = check_keyring(databases=["default"])
    assert (error.id, error.hint) == ("vault.E005", "Refused: 1 API keys.")
    assert "pepper 1 is not in the keyring" in error.msg


def test_a_process_that_starts_says_which_pepper_keys_in_force_need(
    acme: Tenant, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with acme.acting("owner") as owner:
        key = project_key(acme, owner).key
    prepare_process()
    assert not caplog.messages
    (pepper,) = settings.KEYRING.peppers.values()
    settings.KEYRING = replace(settings.KEYRING, peppers={7: pepper}, active_pepper=7)
    prepare_process()
    (line,) = [record for record in caplog.records if record.name == "gatehouse.vault"]
    assert line.levelname == "WARNING"
    assert line.getMessage().startswith("KEYRING_PEPPERS: the keyring lacks pepper 1, and every key")
    caplog.clear()
    with acme.acting("owner") as owner:
        revoke_api_key(key=key, actor=owner, reason="")
    prepare_process()
    assert not caplog.messages, "a key that ended needs no pepper"
