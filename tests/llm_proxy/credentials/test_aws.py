"""AWS: secrets in Secrets Manager, keys for Bedrock, temporary keys and roles; moto's server is AWS."""

import hashlib
import hmac
import json
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

import boto3
import pytest
from moto.server import ThreadedMotoServer

from gateway.credential_sources import CannotObtain, obtained
from isolation.exceptions import DomainError
from tests.audit.sinks.receivers import Answer, Receiver
from tests.llm_proxy.credentials.stage import SECRET, credential_of, headers_of, hot
from tests.people import Tenant

ROLE = "arn:aws:iam::123456789012:role/llm/caller"


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client(
        "secretsmanager",
        region_name="eu-central-1",
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.create_secret(Name="plain", SecretString="sk-from-aws")
    client.create_secret(Name="llm/keys", SecretString=json.dumps({"openai": "sk-in-json", "n": 7}))
    client.create_secret(Name="binary", SecretBinary=b"\x00\x01")
    client.close()
    yield url
    server.stop()


def aws(moto: str, **more: Any) -> dict[str, Any]:
    return {"store_region": "eu-central-1", "endpoint": moto, "access_key_id": "AKIATEST", **more}


@pytest.mark.parametrize(
    ("options", "value"),
    [({"secret_id": "plain"}, "sk-from-aws"), ({"secret_id": "llm/keys", "field": "openai"}, "sk-in-json")],
)
def test_secrets_manager_is_read_with_a_lease(options: dict[str, Any], value: str, moto: str) -> None:
    found = obtained("openai", "aws_secrets_manager", aws(moto, lease_seconds=90, **options), SECRET)
    assert (found.value, found.seconds) == (f"Bearer {value}", 90)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"secret_id": "nowhere"}, "AWS Secrets Manager at 127.0.0.1 answered with status 4"),
        ({"secret_id": "binary"}, "has no text"),
        ({"secret_id": "llm/keys", "field": "n"}, "no text under “n”"),
        ({"secret_id": "plain", "field": "openai"}, "no text under “openai”"),
        ({"secret_id": "llm/keys"}, "cannot be sent as a header"),
    ],
)
def test_what_secrets_manager_does_not_have_is_told(options: dict[str, Any], words: str, moto: str) -> None:
    with pytest.raises(CannotObtain, match=words):
        obtained("openai", "aws_secrets_manager", aws(moto, **options), SECRET)


def test_the_request_to_aws_is_signed_with_the_credentials_own_keys(giver: Receiver, monkeypatch: Any) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOFTHISMACHINE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "this machine's own")
    giver.rule = lambda _request: Answer(body=b'{"SecretString": "sk-from-aws"}')
    obtained("openai", "aws_secrets_manager", aws(giver.url, secret_id="plain"), SECRET)
    (asked,) = giver.requests
    assert asked.headers["x-amz-target"] == "secretsmanager.GetSecretValue"
    assert "Credential=AKIATEST/" in asked.headers["authorization"]
    assert "/eu-central-1/secretsmanager/aws4_request" in asked.headers["authorization"]
    assert SECRET not in str(asked)


# --- Keys for Bedrock ---------------------------------------------------------------------------------


def temporary(minutes: int = 60, **more: Any) -> str:
    """Return what “aws sts assume-role” prints."""
    ends = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat(timespec="seconds")
    keys = {"AccessKeyId": "ASIA0123TEMPORARY", "SecretAccessKey": SECRET, "SessionToken": "FwoGZXIvYXdzE+/=", **more}
    return json.dumps({"Credentials": {**keys, "Expiration": ends}, "AssumedRoleUser": {}}, indent=4)


def bedrock(**more: Any) -> dict[str, Any]:
    return {"region": "eu-west-1", "access_key_id": "AKIATEST", **more}


def call_of(value: str) -> dict[str, str]:
    """Return the query of the call that a Bedrock key stands for."""
    url = b64decode(value.removeprefix("Bearer bedrock-api-key-")).decode()
    assert url.startswith("bedrock.amazonaws.com/?")
    return dict(parse_qsl(urlsplit(f"https://{url}").query))


def signature(call: dict[str, str], secret: str) -> str:
    """Return the signature that AWS would reckon (Signature Version 4, in the query), by the specification alone."""
    signed = {name: value for name, value in call.items() if name not in {"X-Amz-Signature", "Version"}}
    query = "&".join(f"{quote(name, safe='')}={quote(signed[name], safe='')}" for name in sorted(signed))
    request = f"POST\n/\n{query}\nhost:bedrock.amazonaws.com\n\nhost\n{hashlib.sha256(b'').hexdigest()}"
    _, scope = call["X-Amz-Credential"].split("/", 1)
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{call['X-Amz-Date']}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def test_an_access_key_becomes_a_bedrock_key_of_an_hour(acme: Tenant) -> None:
    stored = credential_of(acme, provider="bedrock", kind="aws_keys", secret=SECRET, options=bedrock())
    assert stored.last_four == "WXYZ"
    ((name, value),) = headers_of(*hot(acme))
    call = call_of(value.decode())
    assert name == b"authorization"
    assert call["Action"] == "CallWithBearerToken"
    assert call["Version"] == "1"
    assert call["X-Amz-Credential"].startswith("AKIATEST/")
    assert call["X-Amz-Credential"].endswith("/eu-west-1/bedrock/aws4_request")
    assert call["X-Amz-Expires"] == "3600"
    assert call["X-Amz-Signature"] == signature(call, SECRET)


