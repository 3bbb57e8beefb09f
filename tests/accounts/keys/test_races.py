"""Two changes of the same key at the same moment, each with a connection of its own."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from accounts.key_format import KeyKind, new_secret
from accounts.models import ApiKey, ApiKeySecret, ServiceAccountProjectRole
from accounts.services.api_keys import revoke_api_key, revoke_api_keys, rotate_api_key
from accounts.services.key_rules import IssuedKey
from accounts.services.service_accounts import delete_service_account, set_service_account_project_role
from accounts.services.users import delete_user
from isolation.actor import SYSTEM, Actor
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from tenants.models import Source
from tenants.services.members import add_member, remove_member
from tenants.services.projects import transfer_project
from tests.accounts.keys.stage import make_account, make_key, refusal
from tests.people import Tenant, make_project
from tests.tenants.stage import at_once, events

TIMES = range(3)


def as_person(tenant: Tenant, name: str, verb: Callable[[Actor], Any]) -> Callable[[], Any]:
    def run() -> Any:
        with tenant.acting(name) as actor:
            return verb(actor)

    return run


def codes(results: list[Any]) -> list[str]:
    """Return the codes of what was refused; anything else that was raised fails the test."""
    refused = [result for result in results if isinstance(result, Exception)]
    known = [error for error in refused if isinstance(error, DomainError)]
    assert known == refused, results
    return [error.code for error in known]


@pytest.fixture
def issued(acme: Tenant) -> IssuedKey:
    """Return a project's key."""
    with acme.acting("owner") as owner:
        return make_key(acme, owner)


def current(tenant: Tenant) -> ApiKeySecret:
    with tenant_scope(tenant.organization):
        secret: ApiKeySecret = ApiKeySecret.objects.get(expires_at=None)
    return secret


@pytest.mark.parametrize("time", TIMES)
def test_of_two_rotations_of_one_secret_one_wins(time: int, issued: IssuedKey, acme: Tenant) -> None:
    known = current(acme).pk
    results = at_once(
        *[
            as_person(
                acme,
                name,
                lambda actor: rotate_api_key(key=issued.key, actor=actor, expected_secret_id=known),
            )
            for name in ("owner", "admin")
        ]
    )
    assert codes(results) == ["rotated_meanwhile"]
    (won,) = [result for result in results if isinstance(result, IssuedKey)]
    assert (refusal(won.secret), refusal(issued.secret)) == ("", "unknown")
    assert len(events(acme, "api_key.rotated")) == 1


@pytest.mark.parametrize("time", TIMES)
def test_two_rotations_that_know_no_secret_leave_one_current(time: int, issued: IssuedKey, acme: Tenant) -> None:
    rotate = [
        as_person(acme, name, lambda actor: rotate_api_key(key=issued.key, actor=actor, overlap=timedelta(hours=1)))
        for name in ("owner", "admin")
    ]
    results = at_once(*rotate)
    assert codes(results) == []
    assert [refusal(result.secret) for result in results] == ["", ""], "the earlier one has its overlap"
    assert refusal(issued.secret) == "unknown", "only the one before is accepted besides"
    assert current(acme).last_four in {result.secret.split("_")[-2][-4:] for result in results}


@pytest.mark.parametrize("time", TIMES)
def test_a_key_that_is_revoked_while_it_is_rotated_ends(time: int, issued: IssuedKey, acme: Tenant) -> None:
    results = at_once(
        as_person(acme, "owner", lambda actor: rotate_api_key(key=issued.key, actor=actor)),
        as_person(acme, "admin", lambda actor: revoke_api_key(key=issued.key, actor=actor, reason="Leaked")),
    )
    assert codes(results) in ([], ["revoked"])
    secrets = [issued.secret, *(result.secret for result in results if isinstance(result, IssuedKey))]
    assert {refusal(secret) for secret in secrets} <= {"revoked", "unknown"}
    assert len(events(acme, "api_key.revoked")) == 1


@pytest.mark.parametrize("time", TIMES)
def test_a_key_is_revoked_once(time: int, issued: IssuedKey, acme: Tenant) -> None:
    results = at_once(
        *[
            as_person(acme, name, lambda actor: revoke_api_key(key=issued.key, actor=actor))
            for name in ("owner", "admin")
        ]
    )
    assert codes(results) == ["already_revoked"]
    assert len(events(acme, "api_key.revoked")) == 1


