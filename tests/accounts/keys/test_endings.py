"""Keys end with what they hang on, go with their project, and do not come back by themselves."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.key_format import SECRET_PATTERN, KeyKind
from accounts.models import ApiKey, ApiKeySecret, ServiceAccount, ServiceAccountProjectRole
from accounts.services.api_keys import revoke_api_key, rotate_api_key, update_api_key
from accounts.services.service_accounts import (
    delete_service_account,
    set_service_account_project_role,
    update_service_account,
)
from accounts.services.users import delete_user, set_user_active
from isolation.actor import SYSTEM
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import tenant_scope
from tenants.models import Project, Source
from tenants.services.members import add_member, leave_organization, remove_member, set_member_active
from tenants.services.organizations import request_deletion, resume_organization, suspend_organization
from tenants.services.projects import request_project_deletion, transfer_project
from tenants.services.roles import delete_role
from tenants.tasks import purge_due
from tests.accounts.keys.stage import SCOPES, make_account, make_key, permissions_now, refusal
from tests.accounts.log import of_installation
from tests.people import Tenant, make_project
from tests.tenants.stage import custom_role, events


def due(superuser: Any, table: str) -> None:
    """Let every scheduled deletion be due, behind the application's back."""
    with superuser.transaction():
        superuser.execute("SET LOCAL session_replication_role = replica")
        superuser.execute(f"UPDATE {table} SET purge_at = now() WHERE purge_at IS NOT NULL")  # noqa: S608 - two tables


def rows_left(superuser: Any, organization_id: Any) -> int:
    return sum(
        superuser.execute(f"SELECT count(*) FROM {table} WHERE organization_id = %s", [organization_id]).fetchone()[0]  # noqa: S608 - four tables
        for table in (
            "accounts_apikey",
            "accounts_apikeysecret",
            "accounts_serviceaccount",
            "accounts_serviceaccountprojectrole",
        )
    )


@pytest.fixture
def billing(acme: Tenant, globex: Tenant) -> Project:
    """Return a project of acme whose owner is an owner of globex too."""
    with tenant_scope(globex.organization):
        role = globex.role("owner")
        add_member(organization=globex.organization, user=acme.owner, role=role, source=Source.MANUAL, actor=SYSTEM)
    with tenant_scope(acme.organization):
        return make_project(acme, "billing")


def test_a_project_moves_with_its_keys_and_without_its_service_accounts(
    billing: Project, acme: Tenant, globex: Tenant
) -> None:
    globex.people["mover"] = acme.owner
    with acme.acting("owner") as owner:
        moving = make_key(acme, owner, project=billing)
        staying = make_key(acme, owner)
        account = make_account(acme, owner)
        set_service_account_project_role(account=account, project=billing, role=acme.role("admin"), actor=owner)
        of_account = make_key(acme, owner, KeyKind.SERVICE_ACCOUNT, service_account=account)
        transfer_project(project=billing, target_id=globex.organization.pk, user=acme.owner, actor=owner)
    with tenant_scope(globex.organization):
        there = Project.objects.get(pk=billing.pk)
        stored = ApiKey.objects.get()
        assert (stored.pk, ApiKeySecret.objects.count()) == (moving.key.pk, 1)
        assert not ServiceAccountProjectRole.objects.exists()
    with acme.acting("owner") as owner:
        assert set(ApiKey.objects.values_list("pk", flat=True)) == {staying.key.pk, of_account.key.pk}
        assert not ServiceAccountProjectRole.objects.exists()
        for change in (rotate_api_key, revoke_api_key):
            with pytest.raises(DomainError, match="no longer exists"):
                change(key=ApiKey(pk=moving.key.pk, organization=acme.organization), actor=owner)
        with pytest.raises(MissingPermission):
            rotate_api_key(key=stored, actor=owner)
    assert permissions_now(globex, moving.secret, there) == set(SCOPES)
    assert permissions_now(acme, of_account.secret, there) == set()
    assert permissions_now(acme, of_account.secret) == set(SCOPES)
    with globex.acting("mover") as mover:
        rotated = rotate_api_key(key=stored, actor=mover)
    assert (refusal(moving.secret), permissions_now(globex, rotated.secret, there)) == ("unknown", set(SCOPES))


