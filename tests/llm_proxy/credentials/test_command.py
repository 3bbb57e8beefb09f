"""``manage.py provider_credential``: the same by the command line."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.audit.sinks.receivers import Receiver
from tests.llm_proxy.credentials.stage import OTHER, SECRET, credential_of, headers_of, hot
from tests.people import Tenant
from tests.tenants.stage import events

ACME = ("--organization", "acme")


def run(*arguments: str) -> Any:
    out = StringIO()
    call_command("provider_credential", *arguments, stdout=out)
    assert SECRET not in out.getvalue()
    assert OTHER not in out.getvalue()
    return json.loads(out.getvalue())


def test_one_is_added_tested_rotated_put_back_switched_and_deleted(
    acme: Tenant, provider: Receiver, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text(f"{SECRET}\n")
    second.write_text(OTHER)
    made = run(
        "add", *ACME, "--project", "chatbot", "--name", "vLLM", "--provider", "openai_compatible",
        "--base-url", provider.url, "--model", "llama-*", "--secret-file", str(first),
    )  # fmt: skip
    assert (made["project"], made["allowed_models"], made["last_four"]) == ("chatbot", ["llama-*"], "WXYZ")
    assert [each["id"] for each in run("list", *ACME)] == [made["id"]]
    assert run("test", *ACME, "vllm") == {"accepted": True, "text": "The provider accepted it."}
    rotated = run("rotate", *ACME, made["id"], "--secret-file", str(second), "--overlap-hours", "2")
    assert rotated["former_secret_until"]
    assert headers_of(*hot(acme)) == [(b"authorization", f"Bearer {OTHER}".encode())]
    assert run("put-back", *ACME, "vLLM")["last_four"] == "WXYZ"
    assert run("disable", *ACME, "vLLM")["is_enabled"] is False
    assert run("enable", *ACME, "vLLM")["is_enabled"] is True
    (step,) = run("resolve", *ACME, "--project", "chatbot", "--model", "llama-3")
    assert step["use"] == "first"
    assert run("delete", *ACME, "vLLM")["deleted"] is True
    assert run("list", *ACME) == []
    assert "(command line)" in events(acme, "provider_credential.created")[0].actor_label


def test_what_is_meant_has_to_be_clear(acme: Tenant, globex: Tenant, tmp_path: Path) -> None:
    credential_of(acme)
    own = credential_of(acme, project=acme.project)
    foreign = credential_of(globex)
    with pytest.raises(CommandError, match="Several credentials are called OpenAI"):
        run("disable", *ACME, "OpenAI")
    assert run("disable", *ACME, "OpenAI", "--project", "chatbot")["id"] == str(own.pk)
    for named, said in (
        (("disable", *ACME, str(foreign.pk)), "There is no credential"),
        (("disable", "--organization", "nowhere", "OpenAI"), "no organization nowhere"),
        (("list", *ACME, "--project", "nowhere"), "no project nowhere"),
        (("rotate", *ACME, str(own.pk), "--secret-file", str(tmp_path / "none")), "cannot be read"),
    ):
        with pytest.raises(CommandError, match=said):
            run(*named)
