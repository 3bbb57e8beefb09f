"""Key-encryption keys in AWS KMS (moto's server, over HTTP) and in a transit engine, also while these are away."""

import socket
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from moto.server import ThreadedMotoServer

from isolation.scope import tenant_scope
from tests.people import Tenant
from tests.vault.conftest import Keys, material
from tests.vault.stage import PLAIN, attributed, load, make_note, raw, reveal
from tests.vault.transit import Engine, transit_engine
from vault.cache import unwrapped
from vault.checks import check_keyring
from vault.configuration import KmsAccess, KmsKey, TransitAccess
from vault.exceptions import KeyUnavailable, WrongKey
from vault.hidden import Hidden
from vault.keyring import keyring
from vault.models import DataKey

CONTEXT = {"organization": "a", "data_key": "b"}
KEY = Hidden(b"k" * 32)


@pytest.fixture
def engine() -> Iterator[Engine]:
    with transit_engine() as running:
        yield running


@pytest.fixture
def transit(engine: Engine, keys: Keys) -> Engine:
    access = TransitAccess(address=engine.address, token=lambda: "first-token", timeout=1)
    keys(f"1:{material('a')},2:transit:gatehouse,3:transit:second,4:transit:nobody", active_key=2, transit=access)
    return engine


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def kms(moto: str, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    client: Any = boto3.client("kms", region_name="eu-central-1", endpoint_url=moto)
    one, two = (client.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
    client.close()
    access = KmsAccess(region="eu-central-1", endpoint=moto, timeout=2)
    keys(f"1:{material('a')},2:kms:{one},3:kms:{two},4:kms:alias/nobody", active_key=2, kms=access)
    return moto


@pytest.mark.parametrize("service", ["transit", "kms"])
def test_it_wraps_and_unwraps_and_binds_to_the_context(service: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(service)
    provider = keyring().provider(2)
    wrapped = provider.wrap(KEY, CONTEXT)
    assert KEY.expose() not in wrapped
    assert provider.unwrap(wrapped, CONTEXT) == KEY
    for number, text, context in [
        (3, wrapped, CONTEXT),
        (2, wrapped, CONTEXT | {"organization": "stranger"}),
        (2, b"vault:v1:AAAA", CONTEXT),
    ]:
        with pytest.raises((WrongKey, KeyUnavailable), match=f"key {number} "):
            keyring().provider(number).unwrap(text, context)
    with pytest.raises(KeyUnavailable, match=r"key 4 cannot be used now: .*refused") as refused:
        keyring().provider(4).wrap(KEY, CONTEXT)
    assert "\n" not in str(refused.value)


def test_a_transit_engine_that_refuses_or_is_sealed_is_named(transit: Engine) -> None:
    wrapped = keyring().provider(2).wrap(KEY, CONTEXT)
    transit.token = "another"
    with pytest.raises(KeyUnavailable, match=r"key 2 cannot be used now: .* refused: permission denied") as refused:
        keyring().provider(2).unwrap(wrapped, CONTEXT)
    assert "first-token" not in str(refused.value)
    transit.sealed = True
    with pytest.raises(KeyUnavailable, match="Vault is sealed"):
        keyring().provider(2).wrap(KEY, CONTEXT)


def test_a_renewed_token_is_read_again(engine: Engine, keys: Keys, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first-token", encoding="utf-8")
    access = TransitAccess(address=engine.address, token=lambda: file.read_text(encoding="utf-8"), namespace="team")
    keys("2:transit:gatehouse", transit=access)
    wrapped = keyring().provider(2).wrap(KEY, CONTEXT)
    engine.token = "second-token"
    file.write_text("second-token", encoding="utf-8")
    assert keyring().provider(2).unwrap(wrapped, CONTEXT) == KEY
    assert engine.namespaces == {"team"}
    assert "token" not in repr(access)


def test_a_silent_engine_is_given_up_after_the_timeout(transit: Engine) -> None:
    transit.silent.clear()
    with pytest.raises(KeyUnavailable, match=r"key 2 .*does not answer .ReadTimeout."):
        keyring().provider(2).wrap(KEY, CONTEXT)


@pytest.mark.parametrize("kind", ["transit", "kms"])
def test_nobody_listening_is_one_clear_error(kind: str, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
    keys(
        f"2:{kind}:gatehouse",
        transit=TransitAccess(address=nobody, token=lambda: "t", timeout=1),
        kms=KmsAccess(region="eu-central-1", endpoint=nobody, timeout=1),
    )
    with pytest.raises(KeyUnavailable, match=r"key 2 cannot be used now: .*does not answer"):
        keyring().provider(2).wrap(KEY, CONTEXT)


def test_kms_without_credentials_is_one_clear_error(kms: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(KeyUnavailable, match=r"key 2 .*NoCredentialsError"):
        keyring().provider(2).wrap(KEY, CONTEXT)


@pytest.mark.usefixtures("notes")
class TestSecretsOfAProvider:
    """Rows whose data key a provider wraps."""

    def test_the_provider_is_asked_once_for_many_rows(self, acme: Tenant, transit: Engine) -> None:
        made = [make_note(acme, f"s{n}") for n in range(5)]
        unwrapped.forget()
        transit.requests.clear()
        assert [reveal(acme, note) for note in made] == [f"s{n}" for n in range(5)]
        assert transit.requests == ["/v1/transit/decrypt/gatehouse"]

    def test_kms_serves_rows_too(self, acme: Tenant, kms: str) -> None:
        note = make_note(acme)
        unwrapped.forget()
        reveal(acme, note)
        with tenant_scope(acme.organization):
            assert DataKey.objects.get().wrapped_by == 2
        assert check_keyring(databases=["default"]) == []

    def test_data_keys_move_from_one_kind_of_key_to_another(
        self, acme: Tenant, engine: Engine, kms: str, keys: Keys
    ) -> None:
        in_kms = settings.KEYRING.keys[2]
        assert isinstance(in_kms, KmsKey)
        access = TransitAccess(address=engine.address, token=lambda: "first-token", timeout=1)
        kinds = [f"1:{material('a')}", f"2:kms:{in_kms.key_id}", "3:transit:gatehouse", f"4:{material('b')}"]
        keys(kinds[0])
        note = make_note(acme)
        for position in (1, 2, 3):
            keys(",".join(kinds[position - 1 : position + 1]), transit=access)
            call_command("rotate_keys", stdout=StringIO(), stderr=StringIO())
            keys(kinds[position], transit=access)
            with tenant_scope(acme.organization):
                assert DataKey.objects.get().wrapped_by == position + 1
            assert reveal(acme, note) == PLAIN

    def test_a_rotation_to_a_key_that_is_away_changes_nothing(self, acme: Tenant, transit: Engine, keys: Keys) -> None:
        keys(f"1:{material('a')}")
        make_note(acme)
        away = TransitAccess(address=transit.address, token=lambda: "wrong", timeout=1)
        keys(f"1:{material('a')},2:transit:gatehouse", transit=away)
        with pytest.raises(CommandError, match="key 2 cannot be used now") as refused:
            call_command("rotate_keys", "--data-keys", stdout=StringIO(), stderr=StringIO())
        assert refused.value.returncode == 1
        with tenant_scope(acme.organization):
            assert (DataKey.objects.get().wrapped_by, DataKey.objects.get().version) == (1, 1)

    def test_while_it_is_away_nothing_opens_and_nothing_is_overwritten(
        self, acme: Tenant, transit: Engine, superuser
    ) -> None:
        note = make_note(acme, "first")
        stored = raw(superuser, note)
        unwrapped.forget()
        transit.sealed = True
        with pytest.raises(KeyUnavailable, match="key 2 "):
            reveal(acme, note)
        loaded = load(acme, note)
        with pytest.raises(KeyUnavailable, match="key 2 "), tenant_scope(acme.organization):
            attributed(acme)
            loaded.secret = "second"
            loaded.save()
        assert raw(superuser, note) == stored
        (error,) = check_keyring(databases=["default"])
        assert error.id == "vault.E004"
        assert "key 2 cannot be used now" in error.msg
        transit.sealed = False
        assert reveal(acme, note) == "first"
