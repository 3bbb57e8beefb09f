"""POST /api/v1/leak-reports: whoever holds a secret ends it, and learns nothing else."""

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.key_format import KeyKind, new_public_id, new_secret
from accounts.models import ApiKey, PlatformKey, ScimToken, User
from accounts.report_signatures import is_signed, parse_public_keys
from accounts.services.api_keys import create_api_key, revoke_api_key, rotate_api_key
from accounts.services.key_rules import IssuedKey
from accounts.services.platform_keys import create_platform_key
from accounts.services.scim_tokens import revoke_scim_token
from audit.models import Event
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import operator_scope, tenant_scope
from tests.accounts.api.stage import accepted, make_key, with_key
from tests.api.calls import anybody
from tests.people import Tenant
from tests.scim.stage import Scim, connection_of, token_of
from tests.tenants.stage import at_once, events

URL = "https://git.example/acme/app/blob/3f2a/settings.py"


def report(*tokens: str, url: str = URL) -> Any:
    return anybody().post(
        "/leak-reports", [{"token": token, "type": "t", "url": url, "source": "content"} for token in tokens]
    )


def labels(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [one["label"] for one in response.json()]


def test_a_reported_key_ends_at_once_and_its_people_are_told(acme: Tenant, globex: Tenant) -> None:
    leaked, other = make_key(acme), make_key(globex)
    response = report(leaked.secret)
    assert response.json() == [
        {
            "token_hash": hashlib.sha256(leaked.secret.encode()).hexdigest(),
            "token_type": "t",
            "label": "true_positive",
        }
    ]
    assert not accepted(leaked.secret)
    assert accepted(other.secret)
    (event,) = events(acme, "api_key.leaked")
    assert (event.actor_kind, event.via, event.reason) == ("system", "api", f"Reported as leaked: {URL}")
    assert event.ip == "127.0.0.1"
    assert not events(globex, "api_key.leaked")
    (message,) = mail.outbox
    assert message.to == [acme.owner.email]
    assert URL in message.body
    assert leaked.secret not in message.body + str(message.message()) + repr(vars(event)) + response.content.decode()


def test_what_is_unknown_is_a_false_positive(acme: Tenant) -> None:
    kept = make_key(acme)
    flipped = kept.secret[:-1] + ("A" if kept.secret[-1] != "A" else "B")
    unknown = new_secret(KeyKind.PROJECT, "production")
    tokens = [unknown, flipped, kept.public_id, "", " ", "ghp_abc", "ä" * 9_000, kept.secret.upper(), f" {kept.secret}"]
    response = report(*[token for token in tokens if token])
    assert set(labels(response)) == {"false_positive"}
    assert unknown not in response.content.decode()
    assert accepted(kept.secret)
    assert not mail.outbox


def test_several_at_once_of_several_organizations(acme: Tenant, globex: Tenant) -> None:
    first, second = make_key(acme), make_key(globex)
    unknown = new_secret(KeyKind.PROJECT, "production")
    answer = labels(report(first.secret, unknown, second.secret, first.secret))
    assert answer == ["true_positive", "false_positive", "true_positive", "true_positive"]
    assert not accepted(first.secret)
    assert not accepted(second.secret)
    assert len(events(acme, "api_key.leaked")) == len(events(globex, "api_key.leaked")) == 1
    assert sorted(message.to for message in mail.outbox) == [[acme.owner.email], [globex.owner.email]]


def test_the_person_of_a_personal_key_is_told_too(acme: Tenant) -> None:
    with acme.acting("member") as member:
        issued = create_api_key(
            organization=acme.organization,
            kind=KeyKind.PERSONAL,
            name="Laptop",
            scopes=["traces:read"],
            actor=member,
        )
    assert labels(report(issued.secret)) == ["true_positive"]
    assert sorted(message.to[0] for message in mail.outbox) == [acme.member.email, acme.owner.email]


def test_a_secret_in_its_overlap_ends_the_key_and_one_behind_it_nothing(acme: Tenant, superuser: Any) -> None:
    issued = make_key(acme)
    with tenant_scope(acme.organization):
        rotated = rotate_api_key(key=issued.key, actor=SYSTEM, overlap=timedelta(hours=1))
    with superuser.transaction():
        superuser.execute("SET LOCAL session_replication_role = replica")
        superuser.execute("UPDATE accounts_apikeysecret SET expires_at = now() WHERE expires_at IS NOT NULL")
    assert labels(report(issued.secret)) == ["true_positive"]
    assert accepted(rotated.secret)
    with tenant_scope(acme.organization):
        again = rotate_api_key(key=issued.key, actor=SYSTEM, overlap=timedelta(hours=1))
    assert labels(report(rotated.secret)) == ["true_positive"]
    assert not accepted(rotated.secret)
    assert not accepted(again.secret)


def test_an_expired_key_ends_because_its_end_could_be_moved(acme: Tenant, superuser: Any) -> None:
    issued = make_key(acme, expires_at=timezone.now() + timedelta(days=1))
    with superuser.transaction():
        superuser.execute("SET LOCAL session_replication_role = replica")
        superuser.execute("UPDATE accounts_apikey SET expires_at = now() - interval '1 hour'")
    assert labels(report(issued.secret)) == ["true_positive"]
    with tenant_scope(acme.organization):
        assert ApiKey.objects.get(pk=issued.key.pk).state == "revoked"


def test_a_revoked_key_keeps_its_reason(acme: Tenant) -> None:
    issued = make_key(acme)
    with tenant_scope(acme.organization):
        revoke_api_key(key=issued.key, actor=SYSTEM, reason="Unused")
    assert labels(report(issued.secret)) == ["true_positive"]
    with tenant_scope(acme.organization):
        assert ApiKey.objects.get(pk=issued.key.pk).revocation_reason == "Unused"
    assert not mail.outbox


def test_a_platform_key_ends_and_the_operators_are_told(operator: User) -> None:
    with acting_as(SYSTEM):
        issued = create_platform_key(name="Verifier", actor=SYSTEM)
    assert labels(report(issued.secret)) == ["true_positive"]
    assert PlatformKey.objects.get().state == "revoked"
    assert [message.to for message in mail.outbox] == [[operator.email]]
    assert "Verifier" in mail.outbox[0].subject
    with acting_as(SYSTEM), operator_scope("test"):
        assert URL in Event.objects.get(action="platform_key.revoked").reason


def test_a_scim_token_ends_and_the_owners_are_told(acme: Tenant, globex: Tenant) -> None:
    leaked = token_of(acme, connection_of(acme, "Okta"))
    other = token_of(globex, connection_of(globex, "Okta"))
    access = Scim(access_token(leaked))
    assert access.get("/Users").status == 200
    unknown = new_secret(KeyKind.SCIM, "production")
    response = report(leaked.secret, unknown)
    assert labels(response) == ["true_positive", "false_positive"]
    for ended in (Scim(leaked.secret), access):
        assert ended.get("/Users").status == 401
    assert Scim(other.secret).get("/Users").status == 200
    (event,) = events(acme, "scim_token.leaked")
    assert (event.actor_kind, event.via, event.reason) == ("system", "api", f"Reported as leaked: {URL}")
    assert not events(globex, "scim_token.leaked")
    (message,) = mail.outbox
    assert message.to == [acme.owner.email]
    assert message.subject == "Acme: the SCIM token Sync leaked and was revoked"
    assert URL in message.body
    assert f"/o/acme/accounts/scimconnection/{leaked.key.connection_id}/change/" in message.body
    assert leaked.secret not in str(message.message()) + repr(vars(event)) + response.content.decode()
    assert labels(report(leaked.secret)) == ["true_positive"]
    assert len(events(acme, "scim_token.leaked")) == len(mail.outbox) == 1


def test_a_revoked_scim_token_keeps_its_reason_and_an_expired_one_ends(acme: Tenant, superuser: Any) -> None:
    connection = connection_of(acme)
    revoked = token_of(acme, connection)
    expired = token_of(acme, connection, name="Old", expires_at=timezone.now() + timedelta(days=1))
    with acme.acting("owner") as owner:
        revoke_scim_token(token=revoked.key, actor=owner, reason="Unused")
    with superuser.transaction():
        superuser.execute("SET LOCAL session_replication_role = replica")
        superuser.execute("UPDATE accounts_scimtoken SET expires_at = now() - interval '1 hour' WHERE name = 'Old'")
    assert labels(report(revoked.secret, expired.secret)) == ["true_positive", "true_positive"]
    with tenant_scope(acme.organization):
        assert ScimToken.objects.get(pk=revoked.key.pk).revocation_reason == "Unused"
        assert ScimToken.objects.get(pk=expired.key.pk).state == "revoked"
    assert len(mail.outbox) == 1


def test_two_reports_of_a_scim_token_at_once_end_it_once(acme: Tenant) -> None:
    issued = token_of(acme, connection_of(acme))
    responses = at_once(*[lambda: report(issued.secret)] * 4)
    assert [labels(response) for response in responses] == [["true_positive"]] * 4
    assert len(events(acme, "scim_token.leaked")) == len(mail.outbox) == 1


def access_token(issued: IssuedKey) -> str:
    """Return an access token that the SCIM token's client credentials make."""
    answer = Client().post(
        "/scim/v2/oauth2/token",
        urlencode({"grant_type": "client_credentials", "client_id": issued.public_id, "client_secret": issued.secret}),
        content_type="application/x-www-form-urlencoded",
    )
    assert answer.status_code == 200, answer.content
    made: str = answer.json()["access_token"]
    return made


def test_two_reports_at_once_end_it_once(acme: Tenant) -> None:
    issued = make_key(acme)
    responses = at_once(*[lambda: report(issued.secret)] * 4)
    assert [labels(response) for response in responses] == [["true_positive"]] * 4
    assert len(events(acme, "api_key.leaked")) == 1
    assert len(mail.outbox) == 1


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", ""),
        ("javascript:alert(1)", ""),
        ("https://[::1", ""),
        ("https://x.example/ click here", ""),
        ("https://x.example/\u202egpj", ""),
        ("http:///nowhere", ""),
        ("https://x.example/" + "a" * 400, "https://x.example/" + "a" * 232),
        ("https://x.example/?key={secret}", "https://x.example/?key=[secret]"),
    ],
)
def test_people_read_web_addresses_only_and_never_the_secret(url: str, told: str, acme: Tenant) -> None:
    issued = make_key(acme)
    assert labels(report(issued.secret, url=url.replace("{secret}", issued.secret))) == ["true_positive"]
    (event,) = events(acme, "api_key.leaked")
    assert event.reason == (f"Reported as leaked: {told}" if told else "Reported as leaked")
    assert issued.secret not in str(mail.outbox[0].message())
    assert ("Reported to be at" in mail.outbox[0].body) is bool(told)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("[]", 422),
        ("{}", 422),
        ("null", 422),
        ('[{"token": 7.5}]', 200),
        ('[{"token": null}]', 422),
        ('[{"token": ["x"]}]', 422),
        ('[{"url": "https://x.example/"}]', 422),
        ('[{"token": "x", "url": null, "more": {"a": 1}}]', 200),
        ('[{"token": "x\\u0000"}]', 400),
        ('[{"token": "\\ud800"}]', 400),
        ('[{"token": "x"}', 400),
        ("", 422),
        (json.dumps([{"token": "x"}] * 500), 200),
        (json.dumps([{"token": "x"}] * 501), 422),
        (json.dumps([{"token": "x" * 10_001}]), 422),
        (" " * 1_000_001, 413),
    ],
)
def test_a_malformed_report_is_refused(body: str, status: int, db: None) -> None:
    assert anybody().post("/leak-reports", body).status_code == status


