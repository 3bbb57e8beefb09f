"""Two installations: the logs of this one are cosigned by another, a process with a database of its own."""

import ipaddress
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.models import User
from audit.cosigning import about
from audit.cosigning.asking import ask
from audit.cosigning.signatures import COSIGNATURE, VerifierKey, cosign
from audit.models import Cosigner, Cosigning, Verification
from audit.notes import INSTALLATION as NIL
from audit.package import write_package
from audit.sealing.database import sealer_cursor
from audit.sealing.sealer import seal
from audit.services.cosigning import add_cosigner, remove_cosigner
from audit.tasks import ask_cosigners, verify_log
from audit.verifier import gatehouse_verify
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import INSTALLATION, tenant_scope
from tests import database
from tests.api.calls import by
from tests.audit.cosigning.stage import another_key
from tests.audit.sealing.stage import write_many, writer
from tests.audit.sinks.receivers import Answer, Receiver, Request
from tests.people import Tenant, signed_in
from tests.running import ROOT, Run, portal  # noqa: F401 - a fixture

NAME = "witness.example/w"


class Witness:
    """The other installation."""

    def __init__(self, run: Run) -> None:
        self.run = run
        shown = self.command("show")
        self.url, self.key = f"http://127.0.0.1:{run.port}/api/v1/audit/witness", shown["witness_key"]
        assert shown["witness_url"].endswith(f":{run.port}/api/v1/audit/witness")

    def command(self, *arguments: str) -> Any:
        told = [sys.executable, str(ROOT / "manage.py"), "witness", *arguments]
        done = subprocess.run(
            told, cwd=ROOT, env=self.run.environment(), capture_output=True, text=True, timeout=120, check=True
        )
        return json.loads(done.stdout)

    def trust(self) -> None:
        self.command("trust", "--key", about.log_key())

    def sizes(self) -> dict[str, int]:
        (told,) = self.command("show")["witnessed"]
        return {log["origin"].rpartition("/")[2]: log["size"] for log in told["logs"]}

    def refusals(self) -> list[str]:
        (told,) = self.command("show")["witnessed"]
        return [log["refusal"] for log in told["logs"] if log["refusal"]]


@pytest.fixture
def witness(portal: Run, settings: Any) -> Iterator[Witness]:  # noqa: F811
    settings.OUTBOUND_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.1")]
    portal.start()
    portal.wait_until_ready()
    yield Witness(portal)
    portal.stop(signal.SIGTERM)


@contextmanager
def added(url: str, key: str) -> Iterator[Cosigner]:
    with tenant_scope(INSTALLATION), acting_as(SYSTEM):
        cosigner = add_cosigner(url=url, key=key, actor=SYSTEM)
    yield cosigner


def happen(log: UUID, count: int) -> int:
    """Let events happen in a log, seal them; return how many it has."""
    with writer() as connection:
        write_many(connection, log, count)
    seal()
    return size_of(log)


def size_of(log: UUID) -> int:
    with sealer_cursor() as cursor:
        cursor.execute("SELECT max(size) FROM audit_checkpoint WHERE organization_id = %s", [log])
        return int(cursor.fetchone()[0])


def verified(log: UUID, directory: Path, *more: str) -> tuple[int, dict[str, Any]]:
    report = directory.with_name(f"{directory.name}.json")
    with sealer_cursor() as cursor:
        write_package(cursor, log, directory)
    status = gatehouse_verify.main([str(directory), "--quiet", "--report", str(report), *more])
    return status, json.loads(report.read_text(encoding="utf-8"))


