"""S3: moto's server keeps each batch once, under its numbers, locked; what is repeated is recognized."""

import gzip
import io
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from audit.models import Sink, SinkState
from audit.services.sink_delivery import replay_sink, test_sink
from audit.services.sinks import update_sink
from audit.sinks.destinations.s3 import S3
from audit.sinks.exceptions import Refused
from isolation.exceptions import DomainError
from isolation.scope import INSTALLATION, tenant_scope
from tests.audit.sinks.fakes.base import item
from tests.audit.sinks.receivers import Answer, Receiver, Request
from tests.audit.sinks.stage import cursor_of, due, happen, letters_of, sealed, sink_of, turns
from tests.people import Tenant

BUCKET = "siem"


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(moto: str) -> Iterator[Any]:
    client = boto3.client(
        "s3", region_name="us-east-1", endpoint_url=moto, aws_access_key_id="test", aws_secret_access_key="test"
    )
    client.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
    yield client
    for version in client.list_object_versions(Bucket=BUCKET).get("Versions", []):
        client.delete_object(
            Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"], BypassGovernanceRetention=True
        )
    client.delete_bucket(Bucket=BUCKET)


def options(moto: str, **more: Any) -> dict[str, Any]:
    return {"bucket": BUCKET, "endpoint": moto, "access_key": "test", "secret_key": "a secret of ours", **more}


def s3(tenant: Tenant, moto: str, **values: Any) -> Sink:
    more = values.pop("options", {})
    return sink_of(tenant, "s3", options(moto, **more), **{"from_beginning": True, **values})


