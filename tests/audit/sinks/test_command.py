"""``manage.py sink``: the same by the command line, of organizations and of the installation."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit.models import Sink
from isolation.scope import INSTALLATION, tenant_scope
from tests.audit.sinks.receivers import Answer, Receiver
from tests.audit.sinks.stage import happen, letters_of, sealed, turns
from tests.people import Tenant
from tests.tenants.stage import events


def run(*arguments: str) -> Any:
    out = StringIO()
    call_command("sink", *arguments, stdout=out)
    return json.loads(out.getvalue())


def add(receiver: Receiver, *whose: str) -> Any:
    return run(
        "add", *whose, "--kind", "webhook", "--name", "Our SIEM", "--option", f"url={receiver.url}",
        "--from-beginning", "--batch-seconds", "0",
    )  # fmt: skip


def test_one_is_added_tested_paused_resumed_replayed_and_removed(acme: Tenant, receiver: Receiver) -> None:
    whose = ("--organization", "acme")
    made = add(receiver, *whose)
    assert made["secret"].startswith("whsec_")
    happen(acme, 3)
    turns()
    (listed,) = run("list", *whose)
    assert (listed["state"], listed["next_seq"]) == ("up_to_date", sealed(acme))
    assert "secret" not in listed
    assert run("test", *whose, "our siem") == {"accepted": True, "answer": ""}
    receiver.rule = lambda _request: Answer(401)
    assert run("test", *whose, "our siem")["accepted"] is False
    receiver.rule = lambda _request: Answer()
    assert run("pause", *whose, made["id"])["is_active"] is False
    assert run("resume", *whose, made["id"])["is_active"] is True
    assert run("try", *whose, made["id"])["id"] == made["id"]
    assert run("replay", *whose, made["id"], "--from", "1") == {"events": sealed(acme) - 1}
    assert run("replay", *whose, made["id"], "--since", "2020-01-01")["events"] == sealed(acme)
    shown = run("show", *whose, "Our SIEM")
    assert shown["options"] == {"url": receiver.url}
    assert shown["refused"] == 0
    assert run("remove", *whose, "Our SIEM")["removed"] is True
    assert run("list", *whose) == []
    assert "(command line)" in events(acme, "sink.created")[0].actor_label


def test_fields_are_chosen(acme: Tenant, receiver: Receiver) -> None:
    whose = ("--organization", "acme")
    told = ("--kind", "webhook", "--name", "Short", "--option", f"url={receiver.url}", "--no-proofs")
    with pytest.raises(CommandError, match="no field 'colour'"):
        run("add", *whose, *told, "--fields", "colour")
    run("add", *whose, *told, "--fields", "ip, actor_label")
    assert run("show", *whose, "short")["sent_fields"] == ["actor_label", "ip"]


def test_one_of_the_installation(db: None, receiver: Receiver) -> None:
    made = add(receiver, "--installation")
    with tenant_scope(INSTALLATION):
        sink = Sink.objects.get(pk=made["id"])
        assert sink.receives_every_log
    assert [row["name"] for row in run("list", "--installation")] == ["Our SIEM"]
    assert letters_of(sink) == []


def test_secrets_come_from_files(acme: Tenant, receiver: Receiver, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("whsec_" + "QUJD" * 10 + "\n")
    made = run(
        "add", "--organization", "acme", "--kind", "webhook", "--name", "Ours", "--option", f"url={receiver.url}",
        "--option-file", f"secret={file}",
    )  # fmt: skip
    assert "secret" not in made
    with tenant_scope(acme.organization):
        assert Sink.objects.get().revealed()["secret"] == "whsec_" + "QUJD" * 10


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("list", "--organization", "nowhere"), "no organization nowhere"),
        (("show", "--organization", "acme", "absent"), "There are: none"),
        (("add", "--organization", "acme", "--kind", "pigeon", "--name", "x"), "no destination"),
        (("add", "--organization", "acme", "--kind", "webhook", "--name", "x"), "Address is needed"),
        (("add", "--organization", "acme", "--kind", "webhook", "--name", "x", "--option", "url"), "NAME=VALUE"),
        (
            ("add", "--organization", "acme", "--kind", "webhook", "--name", "x", "--option-file", "secret=/absent"),
            "cannot be read",
        ),
    ],
)
def test_what_is_wrong_is_said(acme: Tenant, arguments: tuple[str, ...], text: str) -> None:
    with pytest.raises(CommandError, match=text):
        run(*arguments)


def test_a_time_that_is_none_is_refused(acme: Tenant, receiver: Receiver) -> None:
    add(receiver, "--organization", "acme")
    with pytest.raises(CommandError, match="is no time"):
        run("replay", "--organization", "acme", "Our SIEM", "--since", "yesterday")
