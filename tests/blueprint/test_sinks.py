"""Sinks in a blueprint: made, changed, paused and pruned; secrets by reference only."""

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from audit.models import Sink
from isolation.scope import tenant_scope
from tests.audit.sinks.receivers import Receiver
from tests.blueprint.conftest import File, exported
from tests.people import Tenant

SECRET = "whsec_" + "QUJD" * 10
OTHER = "whsec_" + "REVG" * 10


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.1")]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().running() as running:
        yield running


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Return the file that holds the signing secret."""
    path = tmp_path / "siem-secret"
    path.write_text(SECRET)
    return path


def text(url: str, more: str = "") -> str:
    return f"""
version: 1
organizations:
  acme:
    sinks:
      Our SIEM:
        kind: webhook
        options: {{url: "{url}"}}
        secrets: {{secret: {{file: siem-secret}}}}
        query: outcome:denied
        batch_events: 7
{more}"""


def only(acme: Tenant) -> Sink:
    with tenant_scope(acme.organization):
        found: Sink = Sink.objects.get()
        return found


def revealed(acme: Tenant) -> dict[str, str]:
    with tenant_scope(acme.organization):
        found: dict[str, str] = Sink.objects.get().revealed()
        return found


def test_one_is_made_once(acme: Tenant, file: File, receiver: Receiver, secret: Path) -> None:
    file.write(text(receiver.url))
    assert file.changes() == [("create", "sink", "Our SIEM")]
    assert SECRET not in file.plan()[1]
    assert SECRET not in file.apply()
    sink = only(acme)
    assert (sink.options, sink.query, sink.batch_events) == ({"url": receiver.url}, "outcome:denied", 7)
    assert revealed(acme)["secret"] == SECRET
    assert file.changes() == []


def test_another_secret_behind_the_reference_replaces_the_stored_one(
    acme: Tenant, file: File, receiver: Receiver, secret: Path
) -> None:
    file.write(text(receiver.url)).apply()
    key = revealed(acme)["signing_key"]
    secret.write_text(OTHER)
    assert file.changes() == [("update", "sink", "Our SIEM")]
    assert OTHER not in file.plan()[1]
    file.apply()
    assert revealed(acme) == {"secret": OTHER, "signing_key": key}
    secret.unlink()
    assert file.changes() == []  # what is not there is kept


def test_settings_change_it_is_paused_and_pruned(acme: Tenant, file: File, receiver: Receiver, secret: Path) -> None:
    file.write(text(receiver.url)).apply()
    file.write(text(f"{receiver.url}/other", "        active: false\n")).apply()
    assert only(acme).options == {"url": f"{receiver.url}/other"}
    assert not only(acme).is_active
    file.write("version: 1\norganizations:\n  acme:\n    sinks: {}\n    prune: [sinks]\n").apply()
    with tenant_scope(acme.organization):
        assert not Sink.objects.exists()


def test_an_export_plans_empty_and_holds_no_secret(acme: Tenant, file: File, receiver: Receiver, secret: Path) -> None:
    file.write(text(receiver.url)).apply()
    kept = exported("acme")
    assert SECRET not in kept
    assert yaml.safe_load(kept)["organizations"]["acme"]["sinks"]["Our SIEM"]["kind"] == "webhook"
    assert file.write(kept).changes() == []


@pytest.mark.parametrize("sent", ["[]", "[actor_label, ip]"])
def test_fields_are_chosen_and_kept_in_an_export(
    acme: Tenant, file: File, receiver: Receiver, secret: Path, sent: str
) -> None:
    fields = f"        has_proofs: false\n        sent_fields: {sent}\n"
    file.write(text(receiver.url, fields)).apply()
    assert only(acme).sent_fields == yaml.safe_load(sent)
    kept = exported("acme")
    assert yaml.safe_load(kept)["organizations"]["acme"]["sinks"]["Our SIEM"]["sent_fields"] == yaml.safe_load(sent)
    assert file.write(kept).changes() == []
    file.write(text(receiver.url, "        sent_fields: null\n")).apply()
    assert only(acme).sent_fields is None


def test_a_secret_that_nobody_named_is_made_with_a_warning(acme: Tenant, file: File, receiver: Receiver) -> None:
    file.write(
        f"""
        version: 1
        organizations:
          acme:
            sinks:
              Ours: {{kind: webhook, options: {{url: "{receiver.url}"}}}}
        """
    )
    assert "nobody sees" in file.plan()[1]
    file.apply()
    assert revealed(acme)["secret"].startswith("whsec_")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{kind: pigeon}", "There is no choice pigeon"),
        ("{options: {url: x}}", "kind is missing"),
        ("{kind: webhook, options: {uri: x}}", "There is no setting uri. Did you mean url?"),
        ("{kind: webhook, options: {secret: whsec_x}}", "Name it under secrets."),
        ("{kind: webhook, secrets: {url: {env: X}}}", "This is no secret"),
        ("{kind: webhook, secrets: {secret: whsec_x}}", "never the secret itself"),
        ("{kind: webhook, options: {url: ftp://x}}", "https://"),
        ("{kind: webhook, sent_fields: [colour]}", "There is no choice colour"),
        ("{kind: webhook, options: {url: https://siem.example}, sent_fields: []}", "turn the proofs off"),
        ("{kind: webhook}", "Address is needed"),
        ("{kind: webhook, options: {url: https://siem.example}, batch_events: 501}", "1 to 500 events"),
        ("{kind: webhook, options: {url: https://siem.example}, secrets: {secret: {env: NOT_SET}}}", "is not set"),
    ],
)
def test_a_mistake_is_named_with_its_line(acme: Tenant, file: File, entry: str, said: str) -> None:
    file.write(f"version: 1\norganizations:\n  acme:\n    sinks:\n      Ours: {entry}\n")
    (line,) = file.refused()
    assert said in line
    assert line.startswith("5:")
    assert "whsec_x" not in line
