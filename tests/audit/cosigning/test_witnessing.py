"""The witness cosigns what continues what it cosigned before, and nothing else (C2SP tlog-witness)."""

import struct
from base64 import b64decode
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.test import Client

from audit.alerts.claims import wake
from audit.alerts.evaluation import evaluate
from audit.cosigning.models import CosigningKey, WitnessedLog, WitnessedOrigin
from audit.cosigning.signatures import COSIGNATURE, VerifierKey, cosign, cosigned
from audit.models import Alert
from audit.notes import MalformedNote
from audit.sealing.sealer import seal
from audit.services.cosigning import add_cosigner, forget_log, remove_cosigner, witness_log
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.exceptions import DomainError
from isolation.scope import INSTALLATION, tenant_scope
from tests.audit.cosigning.stage import ORIGIN, PATH, Log, another_key, own_key, submit, witnessed
from tests.people import Tenant


def told(superuser) -> list[dict]:
    rows = superuser.execute("SELECT after FROM audit_event WHERE action = 'witnessed_log.refused' ORDER BY time, id")
    return [row[0] for row in rows.fetchall()]


@pytest.fixture
def log(db: None) -> Log:
    log = Log().grow(5)
    witnessed(log.verifier_key)
    return log


def test_an_owner_changes_nothing_and_sees_nothing(acme: Tenant, log: Log) -> None:
    with acme.acting("owner") as owner:
        assert WitnessedLog.objects.count() == WitnessedOrigin.objects.count() == CosigningKey.objects.count() == 0
    with tenant_scope(INSTALLATION):
        row = WitnessedLog.objects.get()
        for work in (
            lambda: witness_log(key=Log().verifier_key, actor=owner),
            lambda: forget_log(log=row, actor=owner),
            lambda: add_cosigner(url="https://witness.example", key=str(own_key()), actor=owner),
        ):
            with pytest.raises(DomainError, match="Only an operator"):
                work()


def test_an_unknown_log_and_a_foreign_key(log: Log) -> None:
    stranger = Log(origin="log.example/unknown").grow(1)
    assert submit(stranger.body(0)).status_code == 404
    assert submit(Log(origin=f"{ORIGIN}s").grow(1).body(0)).status_code == 404  # no more than a common beginning
    forged = Log(key=Ed25519PrivateKey.generate()).grow(1)
    answer = submit(forged.body(0))
    assert answer.status_code == 403
    with tenant_scope(INSTALLATION):
        assert not WitnessedOrigin.objects.exists()


def test_it_cosigns_a_log_that_grows(log: Log, superuser) -> None:
    first = submit(log.body(0))
    assert first.status_code == 200
    text = log.note().partition("\n\n")[0] + "\n"
    found = cosigned(text, first.content.decode(), own_key())
    assert found.line == first.content.decode()
    # As the specification has it, byte by byte.
    raw = b64decode(found.line.split(" ")[2])
    (seconds,) = struct.unpack(">Q", raw[4:12])
    assert abs(seconds - found.time.timestamp()) < 1
    Ed25519PublicKey.from_public_bytes(own_key().public).verify(
        raw[12:], f"cosignature/v1\ntime {seconds}\n{text}".encode()
    )
    assert submit(log.body(5)).status_code == 200  # the same again
    log.grow(4)
    assert submit(log.body(5)).status_code == 200
    with tenant_scope(INSTALLATION):
        seen = WitnessedOrigin.objects.get()
    assert (seen.origin, seen.size, seen.refusal) == (ORIGIN, 9, "")
    assert told(superuser) == []


def test_who_does_not_know_the_size_is_told(log: Log) -> None:
    submit(log.body(0))
    log.grow(3)
    for old in (0, 4):
        answer = submit(log.body(old))
        assert (answer.status_code, answer.content, answer["Content-Type"]) == (409, b"5\n", "text/x.tlog.size")


def test_a_log_that_was_rewritten_is_refused_and_told_of_once(log: Log, superuser) -> None:
    submit(log.body(0))
    rewritten = Log(key=log.key, time=log.time)
    rewritten.leaves = [*log.leaves[:2], b"x" * 32, *log.leaves[3:]]
    rewritten.grow(3)
    for _ in range(2):
        assert submit(rewritten.body(5)).status_code == 422
    (event,) = told(superuser)
    assert "rewritten" in event["reason"]
    assert event["cosigned"] == 5
    assert event["checkpoint"] == rewritten.note()
    with tenant_scope(INSTALLATION):
        assert WitnessedOrigin.objects.get().size == 5
    log.grow(1)
    assert submit(log.body(5)).status_code == 200
    with tenant_scope(INSTALLATION):
        assert WitnessedOrigin.objects.get().refusal == ""


def test_two_roots_of_one_size(log: Log, superuser) -> None:
    submit(log.body(0))
    other = Log(key=log.key, time=log.time, leaves=[*log.leaves[:4], b"x" * 32])
    answer = submit(other.body(5))
    assert (answer.status_code, answer.content) == (409, b"5\n")
    assert "two different roots" in told(superuser)[0]["reason"]


def test_an_old_backup_is_known_by_its_newer_time(log: Log, superuser) -> None:
    submit(log.body(0))
    older = Log(key=log.key, time=log.time - timedelta(minutes=5), leaves=log.leaves[:3])
    assert submit(older.body(0)).status_code == 409
    assert told(superuser) == []  # an old checkpoint, sent once more by somebody
    back = Log(key=log.key, time=log.time + timedelta(minutes=5), leaves=log.leaves[:3])
    assert submit(back.body(0)).status_code == 409
    assert "cut off" in told(superuser)[0]["reason"]