def keys(bucket: Any) -> list[str]:
    return [each["Key"] for each in bucket.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def read(bucket: Any, key: str) -> bytes:
    return bytes(bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read())


def records(bucket: Any) -> list[Any]:
    """Return the records of all objects, in the order of their keys."""
    return [
        json.loads(line) for key in keys(bucket) for line in gzip.decompress(read(bucket, key)).decode().splitlines()
    ]


def test_another_organization_s_events_never_reach_a_sink(acme: Tenant, globex: Tenant, moto: str, bucket: Any) -> None:
    s3(acme, moto)
    happen(globex, 5)
    happen(acme, 5)
    turns()
    assert {record["event"]["organization_id"] for record in records(bucket)} == {str(acme.organization.pk)}


def test_batches_are_objects_by_their_numbers(acme: Tenant, moto: str, bucket: Any) -> None:
    sink = s3(acme, moto, batch_events=40, options={"prefix": "audit"})
    happen(acme, 100)
    turns()
    assert [record["seq"] for record in records(bucket)] == list(range(sealed(acme)))
    assert cursor_of(sink).lag_events == 0
    first = keys(bucket)[0]
    day = records(bucket)[0]["event"]["time"][:10].replace("-", "/")
    assert first == f"audit/{acme.organization.pk}/{day}/000000000000-000000000039.ndjson.gz"
    assert len(keys(bucket)) == -(-sealed(acme) // 40)
    found = bucket.head_object(Bucket=BUCKET, Key=first, ChecksumMode="ENABLED")
    assert found["ChecksumSHA256"]


def test_a_batch_that_comes_again_is_the_same_object(acme: Tenant, moto: str, bucket: Any) -> None:
    sink = s3(acme, moto, batch_events=40)
    happen(acme, 100)
    turns()
    before = keys(bucket)
    versions = bucket.list_object_versions(Bucket=BUCKET)["Versions"]
    with acme.acting("owner") as actor:
        replay_sink(sink=sink, seq=0, actor=actor)
    turns()
    assert cursor_of(sink).lag_events == 0
    assert keys(bucket)[: len(before)] == before
    assert {v["VersionId"] for v in versions} <= {
        v["VersionId"] for v in bucket.list_object_versions(Bucket=BUCKET)["Versions"]
    }
    assert len(bucket.list_object_versions(Bucket=BUCKET)["Versions"]) == len(keys(bucket))


def test_the_same_numbers_with_other_content_overwrite_nothing(acme: Tenant, moto: str, bucket: Any) -> None:
    sink = s3(acme, moto, batch_events=10)
    happen(acme, 20)
    turns()
    before = {key: read(bucket, key) for key in keys(bucket)}
    with acme.acting("owner") as actor:
        update_sink(sink=sink, has_proofs=False, actor=actor)
        replay_sink(sink=sink, seq=0, actor=actor)
    turns()
    assert cursor_of(sink).lag_events == 0
    after = {key: read(bucket, key) for key in keys(bucket)}
    assert before.items() <= after.items()
    others = [key for key in after if key.count("-") == 6]  # a UUID has four, a range one, a digest one more
    assert len(others) >= 2
    with acme.acting("owner") as actor:
        replay_sink(sink=sink, seq=0, actor=actor)
    turns()
    assert {key: read(bucket, key) for key in after} == after


def test_objects_are_locked(acme: Tenant, moto: str, bucket: Any) -> None:
    s3(acme, moto, options={"lock": "GOVERNANCE", "lock_days": 30})
    happen(acme, 3)
    turns()
    (key,) = keys(bucket)
    found = bucket.head_object(Bucket=BUCKET, Key=key)
    assert found["ObjectLockMode"] == "GOVERNANCE"
    with pytest.raises(ClientError, match="AccessDenied"):
        bucket.delete_object(Bucket=BUCKET, Key=key, VersionId=found["VersionId"])


def test_parquet_has_columns_to_search_by(acme: Tenant, moto: str, bucket: Any) -> None:
    import pyarrow.parquet  # noqa: PLC0415 - only here

    s3(acme, moto, options={"file": "parquet"})
    happen(acme, 5)
    turns()
    (key,) = keys(bucket)
    table = pyarrow.parquet.read_table(io.BytesIO(read(bucket, key)))
    assert table.column("seq").to_pylist() == list(range(sealed(acme)))
    assert table.column("action").to_pylist()[-1] == "member.role_changed"
    record = json.loads(table.column("record").to_pylist()[-1])
    assert record["event"]["id"] == table.column("id").to_pylist()[-1]


def test_security_lake_has_a_folder_for_each_day(acme: Tenant, moto: str, bucket: Any) -> None:
    import pyarrow.parquet  # noqa: PLC0415

    s3(
        acme,
        moto,
        options={
            "prefix": "ext/gatehouse/",
            "file": "parquet",
            "layout": "security_lake",
            "region": "us-east-1",
            "account": "123456789012",
        },
    )
    happen(acme, 5)
    turns()
    (key,) = keys(bucket)
    table = pyarrow.parquet.read_table(io.BytesIO(read(bucket, key)))
    day = table.column("event").to_pylist()[0]["time"][:10].replace("-", "")
    assert key.startswith(f"ext/gatehouse/region=us-east-1/accountId=123456789012/eventDay={day}/")
    assert table.column("seq").to_pylist() == list(range(sealed(acme)))


def test_security_lake_takes_ocsf(acme: Tenant, moto: str, bucket: Any) -> None:
    import pyarrow.parquet  # noqa: PLC0415

    sink = s3(acme, moto, format="ocsf", options={"file": "parquet", "layout": "security_lake"})
    happen(acme, 20)
    turns()
    assert cursor_of(sink).last_error == ""
    (key,) = keys(bucket)
    table = pyarrow.parquet.read_table(io.BytesIO(read(bucket, key)))
    assert len(table) == sealed(acme)
    assert {type(value) for value in table.column("class_uid").to_pylist()} == {int}
    assert table.column("metadata").to_pylist()[0]["version"].startswith("1.")


def test_a_role_is_assumed(acme: Tenant, moto: str, bucket: Any) -> None:
    sink = s3(acme, moto, options={"role": "arn:aws:iam::123456789012:role/gatehouse", "external_id": "an-external-id"})
    happen(acme, 3)
    turns()
    assert cursor_of(sink).last_error == ""
    assert [record["seq"] for record in records(bucket)] == list(range(sealed(acme)))


def test_a_bucket_that_is_missing_needs_somebody(acme: Tenant, moto: str, bucket: Any) -> None:
    sink = s3(acme, moto, options={"bucket": "absent"})
    happen(acme, 3)
    turns()
    cursor = cursor_of(sink)
    assert cursor.state == SinkState.BLOCKED
    assert "NoSuchBucket" in cursor.last_error
    with acme.acting("owner") as actor:
        assert "NoSuchBucket" in test_sink(sink=sink, actor=actor)
        update_sink(sink=sink, options={"bucket": BUCKET}, actor=actor)
    turns()
    assert [record["seq"] for record in records(bucket)] == list(range(sealed(acme)))


def error(code: str, status: int) -> Answer:
    """Return what S3 says when it takes nothing: its words repeat the request."""
    body = f"<Error><Code>{code}</Code><Message>AWSAccessKeyId=test a secret of ours</Message></Error>"
    return Answer(status, body.encode(), {"content-type": "application/xml"})


@pytest.mark.parametrize(
    ("code", "status", "state"),
    [
        ("SlowDown", 503, SinkState.RETRYING),
        ("InternalError", 500, SinkState.RETRYING),
        ("ConditionalRequestConflict", 409, SinkState.RETRYING),
        ("RequestTimeout", 400, SinkState.RETRYING),
        ("BadDigest", 400, SinkState.RETRYING),
        ("IncompleteBody", 400, SinkState.RETRYING),
        ("ThrottlingException", 400, SinkState.RETRYING),
        ("RequestLimitExceeded", 403, SinkState.RETRYING),
        ("TooManyRequests", 429, SinkState.RETRYING),
        ("Gateway", 502, SinkState.RETRYING),
        ("Slow", 408, SinkState.RETRYING),
        ("NoSuchBucket", 404, SinkState.BLOCKED),
        ("InvalidAccessKeyId", 403, SinkState.BLOCKED),
        ("RequestTimeTooSkewed", 403, SinkState.BLOCKED),
        ("InvalidRequest", 400, SinkState.BLOCKED),
        ("XMinioStorageFull", 507, SinkState.BLOCKED),
        ("AccessDenied", 403, SinkState.BLOCKED),
        ("SignatureDoesNotMatch", 403, SinkState.BLOCKED),
        ("NotImplemented", 501, SinkState.BLOCKED),
    ],
)
def test_an_error_is_told_without_what_s3_repeats(
    acme: Tenant, receiver: Receiver, code: str, status: int, state: SinkState, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.rule = lambda _request: error(code, status)
    sink = s3(acme, receiver.url)
    happen(acme, 3)
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.next_seq) == (state, 0)
    assert code in cursor.last_error
    assert "secret of ours" not in cursor.last_error + caplog.text
    assert len(receiver.requests) == 1


def test_a_request_is_signed_and_conditional(acme: Tenant, receiver: Receiver) -> None:
    receiver.rule = lambda _request: Answer(body=b"")
    sink = s3(acme, receiver.url, options={"region": "eu-central-1"})
    happen(acme, 3)
    turns()
    assert cursor_of(sink).lag_events == 0
    (request,) = receiver.requests
    assert request.method == "PUT"
    assert request.path.startswith(f"/siem/{acme.organization.pk}/")
    assert request.headers["if-none-match"] == "*"
    assert request.headers["x-amz-checksum-sha256"]
    assert "/eu-central-1/s3/aws4_request" in request.headers["authorization"]
    assert "secret of ours" not in str(request.headers)


def test_a_store_that_hides_what_it_has_gets_the_batch_under_another_name(acme: Tenant, receiver: Receiver) -> None:
    def rule(request: Any) -> Answer:
        if request.method == "HEAD":
            return Answer(403, b"")
        return Answer(body=b"") if request.path.count("-") == 6 else error("PreconditionFailed", 412)

    receiver.rule = rule
    sink = s3(acme, receiver.url)
    happen(acme, 3)
    turns()
    assert cursor_of(sink).lag_events == 0
    assert [request.method for request in receiver.requests] == ["PUT", "HEAD", "PUT"]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(413, b"<html><body>413 Request Entity Too Large<hr>nginx</body></html>", {"content-type": "text/html"}),
        Answer(413, b""),
        Answer(400, b"<Error><Code>EntityTooLarge</Code></Error>", {"content-type": "application/xml"}),
        Answer(400, b"<Error><Code>MaxMessageLengthExceeded</Code></Error>", {"content-type": "application/xml"}),
    ],
)
def test_an_object_that_is_too_large_for_the_store_or_what_is_before_it_is_halved(
    acme: Tenant, receiver: Receiver, answer: Answer
) -> None:
    receiver.rule = lambda request: answer if len(request.body) > 6_000 else Answer(body=b"")
    sink = s3(acme, receiver.url)
    happen(acme, 60)
    turns()
    assert (cursor_of(sink).lag_events, letters_of(sink)) == (0, [])
    written = [request.body for request in receiver.requests if len(request.body) <= 6_000]
    found = [json.loads(line)["seq"] for body in written for line in gzip.decompress(body).splitlines()]
    assert found == list(range(sealed(acme)))


