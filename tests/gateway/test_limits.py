"""Guessing runs out; what is known goes on working."""

import time

import pytest

from accounts.key_format import new_secret
from accounts.services.key_rules import IssuedKey
from gateway.hotpath.limiter import Limiter
from isolation.addresses import counted_as
from tests.gateway.process import Gateway, basic
from tests.gateway.stage import Keys
from tests.people import Tenant


def test_a_bucket_fills_and_leaks() -> None:
    limiter = Limiter(60)
    for _ in range(60):
        assert limiter.wait("a", 100.0) == 0
        limiter.count("a", 100.0)
    assert limiter.wait("a", 100.0) > 0
    assert limiter.wait("b", 100.0) == 0
    assert limiter.wait("a", 101.1) == 0
    limiter.count("a", 101.1)
    assert limiter.wait("a", 101.1) > 0
    assert limiter.wait("a", 1000.0) == 0


@pytest.mark.parametrize(
    ("address", "bucket"),
    [("192.0.2.1", "192.0.2.1"), ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"), (None, "")],
)
def test_whoever_has_a_network_has_one_bucket(address: str | None, bucket: str) -> None:
    assert counted_as(address) == bucket


def test_guessing_by_address_runs_out(platform: IssuedKey, keys: Keys) -> None:
    """Each end client has its own number of guesses; known keys of the same address go on working."""
    with Gateway(GATEWAY_GUESSES_PER_MINUTE="20", GATEWAY_CACHE_SECONDS="1") as gateway:
        known, fresh = keys.project().secret, keys.project().secret
        assert gateway.ask(basic(platform), known, client_ip="192.0.2.1").is_active
        replies = [
            gateway.ask(basic(platform), new_secret("project", "production"), client_ip="192.0.2.1") for _ in range(30)
        ]
        statuses = [reply.status for reply in replies]
        assert statuses[:20] == [200] * 20
        assert statuses[-1] == 429
        reply = replies[-1]
        assert int(reply.headers["retry-after"]) >= 1
        assert reply.json["code"] == "too_many_guesses"
        assert gateway.ask(basic(platform), fresh, client_ip="192.0.2.1").status == 429
        assert gateway.ask(basic(platform), fresh, client_ip="192.0.2.2").is_active
        until = time.monotonic() + 1.3  # longer than memory lasts: a key that proved right is no guess
        while time.monotonic() < until:
            assert gateway.ask(basic(platform), known, client_ip="192.0.2.1").is_active
        typo = gateway.ask(basic(platform), known[:-1] + "!", client_ip="192.0.2.1")
        assert not typo.is_active  # refused by its checksum: nobody was asked, so nothing is counted


def test_guessing_a_callers_secret_runs_out_by_its_public_id(platform: IssuedKey, keys: Keys) -> None:
    with Gateway(GATEWAY_GUESSES_PER_KEY="5") as gateway:
        token = keys.project().secret
        other = keys.caller()
        assert gateway.ask(basic(platform), token).is_active
        statuses = [
            gateway.ask(basic(IssuedKey(platform.key, new_secret("platform", "production"))), token).status
            for _ in range(8)
        ]
        assert statuses[:5] == [401] * 5
        assert statuses[-1] == 429
        assert gateway.ask(basic(platform), token).is_active
        assert gateway.ask(basic(other), token).is_active


def test_an_address_that_a_service_names_is_charged_in_its_organization_alone(
    platform: IssuedKey, keys: Keys, globex: Tenant
) -> None:
    with Gateway(GATEWAY_GUESSES_PER_MINUTE="5") as gateway:
        rival, fresh = Keys(globex).caller(), keys.project().secret
        statuses = [
            gateway.ask(basic(rival), new_secret("project", "production"), client_ip="127.0.0.1").status
            for _ in range(7)
        ]
        assert statuses[-1] == 429
        assert gateway.ask(basic(keys.caller()), fresh, client_ip="127.0.0.1").is_active
        assert gateway.ask(basic(platform), keys.project().secret).is_active


def test_whoever_knows_a_public_id_does_not_shut_its_holder_out(platform: IssuedKey, keys: Keys) -> None:
    with Gateway(GATEWAY_GUESSES_PER_KEY="5", TRUSTED_PROXIES="127.0.0.1") as gateway:
        token = keys.project().secret
        statuses = [
            gateway.ask(
                basic(IssuedKey(platform.key, new_secret("platform", "production"))), token, address="192.0.2.66"
            ).status
            for _ in range(8)
        ]
        assert statuses[-1] == 429
        assert gateway.ask(basic(platform), token, address="192.0.2.66").status == 429
        assert gateway.ask(basic(platform), token, address="192.0.2.7").is_active