def test_another_installation_cosigns_and_convicts_a_log_that_was_put_back(
    acme: Tenant, globex: Tenant, witness: Witness, tmp_path: Path, superuser
) -> None:
    log = acme.organization.pk
    size = happen(log, 5)
    with added(witness.url, witness.key) as cosigner:
        assert ask() == 0  # it does not know this installation yet
        with tenant_scope(acme.organization):
            assert "does not know this log" in Cosigning.objects.get().failure
        assert "does not know this log" in signed_in(acme.auditor).get("/o/acme/audit/checkpoint/").content.decode()

        # It is told, and cosigns every log.
        witness.trust()
        (logs,) = superuser.execute("SELECT count(DISTINCT organization_id) FROM audit_checkpoint").fetchone()
        assert ask_cosigners() == logs
        assert witness.sizes()[str(log)] == size
        assert ask() == 0  # nothing is new

        # It is shown, to whose log it is.
        answer = by(acme.auditor).get("/organizations/acme/audit/checkpoint").json()
        (shown,) = answer["cosignatures"]
        assert (shown["name"], shown["size"], shown["refusal"]) == (cosigner.name, size, "")
        page = signed_in(acme.auditor).get("/o/acme/audit/checkpoint/").content.decode()
        assert "Cosigned by" in page
        assert shown["note"].splitlines()[-1].split(" ")[-1] in page
        stranger = by(globex.owner).get("/organizations/globex/audit/checkpoint").json()["cosignatures"]
        assert str(log) not in str(stranger)

        # The auditor holds the package to it.
        status, report = verified(log, tmp_path / "package", "--cosigner", witness.key)
        assert (status, report["problems"]) == (0, [])
        assert report["cosigned"][cosigner.name]["size"] == size
        status, report = verified(log, tmp_path / "other", "--cosigner", another_key())
        assert (status, report["problems"][0]["kind"]) == (1, "unproven")
        kept = tmp_path / "kept.txt"
        kept.write_text(shown["note"], encoding="utf-8")
        status, _report = verified(log, tmp_path / "witnessed", "--witness", str(kept), "--cosigner", witness.key)
        assert status == 0

        # The log grows: it is cosigned on.
        old, size = size, happen(log, 300)
        assert ask() >= 1
        assert witness.sizes()[str(log)] == size
        verify_log()
        assert _problems(log) == []

        # Somebody puts the log of yesterday back, and signs on top of it.
        _put_back(superuser, log, old)
        assert happen(log, 1) < size
        ask()
        assert any("events were cut off" in text for text in witness.refusals())
        for _ in range(2):
            verify_log()
        assert any("events were cut off" in problem for problem in _problems(log))
        assert happen(log, 400) > size
        ask()
        assert any("rewritten" in text or "cut off" in text for text in witness.refusals())
        page = signed_in(acme.auditor).get("/o/acme/audit/checkpoint/").content.decode()
        assert "events were cut off" in page
        told = superuser.execute(
            "SELECT count(*) FROM audit_event WHERE action = 'audit_log.verification_failed' AND organization_id = %s",
            [log],
        ).fetchone()
        assert told == (1,)


PUT_BACK = """
DELETE FROM audit_leaf WHERE organization_id = %(log)s AND seq >= %(size)s;
DELETE FROM audit_leaftext WHERE organization_id = %(log)s AND seq >= %(size)s;
DELETE FROM audit_node WHERE organization_id = %(log)s;
DELETE FROM audit_checkpoint WHERE organization_id = %(log)s AND size > %(size)s;
DELETE FROM audit_cosignature WHERE organization_id = %(log)s AND size > %(size)s;
UPDATE audit_cosigning SET size = %(size)s WHERE organization_id = %(log)s;
DELETE FROM audit_verification WHERE organization_id = %(log)s;
DELETE FROM audit_event e WHERE organization_id = %(log)s
    AND NOT EXISTS (SELECT FROM audit_leaf l WHERE l.event_id = e.id);
"""


def _put_back(superuser: Any, log: UUID, size: int) -> None:
    """Put a log back to what it was at a size, as a backup does."""
    superuser.execute(database.TRIGGERS_OFF)
    for statement in filter(str.strip, PUT_BACK.split(";")):
        superuser.execute(statement, {"log": log, "size": size})
    superuser.execute(database.TRIGGERS_ON)


def _problems(log: UUID) -> list[str]:
    with tenant_scope(log):
        return [str(each["text"]) for each in Verification.objects.get().problems]


# What a witness may answer besides -------------------------------------------------------------------


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.OUTBOUND_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.1")]
    settings.OUTBOUND_TIMEOUT = 5
    with Receiver().running() as running:
        yield running