@pytest.mark.parametrize("headers", [{"x-amz-checksum-sha256": "bm90IG91cnM="}, {}])
def test_an_object_that_is_there_counts_only_when_it_is_ours(
    acme: Tenant, receiver: Receiver, headers: dict[str, str]
) -> None:
    """Somebody else who may write there has put objects under both names; not every store knows checksums."""
    sink = s3(acme, receiver.url)
    happen(acme, 3)

    def occupied(request: Request) -> Answer:
        return Answer(200, b"", headers) if request.method == "HEAD" else error("PreconditionFailed", 412)

    receiver.rule = occupied
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.next_seq) == (SinkState.BLOCKED, 0)
    assert "other content" in cursor.last_error
    assert [request.method for request in receiver.requests] == ["PUT", "HEAD", "PUT", "HEAD"]


def test_an_object_that_cannot_be_looked_at_now_is_looked_at_later(acme: Tenant, receiver: Receiver) -> None:
    sink = s3(acme, receiver.url)
    happen(acme, 3)
    receiver.rule = lambda request: Answer(503) if request.method == "HEAD" else error("PreconditionFailed", 412)
    turns()
    cursor = cursor_of(sink)
    assert (cursor.state, cursor.next_seq) == (SinkState.RETRYING, 0)
    assert [request.method for request in receiver.requests] == ["PUT", "HEAD"]