def test_no_other_media_type_and_no_session_are_needed(acme: Tenant) -> None:
    response = Client(enforce_csrf_checks=True).post(
        "/api/v1/leak-reports", [{"token": "x"}], content_type="application/json"
    )
    assert response.status_code == 200
    assert Client().post("/api/v1/leak-reports", {"token": "x"}).status_code == 415
    assert with_key("gatesk_wrong").post("/leak-reports", [{"token": "x"}]).status_code == 200


def test_an_address_reports_so_often_a_minute(db: None, settings: Any) -> None:
    settings.API_RATE_PER_ADDRESS = 2
    responses = [report("x") for _ in range(3)]
    assert [response.status_code for response in responses] == [200, 200, 429]
    assert int(responses[2]["Retry-After"]) > 0


def test_a_repeated_report_is_not_remembered(acme: Tenant, superuser: Any) -> None:
    issued = make_key(acme)
    body = [{"token": issued.secret}]
    first = anybody().post("/leak-reports", body, idempotency_key="one")
    second = anybody().post("/leak-reports", body, idempotency_key="one")
    assert first.json() == second.json()
    assert superuser.execute("SELECT count(*) FROM api_storedresponse").fetchone() == (0,)


# Signatures ------------------------------------------------------------------------------------------


def document_of(**keys: Any) -> str:
    entries = [
        {
            "key_identifier": identifier,
            "key": key.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode(),
            "is_current": True,
        }
        for identifier, key in keys.items()
    ]
    return json.dumps({"public_keys": entries})