@pytest.mark.parametrize("time", TIMES)
def test_bulk_revocations_that_overlap_end_everything(time: int, acme: Tenant) -> None:
    with acme.acting("owner") as owner:
        keys = [make_key(acme, owner, name=f"Key {number}").key for number in range(6)]
    results = at_once(
        as_person(acme, "owner", lambda actor: revoke_api_keys(keys=keys[:4], actor=actor)),
        as_person(acme, "admin", lambda actor: revoke_api_keys(keys=keys[:1:-1], actor=actor)),
    )
    assert codes(results) == [], "who wants it revoked gets no error when it is"
    with tenant_scope(acme.organization):
        assert not ApiKey.objects.active().exists()
    assert len(events(acme, "api_key.revoked")) == 6


@pytest.mark.parametrize("time", TIMES)
def test_a_secret_is_imported_once(time: int, acme: Tenant, globex: Tenant) -> None:
    secret = new_secret(KeyKind.PROJECT, "development")
    results = at_once(
        as_person(acme, "owner", lambda actor: make_key(acme, actor, secret=secret)),
        as_person(globex, "owner", lambda actor: make_key(globex, actor, secret=secret)),
    )
    assert codes(results) == ["duplicate"]


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("end", ["removed", "login deleted"])
def test_no_personal_key_outlives_its_membership(end: str, time: int, acme: Tenant) -> None:
    def go() -> None:
        if end == "removed":
            with acme.acting("owner") as owner:
                remove_member(membership=acme.membership("member"), actor=owner)
        else:
            delete_user(user=acme.member, actor=SYSTEM)

    results = at_once(go, as_person(acme, "member", lambda actor: make_key(acme, actor, KeyKind.PERSONAL)))
    # Whoever comes second finds no membership any more, or nothing that it allows.
    assert codes(results) in ([], ["no_member"], ["above_own_permissions"])
    with tenant_scope(acme.organization):
        assert not ApiKey.objects.exists()


@pytest.mark.parametrize("time", TIMES)
def test_no_key_outlives_its_service_account(time: int, acme: Tenant) -> None:
    with acme.acting("owner") as owner:
        account = make_account(acme, owner)
    results = at_once(
        as_person(acme, "owner", lambda actor: delete_service_account(account=account, actor=actor)),
        as_person(acme, "admin", lambda actor: make_key(acme, actor, KeyKind.SERVICE_ACCOUNT, service_account=account)),
    )
    assert codes(results) in ([], ["gone"])
    with tenant_scope(acme.organization):
        assert not ApiKey.objects.exists()


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("change", ["create", "rotate", "revoke", "role"])
def test_a_project_moves_while_its_keys_change(change: str, time: int, acme: Tenant, globex: Tenant) -> None:
    with tenant_scope(globex.organization):
        role = globex.role("owner")
        add_member(organization=globex.organization, user=acme.owner, role=role, source=Source.MANUAL, actor=SYSTEM)
    with acme.acting("owner") as owner:
        project = make_project(acme, "billing")
        account = make_account(acme, owner)
        issued = make_key(acme, owner, project=project)
        viewer = acme.role("viewer")
    changes: dict[str, Callable[[Actor], Any]] = {
        "create": lambda actor: make_key(acme, actor, project=project),
        "rotate": lambda actor: rotate_api_key(key=issued.key, actor=actor),
        "revoke": lambda actor: revoke_api_key(key=issued.key, actor=actor),
        "role": lambda actor: set_service_account_project_role(
            account=account, project=project, role=viewer, actor=actor
        ),
    }

    def move(actor: Actor) -> Any:
        return transfer_project(project=project, target_id=globex.organization.pk, user=acme.owner, actor=actor)

    results = at_once(as_person(acme, "owner", move), as_person(acme, "admin", changes[change]))
    assert codes(results) in ([], ["gone"])
    with tenant_scope(globex.organization):
        there = ApiKey.objects.filter(project=project).count()
        assert there == (2 if change == "create" and codes(results) == [] else 1)
    with tenant_scope(acme.organization):
        assert not ServiceAccountProjectRole.objects.exists()
        assert not ApiKey.objects.filter(project_id=project.pk).exists()


@pytest.mark.parametrize("time", TIMES)
def test_a_member_goes_while_their_key_is_rotated(time: int, acme: Tenant) -> None:
    with acme.acting("member") as member:
        issued = make_key(acme, member, KeyKind.PERSONAL)
    results = at_once(
        as_person(acme, "owner", lambda actor: remove_member(membership=acme.membership("member"), actor=actor)),
        as_person(acme, "member", lambda actor: rotate_api_key(key=issued.key, actor=actor)),
    )
    assert codes(results) in ([], ["gone"], ["no_member"], ["above_own_permissions"])
    with tenant_scope(acme.organization):
        assert not ApiKey.objects.exists()
