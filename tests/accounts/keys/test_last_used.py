"""When and from where a key was last used is written in batches, and never backwards."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.lookups import touch_keys
from accounts.models import ApiKey, PlatformKey
from accounts.services import key_authentication
from accounts.services.key_authentication import KeyRefused, authenticate_key
from accounts.services.platform_keys import create_platform_key
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tests.accounts.keys.stage import make_key
from tests.people import Tenant
from tests.tenants.stage import events


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time that the collector of uses reads, as a list of one number."""
    now = [1_000.0]
    monkeypatch.setattr("accounts.services.key_authentication.time.monotonic", lambda: now[0])
    monkeypatch.setattr(key_authentication, "_uses", key_authentication._Uses())
    return now


def used(tenant: Tenant, key: Any) -> ApiKey:
    with tenant_scope(tenant.organization):
        stored: ApiKey = ApiKey.objects.get(pk=key.pk)
    return stored


def writes(secret: str, times: int = 1, ip: str = "203.0.113.7") -> int:
    """Use a key so often; return how many writes that made."""
    with CaptureQueriesContext(connection) as queries:
        for _ in range(times):
            authenticate_key(secret=secret, ip=ip)
    return sum("accounts_touch_keys" in query["sql"] for query in queries)


def test_many_uses_are_one_write(acme: Tenant, globex: Tenant, clock: list[float]) -> None:
    with acme.acting("owner") as owner:
        first, second = make_key(acme, owner), make_key(acme, owner)
    with globex.acting("owner") as owner:
        third = make_key(globex, owner)
    keys = (first, second, third)
    assert [writes(one.secret) for one in keys] == [1, 1, 1], "the first use of each after a pause is shown at once"
    assert used(acme, second.key).last_used_ip == "203.0.113.7"
    assert [writes(one.secret, 50, "2001:db8::1") for one in keys] == [0, 0, 0]
    assert used(acme, second.key).last_used_ip == "203.0.113.7"
    clock[0] += 11
    assert writes(first.secret, 50, "203.0.113.9") == 1
    assert used(acme, second.key).last_used_ip == used(globex, third.key).last_used_ip == "2001:db8::1"
    assert used(acme, first.key).last_used_ip == "203.0.113.9"
    assert writes(second.secret) == 0, "it was written with the others"


def test_a_refused_use_is_no_use(acme: Tenant, clock: list[float]) -> None:
    with acme.acting("owner") as owner:
        issued = make_key(acme, owner, allowed_networks=["203.0.113.0/24"])
    with pytest.raises(KeyRefused):
        authenticate_key(secret=issued.secret, ip="198.51.100.1")
    with pytest.raises(KeyRefused):
        authenticate_key(secret=issued.secret, public_id="gatepk_other", ip="203.0.113.7")
    assert used(acme, issued.key).last_used_at is None


def test_nothing_is_written_backwards_and_no_event_is_made(acme: Tenant) -> None:
    with acme.acting("owner") as owner:
        issued = make_key(acme, owner)
    before, now = len(events(acme)), timezone.now()
    platform = create_platform_key(name="Router", actor=SYSTEM).key
    for key in (issued.key, platform):
        touch_keys({key.pk: (now, "203.0.113.7")})
        touch_keys({key.pk: (now - timedelta(hours=1), "198.51.100.1"), uuid.uuid4(): (now, None)})
    stored = used(acme, issued.key)
    assert (stored.last_used_at, stored.last_used_ip) == (now, "203.0.113.7")
    assert PlatformKey.objects.get().last_used_at == now
    touch_keys({issued.key.pk: (now + timedelta(hours=1), None)})
    assert used(acme, issued.key).last_used_ip is None
    assert len(events(acme)) == before