@pytest.fixture
def programme() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def signed(programme: ec.EllipticCurvePrivateKey, settings: Any, tmp_path: Path) -> Callable[..., Any]:
    """Return what sends a body with the signature of a trusted key, or with other headers."""
    settings.LEAK_REPORT_KEYS_FILE = tmp_path / "keys.json"
    settings.LEAK_REPORT_KEYS_FILE.write_text(document_of(first=programme))

    def send(body: str, sent: str | None = None, **headers: str) -> Any:
        signature = base64.b64encode(programme.sign(body.encode(), ec.ECDSA(hashes.SHA256()))).decode()
        given = {"Github_Public_Key_Identifier": "first", "Github_Public_Key_Signature": signature} | headers
        given = {name: value for name, value in given.items() if value}
        return anybody().post("/leak-reports", sent if sent is not None else body, **given)

    return send


def test_where_signatures_are_asked_for_a_signed_report_counts(acme: Tenant, signed: Callable[..., Any]) -> None:
    issued = make_key(acme)
    body = json.dumps([{"token": issued.secret, "url": URL}], indent=2)  # the raw body counts, white space included
    assert labels(signed(body)) == ["true_positive"]
    assert not accepted(issued.secret)


def test_what_is_not_signed_is_not_looked_at(acme: Tenant, signed: Callable[..., Any]) -> None:
    issued = make_key(acme)
    body = json.dumps([{"token": issued.secret}])
    refused = [
        report(issued.secret),
        signed(body, sent=body + " "),
        signed(body, Github_Public_Key_Identifier="second"),
        signed(body, Github_Public_Key_Identifier=""),
        signed(body, Github_Public_Key_Signature=""),
        signed(body, Github_Public_Key_Signature="????"),
        signed(body, Github_Public_Key_Signature=base64.b64encode(b"x" * 70).decode()),
        signed("[{", sent="not even JSON"),
    ]
    assert [(response.status_code, response.json()["code"]) for response in refused] == [(401, "not_signed")] * 8
    assert accepted(issued.secret)
    assert anybody().get("/leak-reports/pattern").status_code == 200


