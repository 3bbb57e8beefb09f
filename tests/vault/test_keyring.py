"""The keyring: numbered keys out of the environment, one line for what is malformed, no material in any of it."""

import base64
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.bootstrap import ensure_secrets
from portal.environment import ConfigurationError, checked
from tests.running import ROOT
from tests.vault.conftest import Keys, material
from vault.configuration import (
    KmsKey,
    LocalKey,
    TransitKey,
    active_number,
    check_address,
    parse_keys,
    parse_peppers,
    refuse_development_keys,
)
from vault.exceptions import KeyUnavailable, MalformedKeyring, MissingKey, WrongKey
from vault.hidden import Hidden
from vault.keyring import keyring

CONTEXT = {"organization": "a", "data_key": "b"}


def test_keys_of_every_kind_are_read() -> None:
    text = f"1:{material('a')}, 2:transit:gatehouse,3:kms:arn:aws:kms:eu-central-1:111122223333:key/1234,"
    found = parse_keys(text + "4:kms:alias/gatehouse")
    assert list(found) == [1, 2, 3, 4]
    assert isinstance(found[1], LocalKey)
    assert found[2] == TransitKey("gatehouse")
    assert found[3] == KmsKey("arn:aws:kms:eu-central-1:111122223333:key/1234")
    assert active_number(found, 0) == 4
    assert active_number(found, 2) == 2


