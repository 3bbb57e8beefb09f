"""The process: what it has loaded, what it says about itself, and how it ends."""

from accounts.models import ApiKey, PlatformKey
from accounts.services.key_rules import IssuedKey
from isolation.scope import tenant_scope
from tests.gateway.process import Gateway, basic, wait_until_trusted
from tests.gateway.stage import Keys
from tests.people import Tenant

# What the settings themselves consist of.
SETTINGS = {"portal", "portal.settings"}
SETTINGS |= {f"portal.{name}" for name in ("bootstrap", "embedded_postgres", "environment", "logs")}
HEAVY = {"allauth", "celery", "guardian", "rest_framework", "unfold", "hvac", "boto3"}


def test_the_running_process_carries_no_framework(keys: Keys, platform: IssuedKey) -> None:
    with Gateway(application="tests.gateway.inspected:application") as gateway:
        wait_until_trusted(gateway)
        assert gateway.ask(basic(platform), keys.project().secret).is_active
        loaded = set(gateway.get("/modules").json)
    assert not {name for name in loaded if name.partition(".")[0] in HEAVY}
    assert {name for name in loaded if name.partition(".")[0] == "portal"} <= SETTINGS
    models = {name for name in loaded if ".models" in name and name.partition(".")[0] not in {"django", "psycopg"}}
    assert models == set()


def test_it_says_how_it_is(gateway: Gateway, platform: IssuedKey, keys: Keys) -> None:
    assert gateway.ask(basic(platform), keys.project().secret).is_active
    ready = gateway.get("/healthz/ready")
    assert ready.status == 200
    assert ready.json["checks"] == {"database": "ok", "database_role": "ok", "memory": "trusted"}
    assert ready.json["keys"] >= 1


def test_a_stop_writes_what_was_used(platform: IssuedKey, keys: Keys, acme: Tenant) -> None:
    """Uses are written in batches; those of the last seconds are not lost when the process is told to end."""
    used, unused = keys.project(), keys.project()
    with Gateway() as gateway:
        wait_until_trusted(gateway)
        for address in ("192.0.2.1", "2001:db8::7"):
            assert gateway.ask(basic(platform), used.secret, client_ip=address).is_active
            assert gateway.ask(basic(platform), used.secret, client_ip=address).is_active
    with tenant_scope(acme.organization):
        stored = ApiKey.objects.get(pk=used.key.pk)
        assert stored.last_used_at > stored.created_at
        assert stored.last_used_ip == "2001:db8::7"
        assert ApiKey.objects.get(pk=unused.key.pk).last_used_at is None
    caller = PlatformKey.objects.get(pk=platform.key.pk)
    assert caller.last_used_at is not None
    assert caller.last_used_ip == "127.0.0.1"


def test_it_serves_one_port_with_several_processes(platform: IssuedKey, keys: Keys) -> None:
    with Gateway(workers=2) as gateway:
        assert len(gateway.workers()) >= 2
        token = keys.project().secret
        assert all(gateway.ask(basic(platform), token).is_active for _ in range(20))