def test_a_purged_project_takes_its_keys_along(acme: Tenant, superuser: Any) -> None:
    with acme.acting("owner") as owner:
        issued, other = make_key(acme, owner), make_key(acme, owner, KeyKind.ORGANIZATION)
        account = make_account(acme, owner)
        set_service_account_project_role(account=account, project=acme.project, role=acme.role("viewer"), actor=owner)
        request_project_deletion(project=acme.project, actor=owner)
        with pytest.raises(DomainError, match="being deleted"):
            make_key(acme, owner)
    assert refusal(issued.secret) == "", "nothing is lost until the grace period ends"
    due(superuser, "tenants_project")
    assert purge_due() == 1
    assert (refusal(issued.secret), refusal(other.secret)) == ("unknown", "")
    with tenant_scope(acme.organization):
        assert [key.pk for key in ApiKey.objects.all()] == [other.key.pk]
        assert not ServiceAccountProjectRole.objects.exists()
        assert ServiceAccount.objects.get() == account


def test_a_purged_organization_leaves_no_key(acme: Tenant, globex: Tenant, superuser: Any) -> None:
    secrets = []
    for tenant in (acme, globex):
        with tenant.acting("owner") as owner:
            account = make_account(tenant, owner)
            set_service_account_project_role(
                account=account, project=tenant.project, role=tenant.role("viewer"), actor=owner
            )
            secrets += [
                make_key(tenant, owner).secret,
                make_key(tenant, owner, KeyKind.ORGANIZATION).secret,
                make_key(tenant, owner, KeyKind.PERSONAL).secret,
                make_key(tenant, owner, KeyKind.SERVICE_ACCOUNT, service_account=account).secret,
            ]
    with acme.acting("owner") as owner:
        request_deletion(organization=acme.organization, actor=owner)
        with pytest.raises(DomainError, match="being deleted"):
            make_key(acme, owner, KeyKind.ORGANIZATION)
        with pytest.raises(DomainError, match="being deleted"):
            make_account(acme, owner, name="Another")
    assert [refusal(secret) for secret in secrets] == [""] * 8, "until the grace period ends they work"
    due(superuser, "tenants_organization")
    assert purge_due() == 1
    assert [refusal(secret) for secret in secrets] == ["unknown"] * 4 + [""] * 4
    assert rows_left(superuser, acme.organization.pk) == 0


@pytest.mark.parametrize("end", ["removed", "left", "login deleted"])
def test_a_former_members_personal_keys_are_gone(end: str, acme: Tenant, superuser: Any) -> None:
    with acme.acting("member") as member:
        issued = make_key(acme, member, KeyKind.PERSONAL, expires_at=timezone.now() + timedelta(days=9))
        revoked = make_key(acme, member, KeyKind.PERSONAL)
        revoke_api_key(key=revoked.key, actor=member)
        if end == "left":
            leave_organization(membership=acme.membership("member"), actor=member)
    if end == "removed":
        with acme.acting("owner") as owner:
            remove_member(membership=acme.membership("member"), actor=owner)
    elif end == "login deleted":
        delete_user(user=acme.member, actor=SYSTEM)
    assert refusal(issued.secret) == "unknown"
    assert rows_left(superuser, acme.organization.pk) == 0
    told = [event.target_label for event in events(acme, "api_key.revoked")]
    assert told == [str(revoked.key), str(issued.key)]


def test_who_comes_back_has_no_keys(acme: Tenant) -> None:
    with acme.acting("member") as member:
        issued = make_key(acme, member, KeyKind.PERSONAL)
    with acme.acting("owner") as owner:
        remove_member(membership=acme.membership("member"), actor=owner)
        add_member(
            organization=acme.organization,
            user=acme.member,
            role=acme.role("member"),
            source=Source.MANUAL,
            actor=owner,
        )
        assert not ApiKey.objects.exists()
    assert refusal(issued.secret) == "unknown"


@pytest.mark.parametrize("what", ["membership", "login"])
def test_who_is_deactivated_may_nothing_until_they_are_active_again(what: str, acme: Tenant) -> None:
    with acme.acting("member") as member:
        issued = make_key(acme, member, KeyKind.PERSONAL)
    for active in (False, True):
        if what == "login":
            set_user_active(user=acme.member, active=active, actor=SYSTEM)
        else:
            with acme.acting("owner") as owner:
                set_member_active(membership=acme.membership("member"), active=active, actor=owner)
        assert permissions_now(acme, issued.secret) == (set(SCOPES) if active else set())


