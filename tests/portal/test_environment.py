"""Variables of the environment: strict values, secrets from files, one line that names the variable."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from portal.environment import ConfigurationError, Environment, own_names, read_dotenv


@pytest.mark.parametrize(
    ("value", "expected"), [("1", True), ("TRUE", True), ("on", True), ("no", False), ("0", False)]
)
def test_booleans(value: str, expected: bool) -> None:
    assert Environment({"DEMO": value}).boolean("DEMO", default=not expected) is expected


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("maybe", lambda env: env.boolean("NAME", default=False)),
        ("2", lambda env: env.boolean("NAME", default=False)),
        ("eight", lambda env: env.integer("NAME", default=1)),
        ("8.5", lambda env: env.integer("NAME", default=1)),
        ("0", lambda env: env.integer("NAME", default=1, minimum=1)),
        ("70000", lambda env: env.integer("NAME", default=1, maximum=65535, minimum=1)),
        ("staging", lambda env: env.choice("NAME", ("development", "production"), default="development")),
        ("10.0.0.0/99", lambda env: env.networks("NAME")),
        ("10.0.0.1/8", lambda env: env.networks("NAME")),
        ("portal.example.com", lambda env: env.origins("NAME")),
        ("https://portal.example.com/path", lambda env: env.origins("NAME")),
        ("mysql://a@b/c", lambda env: env.database("NAME")),
        ("postgresql://app@db:5432/", lambda env: env.database("NAME")),
        ("postgresql://app@db:port/gatehouse", lambda env: env.database("NAME")),
        ("carrier-pigeon://loft", lambda env: env.email("NAME")),
        ("http://redis:6379", lambda env: env.url("NAME", ("redis", "rediss"))),
        ("", lambda env: env.required("NAME", "it must be there")),
    ],
)
def test_a_malformed_value_is_one_line_that_names_the_variable(value: str, read: Callable[[Environment], Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(Environment({"NAME": value}))
    message = str(caught.value)
    assert message.startswith("NAME: ")
    assert "\n" not in message


def test_a_password_is_not_repeated_in_the_complaint() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Environment({"DATABASE_URL": "mysql://app:hunter2@db/gatehouse"}).database("DATABASE_URL")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("rest", ["@db:x/gatehouse", "/x@db:5432/gatehouse"])
def test_a_malformed_url_does_not_repeat_the_password(rest: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Environment({"DATABASE_URL": f"postgresql://app:hunter2{rest}"}).database("DATABASE_URL")
    assert "hunter2" not in str(caught.value)


def test_a_secret_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n", encoding="utf-8")
    assert Environment({"SECRET_KEY_FILE": str(secret)}).text("SECRET_KEY") == "s3cret"


def test_a_database_url_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://app:p%40ss@db:5433/gatehouse?sslmode=require", encoding="utf-8")
    config = Environment({"DATABASE_URL_FILE": str(file)}).database("DATABASE_URL")
    assert config is not None
    assert (config["NAME"], config["USER"], config["PASSWORD"]) == ("gatehouse", "app", "p@ss")
    assert (config["HOST"], config["PORT"], config["OPTIONS"]) == ("db", 5433, {"sslmode": "require"})


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_a_missing_or_empty_secret_file_is_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"^SECRET_KEY_FILE: ") as caught:
        Environment({"SECRET_KEY_FILE": str(file)}).text("SECRET_KEY")
    assert str(file) in str(caught.value)


def test_a_variable_and_its_file_together_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("one", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="not both"):
        Environment({"SECRET_KEY": "two", "SECRET_KEY_FILE": str(file)}).text("SECRET_KEY")


def test_an_empty_value_counts_as_unset() -> None:
    env = Environment({"PORT": "", "ALLOWED_HOSTS": " "})
    assert env.integer("PORT", default=8000) == 8000
    assert env.strings("ALLOWED_HOSTS", ["localhost"]) == ["localhost"]


def test_lists_and_networks() -> None:
    env = Environment({"TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.1 ,", "ORIGINS": "https://a.example/,http://b:8000"})
    assert [str(network) for network in env.networks("TRUSTED_PROXIES")] == ["10.0.0.0/8", "192.0.2.1/32"]
    assert env.origins("ORIGINS") == ["https://a.example", "http://b:8000"]


def test_the_environment_wins_over_dotenv(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("# a comment\nPORT=9000\nHOST='::1'\n", encoding="utf-8")
    variables = {"PORT": "8000"}
    read_dotenv(dotenv, into=variables)
    assert variables == {"PORT": "8000", "HOST": "::1"}


def test_a_server_on_every_address_is_known_by_each_of_them() -> None:
    assert own_names("192.0.2.1") == ["192.0.2.1"]
    assert own_names("::1") == ["[::1]"]
    assert "127.0.0.1" in own_names("0.0.0.0")  # noqa: S104 - compared only
