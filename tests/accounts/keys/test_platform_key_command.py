"""`manage.py platform_key`: keys of the platform itself."""

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import PlatformKey
from accounts.services.platform_keys import revoke_platform_key, rotate_platform_key, update_platform_key
from isolation.actor import SYSTEM
from isolation.exceptions import DomainError
from tests.accounts.keys.stage import refusal
from tests.accounts.log import of_installation

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> Any:
    out, err = io.StringIO(), io.StringIO()
    call_command("platform_key", *arguments, stdout=out, stderr=err)
    assert "gatesk_" not in err.getvalue()
    return json.loads(out.getvalue())


def test_a_key_from_creation_to_its_end() -> None:
    made = run("create", "--name", "Router", "--expires-in", "52w", "--note", "Checks keys")
    (listed,) = run("list")
    assert listed == {name: value for name, value in made.items() if name != "secret"}
    assert refusal(made["secret"]) == ""
    rotated = run("rotate", "Router")
    assert (refusal(made["secret"]), refusal(rotated["secret"])) == ("unknown", "")
    assert run("revoke", made["public_id"], "--reason", "Retired")["state"] == "revoked"
    assert refusal(rotated["secret"]) == "revoked"
    told = [event for event in of_installation() if event.action.startswith("platform_key.")]
    assert [event.action.partition(".")[2] for event in told] == ["created", "rotated", "revoked"]
    assert {event.via for event in told} == {"cli"}
    assert not any("gatesk_" in json.dumps([event.before, event.after]) for event in told)


def test_a_revoked_key_is_neither_changed_nor_revoked_again() -> None:
    run("create", "--name", "Router")
    run("revoke", "Router")
    key = PlatformKey.objects.get()
    refusals = []
    for change in (
        lambda: update_platform_key(key=key, name="Other", actor=SYSTEM),
        lambda: rotate_platform_key(key=key, actor=SYSTEM),
        lambda: revoke_platform_key(key=key, actor=SYSTEM),
    ):
        with pytest.raises(DomainError) as refused:
            change()
        refusals.append(refused.value.code)
    assert refusals == ["revoked", "revoked", "already_revoked"]
    assert PlatformKey.objects.get().name == "Router"
    told = [event.action for event in of_installation() if event.action.startswith("platform_key.")]
    assert told == ["platform_key.created", "platform_key.revoked"]


def test_a_predefined_secret_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    call_command("api_key", "generate", "--kind", "platform", stdout=out)
    monkeypatch.setenv("ROUTER_KEY", json.loads(out.getvalue())["secret"])
    run("create", "--name", "Router", "--secret-env", "ROUTER_KEY")
    assert refusal(json.loads(out.getvalue())["secret"]) == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "--name", " "], "Say what it is called"),
        (["create", "--name", "Router"], "There is already a platform key with this name."),
        (["create", "--name", "x", "--network", "all"], "“all” is no IP address or network."),
        (["rotate", "Nobody"], "There is no platform key Nobody."),
        (["revoke", "gatepk_none"], "There is no platform key gatepk_none."),
    ],
)
def test_a_refusal_is_one_line_and_changes_nothing(arguments: list[str], said: str) -> None:
    run("create", "--name", "Router")
    before = [str(key) for key in PlatformKey.objects.all()]
    with pytest.raises(CommandError) as refused:
        run(*arguments)
    assert "\n" not in str(refused.value)
    assert said == "Say what it is called" or str(refused.value).startswith(said)
    assert [str(key) for key in PlatformKey.objects.all()] == before


def test_a_secret_is_no_name() -> None:
    made = run("create", "--name", "Router")
    with pytest.raises(CommandError) as refused:
        run("revoke", made["secret"])
    assert made["secret"] not in str(refused.value)