def test_a_batch_of_many_days_is_halved_before_its_lease_ends(moto: str, bucket: Any) -> None:
    layout = {"file": "parquet", "layout": "security_lake", "region": "us-east-1", "account": "external"}
    destination = S3(options(moto, lock="none", **layout), INSTALLATION)
    days = [item(seq, time=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=seq)) for seq in range(50)]
    with pytest.raises(Refused, match="50 days"):
        destination.send(days)
    assert keys(bucket) == []
    destination.send(days[:20])
    destination.close()
    assert len(keys(bucket)) == 20


def test_an_answer_that_is_lost_leaves_nothing_out(acme: Tenant, moto: str, bucket: Any) -> None:
    """The object is there, and nobody was told: what came meanwhile makes the next one larger."""
    sink = s3(acme, moto)
    happen(acme, 3)
    lost = S3._write

    def losing(self: S3, key: str, content: bytes, digest: bytes) -> bool:
        lost(self, key, content, digest)
        raise ConnectionError

    S3._write = losing  # type: ignore[method-assign]
    try:
        turns()
    finally:
        S3._write = lost  # type: ignore[method-assign]
    assert cursor_of(sink).next_seq == 0
    assert len(keys(bucket)) == 1
    happen(acme, 3)
    due(acme)
    turns()
    found = records(bucket)
    assert {record["seq"] for record in found} == set(range(sealed(acme)))
    assert len({record["event"]["id"] for record in found}) == sealed(acme)


def test_an_answer_that_is_none_counts_for_nothing(acme: Tenant, receiver: Receiver) -> None:
    receiver.rule = lambda _request: Answer(body=b"welcome to our proxy")
    sink = s3(acme, receiver.url)
    happen(acme, 3)
    turns()
    assert cursor_of(sink).next_seq == 0
    assert cursor_of(sink).state == SinkState.RETRYING


def test_this_machines_own_credentials_are_not_used(
    acme: Tenant, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the-machine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "its secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "its token")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    s3(acme, receiver.url)
    happen(acme, 1)
    turns()
    (request,) = receiver.requests
    assert "Credential=test/" in request.headers["authorization"]
    assert "x-amz-security-token" not in request.headers


def test_a_store_that_leads_inside_is_not_connected_to(acme: Tenant, settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as inside:
        port = inside.getsockname()[1]
        settings.OUTBOUND_ALLOWED_NETWORKS = []
        sink = s3(acme, f"https://localhost:{port}")
        happen(acme, 1)
        turns()
        inside.settimeout(0)
        with pytest.raises(BlockingIOError):
            inside.accept()
    assert cursor_of(sink).state == SinkState.BLOCKED
    assert "may not be fetched from here" in cursor_of(sink).last_error


def test_a_redirect_inside_is_not_followed(acme: Tenant, receiver: Receiver) -> None:
    receiver.rule = lambda _request: Answer(307, b"", {"location": "http://169.254.169.254/latest/meta-data/"})
    sink = s3(acme, receiver.url)
    happen(acme, 1)
    turns()
    assert cursor_of(sink).state != SinkState.DELIVERING
    assert cursor_of(sink).next_seq == 0


def test_another_store_needs_the_secret_again(acme: Tenant, moto: str, receiver: Receiver) -> None:
    sink = s3(acme, moto)
    with acme.acting("owner") as actor, pytest.raises(DomainError, match="Secret access key again"):
        update_sink(sink=sink, options={"endpoint": receiver.url}, actor=actor)
    with tenant_scope(acme.organization):
        assert "secret" not in json.dumps(Sink.objects.get(pk=sink.pk).options)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("bucket", "Not a bucket", "lower-case"),
        ("region", "eu-central-1.evil.example", "eu-central-1"),
        ("prefix", "a\nb", "prefix"),
        ("endpoint", "https://10.0.0.7", "not an address that may be fetched"),
        ("role", "admin", "arn:aws"),
        ("account", "12", "12 digits"),
        ("layout", "security_lake", "Parquet"),
        ("file", "csv", "no choice"),
    ],
)
def test_what_cannot_work_is_refused(acme: Tenant, name: str, value: Any, text: str) -> None:
    with pytest.raises(DomainError, match=text):
        sink_of(acme, "s3", {"bucket": BUCKET, "access_key": "test", "secret_key": "test", name: value})


@pytest.mark.soak
def test_many_events_are_all_there(acme: Tenant, moto: str, bucket: Any) -> None:
    sink = s3(acme, moto)
    happen(acme, 100_000)
    while cursor_of(sink).lag_events or not keys(bucket):
        turns()
    assert [record["seq"] for record in records(bucket)] == list(range(sealed(acme)))