def test_a_refusal_alerts_operators(log: Log) -> None:
    seal()
    wake()
    submit(log.body(0))
    submit(Log(key=log.key, time=log.time, leaves=[*log.leaves[:4], b"x" * 32]).body(5))
    seal()
    wake()
    evaluate(10)
    with tenant_scope(INSTALLATION):
        alert = Alert.objects.get(rule="cosigning_refused")
    assert (alert.severity, alert.subject_label) == ("critical", ORIGIN)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"old 0\n\n",
        b"old 00\n\nx\n1\nAA==\n\n\xe2\x80\x94 x AAAAAAAA\n",
        b"old -1\n\nx\n",
        b"old 99999999999999999999\n\nx\n",
        b"x" * 70_000,
    ],
)
def test_what_is_no_request(log: Log, body: bytes) -> None:
    assert submit(body).status_code == (413 if len(body) > 65_536 else 400)


def test_sizes_and_hashes_that_cannot_be(log: Log) -> None:
    assert submit(log.body(0).replace(b"old 0", b"old 6")).status_code == 400
    hashes = "\n".join(["AAAA" * 10 + "AAA="] * 64)
    assert submit(log.body(0).replace(b"old 0", f"old 0\n{hashes}".encode())).status_code == 400
    assert submit(log.body(0).replace(b"old 0", b"old 0\nAAAA")).status_code == 400
    one = "AAAA" * 10 + "AAA="
    assert submit(log.body(0).replace(b"old 0", f"old 0\n{one}".encode())).status_code == 422


def test_it_takes_posts_alone(log: Log) -> None:
    assert Client().get(PATH).status_code == 405


def test_an_installation_s_key_is_for_all_of_its_logs(db: None) -> None:
    log = Log(origin="gatehouse/6f1c0c8f").grow(3)
    witnessed(log.verifier_key)
    assert submit(log.body(0, origin="gatehouse/6f1c0c8f/acme")).status_code == 200
    assert submit(log.body(0, origin="gatehouse/6f1c0c8f/globex")).status_code == 200
    assert submit(log.body(0, origin="gatehouse/6f1c0c8fx/globex")).status_code == 404


def test_a_new_key_of_the_log_takes_the_old_ones_place(log: Log) -> None:
    submit(log.body(0))
    log.key = Ed25519PrivateKey.generate()
    log.grow(1)
    assert submit(log.body(5)).status_code == 403
    witnessed(log.verifier_key)
    assert submit(log.body(5)).status_code == 200


def test_a_log_that_is_forgotten(log: Log, superuser) -> None:
    submit(log.body(0))
    with tenant_scope(INSTALLATION), acting_as(SYSTEM):
        forget_log(log=WitnessedLog.objects.get(), actor=SYSTEM)
    assert submit(log.body(5)).status_code == 404
    actions = superuser.execute(
        "SELECT action FROM audit_event WHERE action ~ '^(witnessed_log|cosigning_key)' ORDER BY time, id"
    ).fetchall()
    assert sorted(row[0] for row in actions) == [
        "cosigning_key.created",
        "witnessed_log.added",
        "witnessed_log.removed",
    ]


def test_the_private_key_is_nowhere_to_be_seen(log: Log, superuser) -> None:
    with tenant_scope(INSTALLATION):
        key = CosigningKey.objects.get()
        seed = key.seed.reveal()
    assert seed not in str(superuser.execute("SELECT * FROM audit_cosigningkey").fetchall())
    assert seed not in str(superuser.execute("SELECT * FROM audit_event").fetchall())


@pytest.mark.parametrize("text", ["", "x", "x+00000000+AAAA", "a b+4f2a+BAAA"])
def test_keys_that_are_none(text: str) -> None:
    with pytest.raises(MalformedNote):
        VerifierKey.parse(text)


def test_keys_of_the_other_kind(db: None, log: Log) -> None:
    with tenant_scope(INSTALLATION), acting_as(SYSTEM):
        with pytest.raises(DomainError, match="makes cosignatures"):
            witness_log(key=str(own_key()), actor=SYSTEM)
        with pytest.raises(DomainError, match="signs a log"):
            add_cosigner(url="https://witness.example/w", key=log.verifier_key, actor=SYSTEM)
        with pytest.raises(DomainError):
            add_cosigner(url="ftp://witness.example/w", key=another_key(), actor=SYSTEM)
        with pytest.raises(DomainError, match="of this installation itself"):
            add_cosigner(url="https://witness.example/w", key=str(own_key()), actor=SYSTEM)
        cosigner = add_cosigner(url="https://witness.example/w/", key=another_key(), actor=SYSTEM)
        assert cosigner.url == "https://witness.example/w"
        with pytest.raises(DomainError, match="asked already"):
            add_cosigner(url="https://witness.example/w", key=another_key(), actor=SYSTEM)
        remove_cosigner(cosigner=cosigner, actor=SYSTEM)


def test_a_line_of_another_is_no_cosignature() -> None:
    private, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    text = Log().grow(1).note().partition("\n\n")[0] + "\n"
    key = VerifierKey("w.example", COSIGNATURE, private.public_key().public_bytes_raw())
    assert VerifierKey.parse(str(key)) == key
    line = cosign(text, "w.example", private, Log().time)
    assert cosigned(text, f"— x AAAA\n{line}", key).time == Log().time
    for wrong in (cosign(text, "w.example", other, Log().time), line.replace("w.example", "v.example"), "", line[:-9]):
        with pytest.raises(MalformedNote):
            cosigned(text, wrong, key)
    with pytest.raises(MalformedNote):
        cosigned(text.replace("\n1\n", "\n2\n"), line, key)
