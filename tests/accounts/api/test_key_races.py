"""Two requests at the same moment, and keys that end while they are used; through the API."""

import threading
from functools import partial
from typing import Any, Self

import pytest
from django.db import connections

from accounts.models import ApiKeySecret
from accounts.services.service_accounts import create_service_account, update_service_account
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.models import Membership
from tests.accounts.api.stage import accepted, make_key, organization_key, with_key
from tests.api.calls import by
from tests.people import Tenant
from tests.tenants.stage import at_once, events

KEYS = "/organizations/acme/api-keys"


def secrets_of(tenant: Tenant, key: Any) -> list[ApiKeySecret]:
    with tenant_scope(tenant.organization):
        return list(ApiKeySecret.objects.filter(api_key=key))


@pytest.mark.parametrize("overlap", [0, 3600])
@pytest.mark.parametrize("time", range(3))
def test_of_two_rotations_of_the_same_secret_one_wins(overlap: int, time: int, acme: Tenant) -> None:
    issued = make_key(acme)
    (secret,) = secrets_of(acme, issued.key)
    body = {"overlap_seconds": overlap, "expected_secret_id": str(secret.pk)}
    callers = [
        by(acme.owner),
        by(acme.admin),
        with_key(organization_key(acme, "api_keys:rotate", "traces:write").secret),
    ]
    responses = at_once(*(lambda one=one: one.post(f"{KEYS}/{issued.key.pk}/rotate", body) for one in callers))
    assert sorted(response.status_code for response in responses) == [200, 409, 409]
    assert {response.json().get("code") for response in responses} == {None, "rotated_meanwhile"}
    (won,) = (response.json()["secret"] for response in responses if response.status_code == 200)
    assert accepted(won)
    assert accepted(issued.secret) is bool(overlap)
    assert len(secrets_of(acme, issued.key)) == 1 + bool(overlap)
    assert len(events(acme, "api_key.rotated")) == 1


@pytest.mark.parametrize("overlap", [0, 3600])
@pytest.mark.parametrize("time", range(3))
def test_rotations_that_expect_nothing_follow_each_other(overlap: int, time: int, acme: Tenant) -> None:
    issued = make_key(acme)
    callers = [by(acme.owner), by(acme.admin), by(acme.owner)]
    address = f"{KEYS}/{issued.key.pk}/rotate"
    responses = at_once(*(lambda one=one: one.post(address, {"overlap_seconds": overlap}) for one in callers))
    assert [response.status_code for response in responses] == [200, 200, 200]
    live = [response.json()["secret"] for response in responses if accepted(response.json()["secret"])]
    assert len(live) == 1 + bool(overlap)
    assert not accepted(issued.secret)
    assert len(secrets_of(acme, issued.key)) == len(live)
    assert [secret.expires_at for secret in secrets_of(acme, issued.key)].count(None) == 1
    assert len(events(acme, "api_key.rotated")) == 3


def test_a_rotation_and_a_revocation_leave_no_secret_that_is_accepted(acme: Tenant) -> None:
    for _ in range(5):
        issued = make_key(acme)
        address = f"{KEYS}/{issued.key.pk}"
        rotated, revoked = at_once(
            partial(by(acme.owner).post, f"{address}/rotate", {"overlap_seconds": 60}),
            partial(by(acme.admin).post, f"{address}/revoke"),
        )
        assert revoked.status_code == 200
        assert rotated.status_code in {200, 409}
        assert not accepted(issued.secret)
        if rotated.status_code == 200:
            assert not accepted(rotated.json()["secret"])


def test_a_key_is_revoked_once(acme: Tenant) -> None:
    issued = make_key(acme)
    address = f"{KEYS}/{issued.key.pk}/revoke"
    responses = at_once(*(lambda who=who: by(who).post(address) for who in (acme.owner, acme.admin, acme.owner)))
    assert sorted(response.status_code for response in responses) == [200, 409, 409]
    assert len(events(acme, "api_key.revoked")) == 1


class Users:
    """Threads that use a key without a pause, and go on for some requests after it has ended."""

    threads_number = 3
    late_requests = 5

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.ended = threading.Event()
        self.warm = threading.Barrier(self.threads_number + 1, timeout=60)
        self.before: list[int] = []
        self.after: list[int] = []
        self.threads = [threading.Thread(target=self.run) for _ in range(self.threads_number)]

    def run(self) -> None:
        caller = with_key(self.secret)
        try:
            self.before.append(caller.get("/me").status_code)
            self.warm.wait()
            while not self.ended.is_set():
                self.before.append(caller.get("/me").status_code)
            for _ in range(self.late_requests):
                self.after.append(caller.get("/me").status_code)
        finally:
            connections.close_all()

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        self.warm.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join(60)
        assert set(self.before) <= {200, 401}
        assert 200 in self.before
        assert self.after == [401] * self.threads_number * self.late_requests


@pytest.fixture
def many_requests(settings: Any) -> None:
    settings.API_RATE_PER_KEY = settings.API_RATE_PER_ORGANIZATION = settings.API_RATE_PER_ADDRESS = 1_000_000


def test_nothing_is_accepted_once_the_revocation_was_answered(acme: Tenant, many_requests: None) -> None:
    issued = make_key(acme)
    owner = by(acme.owner)
    with Users(issued.secret):
        assert owner.post(f"{KEYS}/{issued.key.pk}/revoke").status_code == 200


def test_nothing_is_accepted_once_the_leak_report_was_answered(acme: Tenant, many_requests: None) -> None:
    issued = make_key(acme)
    owner = by(acme.owner)
    with Users(issued.secret):
        assert owner.post("/leak-reports", [{"token": issued.secret}]).status_code == 200


def test_the_old_secret_is_not_accepted_once_the_rotation_was_answered(acme: Tenant, many_requests: None) -> None:
    issued = make_key(acme)
    owner = by(acme.owner)
    with Users(issued.secret):
        assert owner.post(f"{KEYS}/{issued.key.pk}/rotate").status_code == 200


def test_a_service_account_that_is_switched_off_may_nothing_more(acme: Tenant) -> None:
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        account = create_service_account(
            organization=acme.organization, name="Judge", kind="evaluator", role=acme.role("admin"), actor=SYSTEM
        )
    issued = make_key(acme, "api_keys:read", kind="service_account", service_account=account)
    assert with_key(issued.secret).get(KEYS).status_code == 200
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        update_service_account(
            account=account, name="Judge", kind="evaluator", role=account.role, is_active=False, actor=SYSTEM
        )
    assert with_key(issued.secret).get(KEYS).status_code in {401, 403}


@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
def test_of_two_last_owners_one_stays(method: str, acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        members = {name: str(acme.membership(name).pk) for name in ("owner", "admin")}
        owner, viewer = str(acme.role("owner").pk), str(acme.role("viewer").pk)
    made = by(acme.owner).patch(f"/organizations/acme/members/{members['admin']}", {"role": owner})
    assert made.status_code == 200
    body = None if method == "DELETE" else {"role": viewer}
    responses = at_once(
        lambda: by(acme.owner)(method, f"/organizations/acme/members/{members['admin']}", body),
        lambda: by(acme.admin)(method, f"/organizations/acme/members/{members['owner']}", body),
    )
    with tenant_scope(acme.organization):
        assert Membership.objects.active_owners().count() == 1
    assert sum(response.status_code < 300 for response in responses) == 1
    assert sum(response.status_code in {403, 404, 409} for response in responses) == 1