def test_temporary_keys_are_pasted_whole_and_end(acme: Tenant) -> None:
    stored = credential_of(acme, provider="bedrock", kind="aws_keys", secret=temporary(10), options=bedrock())
    assert stored.last_four == "RARY", "of the access key's id: the end of the text would tell nothing"
    found = obtained("bedrock", "aws_keys", bedrock(), temporary(10))
    call = call_of(found.value)
    assert found.seconds is not None
    assert 590 <= found.seconds <= 600
    assert call["X-Amz-Expires"] == str(int(found.seconds))
    assert call["X-Amz-Security-Token"] == "FwoGZXIvYXdzE+/="
    assert call["X-Amz-Credential"].startswith("ASIA0123TEMPORARY/")
    assert call["X-Amz-Signature"] == signature(call, SECRET)
    with pytest.raises(CannotObtain, match="have ended"):
        obtained("bedrock", "aws_keys", bedrock(), temporary(-1))


@pytest.mark.parametrize(
    "secret",
    [
        '{"AccessKeyId": "AKIA"}',
        "{",
        "{}",
        '{"Credentials": []}',
        temporary(SessionToken=None),
        temporary(SecretAccessKey="two words"),
        temporary().replace('Expiration": "2', 'Expiration": "soon 2'),
    ],
)
def test_temporary_keys_that_are_none_are_refused(secret: str, acme: Tenant) -> None:
    with pytest.raises(DomainError, match="no temporary keys of AWS") as caught:
        credential_of(acme, provider="bedrock", kind="aws_keys", secret=secret, options=bedrock())
    assert caught.value.field == "secret"
    assert SECRET not in str(caught.value)


def test_only_bedrock_takes_access_keys(acme: Tenant) -> None:
    with pytest.raises(DomainError, match="is for Amazon Bedrock") as caught:
        credential_of(acme, provider="openai", kind="aws_keys", secret=SECRET, options={"access_key_id": "AKIATEST"})
    assert caught.value.field == "kind"


# --- Roles ----------------------------------------------------------------------------------------------


def test_a_role_is_assumed(moto: str) -> None:
    found = obtained("bedrock", "aws_keys", bedrock(role_arn=ROLE, sts_endpoint=moto), SECRET)
    call = call_of(found.value)
    assert call["X-Amz-Credential"].startswith("ASIA")
    assert call["X-Amz-Security-Token"]
    assert found.seconds is not None
    assert 3_500 <= found.seconds <= 3_600
    secret = obtained(
        "openai", "aws_secrets_manager", aws(moto, secret_id="plain", role_arn=ROLE, sts_endpoint=moto), SECRET
    )
    assert (secret.value, secret.seconds) == ("Bearer sk-from-aws", 300)


def test_sts_is_asked_with_the_credentials_own_keys_and_the_external_id(giver: Receiver) -> None:
    keys = "<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey>"
    keys += "<SessionToken>role-session</SessionToken><Expiration>2126-01-01T00:00:00Z</Expiration>"
    giver.rule = lambda _request: Answer(body=f"<R><Credentials>{keys}</Credentials></R>".encode())
    options = bedrock(role_arn=ROLE, external_id="gatehouse-7", sts_endpoint=giver.url)
    call = call_of(obtained("bedrock", "aws_keys", options, temporary()).value)
    (asked,) = giver.requests
    form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
    assert (form["Action"], form["RoleArn"], form["ExternalId"]) == ("AssumeRole", ROLE, "gatehouse-7")
    assert "Credential=ASIA0123TEMPORARY/" in asked.headers["authorization"]
    assert "/eu-west-1/sts/aws4_request" in asked.headers["authorization"]
    assert asked.headers["x-amz-security-token"] == "FwoGZXIvYXdzE+/="
    assert "x-amz-security-token" in asked.headers["authorization"], "it is signed too"
    assert SECRET not in str(asked)
    assert call["X-Amz-Signature"] == signature(call, "role-secret")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(403, b"<Error><Code>AccessDenied</Code></Error>"), "AWS STS at 127.0.0.1 answered with status 403"),
        (Answer(body=b"<R/>"), "AWS STS at 127.0.0.1 gave no keys for the role"),
        (Answer(500, b""), "Try again later"),
    ],
)
def test_what_sts_refuses_is_told_without_secrets(answer: Answer, words: str, giver: Receiver) -> None:
    giver.rule = lambda _request: answer
    with pytest.raises(CannotObtain, match=words) as caught:
        obtained("bedrock", "aws_keys", bedrock(role_arn=ROLE, sts_endpoint=giver.url), SECRET)
    assert SECRET not in str(caught.value)
    assert "AccessDenied" not in str(caught.value)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("role_arn", "arn:aws:iam::1:role/x"),
        ("role_arn", "arn:aws:s3:::bucket"),
        ("sts_endpoint", "http://169.254.169.254/latest/meta-data"),
        ("external_id", "two words"),
    ],
)
def test_a_role_that_cannot_be_meant_is_refused(option: str, value: str, acme: Tenant) -> None:
    with pytest.raises(DomainError) as caught:
        credential_of(acme, provider="bedrock", kind="aws_keys", options=bedrock(**{option: value}))
    assert caught.value.field == option