SHORT = base64.b64encode(b"short").decode()
MALFORMED = [
    "",
    ",",
    material("a"),
    f"one:{material('a')}",
    f"0:{material('a')}",
    f"-1:{material('a')}",
    f"32768:{material('a')}",
    f"99999999999999999999:{material('a')}",
    f"\u0661:{material('a')}",
    "1:",
    "1:s3cret-not-base64!",
    f"1:{SHORT}",
    f"1:{base64.b64encode(bytes(32)).decode()}",
    f"1:{material('a')},1:{material('b')}",
    f"1:{material('a')}\x00",
    "1:transit:",
    "1:transit:../sys/seal",
    "1:kms:",
    "1:gcp:key",
]


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_keyring_is_one_line_without_the_material(text: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        checked("KEYRING_KEYS", parse_keys, text)
    line = str(refused.value)
    assert line.startswith("KEYRING_KEYS: ")
    assert "\n" not in line
    assert all(secret not in line for secret in (material("a"), SHORT, "s3cret"))


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    for parse in (parse_keys, parse_peppers):
        line = ""
        try:
            parse(text)
        except MalformedKeyring as refused:
            line = str(refused)
        assert "\n" not in line


@pytest.mark.parametrize("text", ["1:transit:pepper", "1:kms:alias/pepper"])
def test_a_pepper_is_always_bytes(text: str) -> None:
    with pytest.raises(MalformedKeyring, match="number 1 is not base64"):
        parse_peppers(text)


def test_the_active_number_must_be_there() -> None:
    with pytest.raises(MalformedKeyring, match="number 3 is not in the keyring, which has 1, 2"):
        active_number([2, 1], 3)


def test_development_keys_are_marked_and_refused(tmp_path: Path) -> None:
    made = ensure_secrets(tmp_path / "home" / "secrets.env")
    assert ensure_secrets(tmp_path / "home" / "secrets.env") == made
    assert (tmp_path / "home" / "secrets.env").stat().st_mode & 0o777 == 0o600
    for name in ("KEYRING_KEYS", "KEYRING_PEPPERS"):
        found = parse_keys(made[name])
        assert made[name].startswith("1:development.")
        with pytest.raises(MalformedKeyring, match="number 1 was made for development"):
            refuse_development_keys(found)
    refuse_development_keys(parse_keys(f"1:{material('a')},2:transit:gatehouse"))


def test_an_installation_that_has_a_secret_key_gets_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "secrets.env"
    file.write_text("SECRET_KEY=former\n", encoding="utf-8")
    assert ensure_secrets(file)["SECRET_KEY"] == "former"
    assert file.read_text(encoding="utf-8").splitlines()[0] == "SECRET_KEY=former"
    assert set(ensure_secrets(file)) == {"SECRET_KEY", "KEYRING_KEYS", "KEYRING_PEPPERS"}


def configuration_of(home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Return what a fresh process makes of the variables."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    ours = {"DJANGO_SETTINGS_MODULE": "portal.settings", "GATEHOUSE_DOTENV": "", "GATEHOUSE_HOME": str(home)}
    program = (
        "from vault.keyring import keyring; import sys; k = keyring(); print(repr(k), k.active_key, k.active_pepper,"
        " len(k.pepper(k.active_pepper)), [m for m in ('boto3', 'hvac', 'vault.models') if m in sys.modules])"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=inherited | ours | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_process_without_django_setup_has_peppers_and_loads_no_models(tmp_path: Path) -> None:
    result = configuration_of(tmp_path)
    assert result.stdout.strip() == "<Keyring: keys (1,), peppers (1,)> 1 1 32 []", result.stderr
    secret_key = tmp_path / "key"
    secret_key.write_text("k" * 50, encoding="utf-8")
    keys_file = tmp_path / "keys"
    keys_file.write_text(f"7:{material('a')}\n", encoding="utf-8")
    mixed = configuration_of(tmp_path, SECRET_KEY_FILE=str(secret_key), KEYRING_KEYS_FILE=str(keys_file))
    assert mixed.stdout.strip() == "<Keyring: keys (7,), peppers (1,)> 7 1 32 []", mixed.stderr


def test_one_keyring_for_the_process_and_its_repr_shows_numbers_only(keys: Keys) -> None:
    configuration = keys(f"1:{material('a')},2:{material('b')}", peppers=f"1:{material('p')},3:{material('q')}")
    ring = keyring()
    assert keyring() is ring
    assert (ring.key_numbers, ring.pepper_numbers, ring.active_key, ring.active_pepper) == ((1, 2), (1, 3), 2, 3)
    assert ring.pepper(3) == base64.b64decode(material("q"))
    for shown in (repr(ring), repr(configuration)):
        assert material("a") not in shown
        assert repr(base64.b64decode(material("a"))) not in shown


def test_a_missing_key_or_pepper_is_named(keys: Keys) -> None:
    keys(f"1:{material('a')},4:transit:gatehouse", active_key=1, transit=None)
    with pytest.raises(MissingKey, match=r"pepper 9 is not in the keyring\. Put it back into KEYRING_PEPPERS"):
        keyring().pepper(9)
    with pytest.raises(MissingKey, match=r"key 9 is not in the keyring\. Put it back into KEYRING_KEYS"):
        keyring().provider(9)
    with pytest.raises(KeyUnavailable, match="key 4 cannot be used now: KEYRING_TRANSIT_ADDRESS is not set"):
        keyring().provider(4)


def test_a_local_key_gives_back_what_it_wrapped_and_nothing_else(keys: Keys) -> None:
    keys(f"1:{material('a')},2:{material('b')}")
    wrapped = keyring().provider(1).wrap(Hidden(b"k" * 32), CONTEXT)
    assert b"k" * 8 not in wrapped
    assert keyring().provider(1).unwrap(wrapped, CONTEXT) == Hidden(b"k" * 32)
    for number, context, text in [
        (2, CONTEXT, wrapped),
        (1, CONTEXT | {"organization": "c"}, wrapped),
        (1, CONTEXT, wrapped[:-1]),
        (1, CONTEXT, b""),
    ]:
        with pytest.raises(WrongKey, match=f"key {number} does not open"):
            keyring().provider(number).unwrap(text, context)


def test_hidden_bytes_do_not_show() -> None:
    hidden = Hidden(b"s3cret")
    assert f"{hidden} {hidden!r}" == "[hidden] [hidden]"
    assert hidden == Hidden(b"s3cret") != Hidden(b"other")
    with pytest.raises(TypeError):
        pickle.dumps(hidden)


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("vault:8200", "is not an address"),
        ("ftp://vault", "is not an address"),
        ("https://", "is not an address"),
        ("https://user:pass@vault:8200", "carries a password"),
        ("http://vault:8200", "plain HTTP"),
    ],
)
def test_a_transit_address_is_https_unless_allowed(address: str, problem: str) -> None:
    with pytest.raises(MalformedKeyring, match=problem) as refused:
        check_address(address, allow_http=False)
    assert "pass@" not in str(refused.value)
    assert check_address("http://vault:8200/", allow_http=True) == "http://vault:8200"