def _standing() -> Any:
    with sealer_cursor() as cursor:
        cursor.execute("SELECT size, failure, refusal FROM audit_cosigning WHERE organization_id = %s", [NIL])
        return cursor.fetchone()


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Answer(500), "status 500"),
        (Answer(403), "newest key"),
        (Answer(200, "— witness.example/w AAAA\n".encode()), "no cosignature"),
        (Answer(409, b"many"), "not which"),
        (Answer(0), "could not be reached"),
        (Answer(200, b"x" * 100_000), "no cosigner"),
    ],
)
def test_a_witness_that_does_not_do_what_it_should(
    db: None, receiver: Receiver, answer: Answer, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    seal()
    receiver.rule = lambda _request: answer
    with added(receiver.url, another_key()):
        assert ask() == 0
    _size, failure, refusal = _standing()
    assert text in failure
    assert refusal == ""
    # Tenants read it, and the witness may be inside the operator's network, whose hosts the log alone names.
    assert "127.0.0.1" not in failure
    assert ("127.0.0.1" in caplog.text) == (text in {"could not be reached", "no cosigner"})
    with tenant_scope(INSTALLATION), acting_as(SYSTEM):
        remove_cosigner(cosigner=Cosigner.objects.get(), actor=SYSTEM)
    ask()
    assert _standing()[1] == ""  # who is asked no more troubles nobody


def test_a_witness_that_has_enough_is_asked_about_the_others_later(acme: Tenant, receiver: Receiver) -> None:
    happen(acme.organization.pk, 1)
    receiver.rule = lambda _request: Answer(500 if len(receiver.requests) == 1 else 429)
    with added(receiver.url, another_key()):
        ask()
        ask()
    origins = [request.body.partition(b"\n\n")[2].partition(b"\n")[0] for request in receiver.requests]
    assert len(origins) == 3
    assert origins[0] not in origins[1:]
    assert origins[1] == origins[2]  # the one that has not had its turn comes first


def _cosigns(key: Ed25519PrivateKey) -> Any:
    """Return the rule of a receiver that cosigns whatever comes."""

    def answer(request: Request) -> Answer:
        text = request.body.decode().partition("\n\n")[2].partition("\n\n")[0] + "\n"
        return Answer(200, cosign(text, NAME, key, timezone.now()).encode())

    return answer


def test_a_log_that_has_not_grown_is_neither_asked_about_nor_written_of(acme: Tenant, receiver: Receiver) -> None:
    key = Ed25519PrivateKey.generate()
    happen(acme.organization.pk, 1)
    receiver.rule = _cosigns(key)

    def versions() -> dict[UUID, str]:
        with sealer_cursor() as cursor:
            cursor.execute("SELECT organization_id, xmin::text FROM audit_cosigning")
            return dict(cursor.fetchall())

    with added(receiver.url, str(VerifierKey(NAME, COSIGNATURE, key.public_key().public_bytes_raw()))):
        assert ask() == 2  # the installation has a log, too
        before = versions()
        assert ask() == 0
        assert versions() == before
        seal()  # the installation's own log tells of the cosigner
        assert ask() == 1
    assert {log for log, version in versions().items() if version != before[log]} == {NIL}
    assert len(receiver.requests) == 3


def test_a_witness_that_was_removed_and_added_again_is_shown_as_it_stands_now(
    acme: Tenant, receiver: Receiver, superuser
) -> None:
    key = Ed25519PrivateKey.generate()
    verifier_key = str(VerifierKey(NAME, COSIGNATURE, key.public_key().public_bytes_raw()))
    happen(acme.organization.pk, 1)
    receiver.rule = _cosigns(key)
    with added(receiver.url, verifier_key) as first:
        ask()
    with tenant_scope(INSTALLATION), acting_as(SYSTEM):
        remove_cosigner(cosigner=Cosigner.objects.get(), actor=SYSTEM)
    receiver.rule = lambda _request: Answer(409, b"4711\n")
    with added(receiver.url, verifier_key):
        ask()
    # Ids are drawn by chance: that of the one before comes last.
    superuser.execute(
        "UPDATE audit_cosigning SET cosigner_id = %s WHERE cosigner_id = %s", [UUID(int=2**128 - 1), first.pk]
    )
    (shown,) = by(acme.auditor).get("/organizations/acme/audit/checkpoint").json()["cosignatures"]
    assert "4711" in shown["refusal"]


def test_a_witness_that_knows_more_than_there_is(db: None, receiver: Receiver) -> None:
    seal()
    receiver.rule = lambda _request: Answer(409, b"4711\n")
    with added(receiver.url, another_key()):
        ask()
    assert "4711" in _standing()[2]
    verify_log()
    with sealer_cursor() as cursor:
        cursor.execute("SELECT problems::text FROM audit_verification WHERE organization_id = %s", [NIL])
        assert "4711" in cursor.fetchone()[0]


def test_no_private_address_is_asked_that_the_operator_did_not_allow(db: None, receiver: Receiver, settings) -> None:
    seal()
    with added(receiver.url, another_key()):
        settings.OUTBOUND_ALLOWED_NETWORKS = []
        assert ask() == 0
    assert receiver.requests == []
    assert "may not be asked" in _standing()[1]
    assert "127.0.0.1" not in _standing()[1]


def test_without_the_sealers_password_nobody_is_asked(monkeypatch) -> None:
    monkeypatch.setattr("audit.tasks.can_seal", lambda: False)
    assert ask_cosigners() == 0


def test_the_command(db: None, superuser) -> None:
    def told(*arguments: str) -> dict[str, Any]:
        out = StringIO()
        call_command("witness", *arguments, stdout=out)
        return dict(json.loads(out.getvalue()))

    seal()
    shown = told("show")
    assert shown["log_key"].startswith("gatehouse/")
    told("trust", "--key", shown["log_key"])
    (witnessed,) = told("show")["witnessed"]
    told("add", "--url", "https://witness.example/w", "--key", another_key())
    (cosigner,) = told("show")["cosigners"]
    assert told("remove", cosigner["name"])["cosigners"] == []
    assert told("forget", witnessed["name"])["witnessed"] == []
    with pytest.raises(CommandError, match="There is none"):
        told("remove", "nobody")
    with pytest.raises(CommandError, match="no public key"):
        told("trust", "--key", "x")
    assert told("ask") == {"cosignatures": 0}


# The pages ---------------------------------------------------------------------------------------------

PAGES = ("", "add/", "trust/")


@pytest.mark.parametrize("who", ["owner", "stranger", "nobody"])
def test_nobody_but_operators_opens_the_pages(acme: Tenant, stranger: User, who: str) -> None:
    browser = {"owner": lambda: signed_in(acme.owner), "stranger": lambda: signed_in(stranger), "nobody": Client}[who]()
    for page in PAGES:
        assert browser.get(f"/admin/audit/witnesses/{page}").status_code in {302, 403, 404}
        assert browser.post(f"/admin/audit/witnesses/{page}").status_code in {302, 403, 404}
    assert signed_in(acme.owner).get("/o/acme/audit/witnesses/").status_code == 404


def test_an_operator_adds_and_removes(operator: User) -> None:
    browser = signed_in(operator)
    assert "Nobody yet" in browser.get("/admin/audit/witnesses/").content.decode()
    seal()
    shown = browser.get("/admin/audit/witnesses/").context
    refused = browser.post("/admin/audit/witnesses/trust/", {"key": "x"})
    assert refused.status_code == 422
    assert "no public key" in refused.content.decode()
    assert browser.post("/admin/audit/witnesses/trust/", {"key": shown["log_key"]}).status_code == 302
    shown = browser.get("/admin/audit/witnesses/").context
    refused = browser.post("/admin/audit/witnesses/add/", {"url": "ftp://x", "key": another_key()})
    assert refused.status_code == 422
    values = {"url": "https://witness.example/w", "key": shown["witness_key"]}
    refused = browser.post("/admin/audit/witnesses/add/", values)
    assert "of this installation itself" in refused.content.decode()
    values["key"] = another_key()
    assert browser.post("/admin/audit/witnesses/add/", values).status_code == 302
    page = browser.get("/admin/audit/witnesses/")
    assert "https://witness.example/w" in page.content.decode()
    (cosigner,), (log,) = page.context["cosigners"], page.context["witnessed"]
    assert browser.get(cosigner.remove_url).status_code == 200
    assert browser.post(cosigner.remove_url).status_code == 302
    assert browser.post(log.forget_url).status_code == 302
    assert browser.post(log.forget_url).status_code == 404
    assert browser.get("/admin/audit/witnesses/").context["cosigners"] == []


def test_an_operator_who_signed_in_long_ago_changes_nothing(operator: User) -> None:
    from tests.sso.test_fresh_sign_in import stale  # noqa: PLC0415 - its own fixtures stay there

    seal()
    browser = stale(operator)
    key = browser.get("/admin/audit/witnesses/").context["log_key"]
    assert browser.post("/admin/audit/witnesses/trust/", {"key": key}).status_code in {302, 403}
    assert browser.get("/admin/audit/witnesses/").context["witnessed"] == []
