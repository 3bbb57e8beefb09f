"""Witnesses: a file and a bucket with Object Lock keep checkpoints; what they keep tells of a rewritten log."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from audit import notes
from audit.sealing.sealer import seal
from audit.tasks import publish_checkpoints
from audit.witnesses.bucket import BucketAccess
from tests.audit.sealing.stage import write, writer
from tests.people import Tenant


@pytest.fixture
def file(settings, tmp_path: Path) -> Path:
    settings.AUDIT_CHECKPOINT_FILE = tmp_path / "checkpoints.txt"
    return tmp_path / "checkpoints.txt"


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(moto: str, settings, monkeypatch) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    client = boto3.client("s3", region_name="us-east-1", endpoint_url=moto)
    client.create_bucket(Bucket="witness", ObjectLockEnabledForBucket=True)
    settings.AUDIT_BUCKET = BucketAccess(bucket="witness", prefix="logs/", region="us-east-1", endpoint=moto, days=30)
    yield client

    settings.AUDIT_BUCKET = None


def kept(text: str) -> list[str]:
    return list(notes.in_text(text))


def test_a_file_keeps_keys_and_the_newest_checkpoint_of_each_log(acme: Tenant, file: Path, superuser) -> None:
    seal()
    (logs,) = superuser.execute("SELECT count(DISTINCT organization_id) FROM audit_checkpoint").fetchone()
    assert publish_checkpoints() == 1 + logs
    assert publish_checkpoints() == 0
    first = kept(file.read_text())
    assert first[0].startswith("gatehouse-audit-key/v1\n")
    for _ in range(3):
        with writer() as connection:
            write(connection, acme.organization.pk)
        seal()
    assert publish_checkpoints() == 1
    stored = superuser.execute("SELECT note FROM audit_checkpoint ORDER BY id DESC LIMIT 1").fetchone()
    assert kept(file.read_text()) == [*first, *stored]


def test_a_witness_that_fails_is_told_of_and_served_later(
    acme: Tenant, file: Path, superuser, settings, caplog
) -> None:
    seal()
    settings.AUDIT_CHECKPOINT_FILE = file.parent / "absent" / "file"
    assert publish_checkpoints() == 0
    assert "No such file" in caplog.text
    (failure,) = superuser.execute("SELECT failure FROM audit_witness").fetchone()
    assert "No such file" in failure
    file.parent.joinpath("absent").mkdir()
    assert publish_checkpoints() > 0
    assert superuser.execute("SELECT failure, sent_at IS NOT NULL FROM audit_witness").fetchone() == ("", True)


def test_a_bucket_keeps_objects_that_nobody_deletes(acme: Tenant, bucket: Any, superuser) -> None:
    seal()
    sent = publish_checkpoints()
    objects = bucket.list_objects_v2(Bucket="witness", Prefix="logs/")["Contents"]
    assert len(objects) == sent
    key = next(each["Key"] for each in objects if str(acme.organization.pk) in each["Key"])
    found = bucket.get_object(Bucket="witness", Key=key)
    (note,) = superuser.execute(
        "SELECT note FROM audit_checkpoint WHERE organization_id = %s", [acme.organization.pk]
    ).fetchone()
    assert found["Body"].read().decode() == note
    assert found["ObjectLockMode"] == "COMPLIANCE"
    version = found["VersionId"]
    with pytest.raises(ClientError, match="AccessDenied"):
        bucket.delete_object(Bucket="witness", Key=key, VersionId=version)


def test_a_bucket_that_does_not_answer_keeps_the_file_from_nothing(
    acme: Tenant, bucket: Any, file: Path, settings, caplog
) -> None:
    seal()
    settings.AUDIT_BUCKET = BucketAccess(bucket="absent", region="us-east-1", endpoint=settings.AUDIT_BUCKET.endpoint)
    assert publish_checkpoints() > 0
    assert file.exists()
    assert "NoSuchBucket" in caplog.text
    settings.AUDIT_BUCKET = BucketAccess(bucket="absent", region="us-east-1", endpoint="http://127.0.0.1:9", timeout=1)
    publish_checkpoints()
    assert "does not answer" in caplog.text


def test_a_worker_without_the_sealers_password_does_nothing(monkeypatch) -> None:
    monkeypatch.setattr("audit.tasks.can_seal", lambda: False)
    assert publish_checkpoints() == 0
    assert os.environ.get("SEALER_DATABASE_URL") is None