def test_a_suspended_organizations_keys_wait(acme: Tenant, globex: Tenant) -> None:
    with acme.acting("owner") as owner:
        issued = make_key(acme, owner, KeyKind.ORGANIZATION)
    with globex.acting("owner") as owner:
        other = make_key(globex, owner, KeyKind.ORGANIZATION)
    with tenant_scope(acme.organization):
        suspend_organization(organization=acme.organization, actor=SYSTEM, reason="Unpaid")
    assert (refusal(issued.secret), refusal(other.secret)) == ("suspended", "")
    with tenant_scope(acme.organization):
        resume_organization(organization=acme.organization, actor=SYSTEM)
    assert refusal(issued.secret) == ""


def test_a_role_that_a_service_account_has_is_in_use(acme: Tenant) -> None:
    with acme.acting("owner") as owner:
        role, in_project = custom_role(acme, "Judges", ["traces:read"]), custom_role(acme, "There", ["traces:read"])
        account = make_account(acme, owner, role=role)
        set_service_account_project_role(account=account, project=acme.project, role=in_project, actor=owner)
        for used in (role, in_project):
            with pytest.raises(DomainError) as refused:
                delete_role(role=used, actor=owner)
            assert refused.value.code == "in_use"
            assert "service account" in refused.value.message
        delete_service_account(account=account, actor=owner)
        for free in (role, in_project):
            delete_role(role=free, actor=owner)


def test_a_deleted_service_accounts_keys_end(acme: Tenant, globex: Tenant) -> None:
    with acme.acting("owner") as owner:
        account, other = make_account(acme, owner), make_account(acme, owner, name="Other")
        issued = make_key(acme, owner, KeyKind.SERVICE_ACCOUNT, service_account=account)
        left = make_key(acme, owner, KeyKind.SERVICE_ACCOUNT, service_account=other)
    with globex.acting("owner") as stranger, pytest.raises(MissingPermission):
        delete_service_account(account=account, actor=stranger)
    with acme.acting("owner") as owner:
        delete_service_account(account=account, actor=owner, reason="Replaced")
    assert (refusal(issued.secret), refusal(left.secret)) == ("unknown", "")
    assert [event.reason for event in events(acme, "service_account.deleted")] == ["Replaced"]
    assert [event.target_label for event in events(acme, "api_key.revoked")] == [str(issued.key)]


def test_every_change_is_an_event_and_none_shows_a_secret(acme: Tenant, superuser: Any) -> None:
    with acme.acting("owner") as owner:
        account = make_account(acme, owner)
        changed = update_service_account(
            account=account, name="Jury", kind="agent", role=acme.role("viewer"), is_active=True, actor=owner
        )
        set_service_account_project_role(account=changed, project=acme.project, role=acme.role("member"), actor=owner)
        issued = make_key(acme, owner, KeyKind.SERVICE_ACCOUNT, service_account=changed)
        update_api_key(key=issued.key, name="Renamed", scopes=["traces:read"], note="For the jury", actor=owner)
        rotated = rotate_api_key(key=issued.key, actor=owner, overlap=timedelta(hours=1))
        revoke_api_key(key=issued.key, actor=owner, reason="Over")
        delete_service_account(account=changed, actor=owner)
    told = [event for event in events(acme) if event.action.startswith(("api_key.", "service_account."))]
    assert [event.action for event in told] == [
        "service_account.created",
        "service_account.updated",
        "service_account.project_role_set",
        "api_key.created",
        "api_key.updated",
        "api_key.rotated",
        "api_key.revoked",
        "service_account.deleted",
    ]
    assert told[4].before["name"] == "Key"
    assert told[4].after == {"name": "Renamed", "note": "For the jury", "scopes": ["traces:read"]}
    assert told[5].before["secret"] == f"…{issued.secret.split('_')[-2][-4:]}"
    assert told[5].after["secret"] == f"…{rotated.secret.split('_')[-2][-4:]}"
    everything = json.dumps([[event.before, event.after, event.target_label, event.reason] for event in told])
    assert not re.search(SECRET_PATTERN, everything)
    assert len(superuser.execute("SELECT 1 FROM audit_event WHERE audit_event::text ~ 'gatesk_'").fetchall()) == 0
    assert of_installation("api_key.created") == []


def test_no_table_holds_a_secret(acme: Tenant, superuser: Any) -> None:
    with acme.acting("owner") as owner:
        issued = make_key(acme, owner)
    digests = superuser.execute("SELECT digest FROM accounts_apikeysecret").fetchall()
    assert len(digests[0][0]) == 32
    for (table,) in superuser.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    ):
        found = superuser.execute(
            f"SELECT 1 FROM {table} t WHERE t::text LIKE %s",  # noqa: S608 - the catalogue's own names
            [f"%{issued.secret.split('_')[3][:20]}%"],
        )
        assert found.fetchone() is None, table