def test_the_keys_are_read_again_when_their_file_changes(
    signed: Callable[..., Any], settings: Any, programme: ec.EllipticCurvePrivateKey
) -> None:
    body = '[{"token": "x"}]'
    path = settings.LEAK_REPORT_KEYS_FILE
    assert signed(body).status_code == 200
    path.write_text(document_of(second=programme))
    os.utime(path, ns=(0, 0))
    assert signed(body).status_code == 401
    assert signed(body, Github_Public_Key_Identifier="second").status_code == 200
    path.write_text("{}")
    unavailable = signed(body, Github_Public_Key_Identifier="second")
    assert (unavailable.status_code, unavailable.json()["code"]) == (503, "signatures_unavailable")
    path.unlink()
    assert signed(body).status_code == 503


def test_the_programmes_own_example_verifies() -> None:
    """The key, body and signature that GitHub's documentation of the programme gives as its example."""
    identifier = "90a421169f0a406205f1563a953312f0be898d3c7b6c06b681aa86a874555f4a"
    pem = (
        "-----BEGIN PUBLIC KEY-----\n"
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9MJJHnMfn2+H4xL4YaPDA4RpJqUq\n"
        "kCmRCBnYERxZanmcpzQSXs1X/AljlKkbJ8qpVIW4clayyef9gWhFbNHWAA==\n"
        "-----END PUBLIC KEY-----\n"
    )
    keys = parse_public_keys(json.dumps({"public_keys": [{"key_identifier": identifier, "key": pem}]}))
    body = b'[{"token":"some_token","type":"some_type","url":"some_url"}]'
    signature = "MEUCIQDKZokqnCjrRtw0tni+2Ltvl/uiMJ1EGumEsp1BsNr32AIgQY1YXD2nlj+XNfGK4rBfkMJ1JDOQcYXxa2sY8FNkrKc="
    assert is_signed(body, identifier=identifier, signature=signature, keys=keys)
    assert not is_signed(body + b"\n", identifier=identifier, signature=signature, keys=keys)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"public_keys": []}',
        '{"public_keys": [{"key_identifier": "a"}]}',
        '{"public_keys": [{"key_identifier": "a", "key": "x"}]}',
        document_of(a=ec.generate_private_key(ec.SECP384R1())),
    ],
)
def test_a_wrong_document_of_keys_stops_the_start(text: str) -> None:
    with pytest.raises(ValueError, match=r"document|key"):
        parse_public_keys(text)


# The pattern ----------------------------------------------------------------------------------------


def test_scanners_are_told_what_to_look_for(db: None) -> None:
    answer = anybody().get("/leak-reports/pattern").json()
    assert answer["type"] == "gatehouse_api_key"
    for kind in KeyKind:
        assert re.fullmatch(answer["pattern"], new_secret(kind, "staging"))
        assert not re.search(answer["pattern"], new_public_id(kind, "staging"))
