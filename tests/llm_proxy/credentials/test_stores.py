"""Credentials that stand elsewhere: HashiCorp Vault, and a Google service account."""

import json
import time
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc import jwk, jwt

from gateway.credential_sources import CannotObtain, obtained
from gateway.hotpath.problems import Refused
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from tests.audit.sinks.receivers import Answer, Receiver, Request
from tests.llm_proxy.credentials.stage import SECRET, credential_of, headers_of, hot
from tests.people import Tenant


def vault(request: Request) -> Answer:
    """Answer as Vault does: AppRole at two mounts, both versions of the key-value engine."""
    if request.path in {"/v1/auth/approle/login", "/v1/auth/team/roles/login"}:
        if request.json() != {"role_id": "r-1", "secret_id": SECRET}:
            return Answer(400, b'{"errors": ["invalid secret id"]}')
        return Answer(body=json.dumps({"auth": {"client_token": "hvs.login", "lease_duration": 600}}).encode())
    if request.headers.get("x-vault-token") not in {"hvs.login", "hvs.given-by-an-operator"}:
        return Answer(403, b'{"errors": ["permission denied"]}')
    value = {"value": "sk-from-vault", "other": "sk-other", "number": 7}
    documents = {
        "/v1/secret/data/llm/openai": {"lease_duration": 0, "data": {"data": value, "metadata": {"version": 3}}},
        "/v1/kv/llm%20keys/openai": {"lease_duration": 120, "data": value},
    }
    found = documents.get(request.path)
    return Answer(body=json.dumps(found).encode()) if found else Answer(404, b'{"errors": []}')


APPROLE = {"auth": "approle", "role_id": "r-1", "path": "llm/openai"}


@pytest.mark.parametrize(
    ("options", "secret", "value", "seconds"),
    [
        (APPROLE, SECRET, "sk-from-vault", 300),
        ({**APPROLE, "lease_seconds": 3600}, SECRET, "sk-from-vault", 600),
        ({**APPROLE, "auth_mount": "team/roles", "field": "other"}, SECRET, "sk-other", 300),
        (
            {"auth": "token", "mount": "kv", "kv_version": "1", "path": "/llm keys/openai"},
            "hvs.given-by-an-operator",
            "sk-from-vault",
            120,
        ),
    ],
    ids=["AppRole", "the login's lease", "another mount and field", "KV version 1 with a token"],
)
def test_vault_is_read_with_a_lease(
    options: dict[str, Any], secret: str, value: str, seconds: float, giver: Receiver
) -> None:
    giver.rule = vault
    found = obtained("openai", "vault", {"address": giver.url, "namespace": "acme", **options}, secret)
    assert (found.header, found.value, found.seconds) == ("authorization", f"Bearer {value}", seconds)
    assert {request.headers["x-vault-namespace"] for request in giver.requests} == {"acme"}


@pytest.mark.parametrize(
    ("options", "secret", "words"),
    [
        (APPROLE, "wrong-secret-id", "Vault at 127.0.0.1 answered with status 400"),
        ({"auth": "token", "path": "llm/openai"}, "hvs.wrong", "status 403"),
        ({**APPROLE, "path": "llm/other"}, SECRET, "status 404"),
        ({**APPROLE, "field": "missing"}, SECRET, "no text under “missing”"),
        ({**APPROLE, "field": "number"}, SECRET, "no text under “number”"),
        # What looks like a way out of the path is a name like any other.
        ({**APPROLE, "path": "../../sys/raw?x"}, SECRET, "status 404"),
    ],
)
def test_what_vault_refuses_is_told_without_secrets(
    options: dict[str, Any], secret: str, words: str, giver: Receiver
) -> None:
    giver.rule = vault
    with pytest.raises(CannotObtain, match=words) as caught:
        obtained("openai", "vault", {"address": giver.url, **options}, secret)
    assert secret not in str(caught.value)
    assert not any("?x" in request.path for request in giver.requests)


def test_a_credential_in_vault_works_on_the_hot_path_and_never_lies_here(
    acme: Tenant, giver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    giver.rule = vault
    options = {"address": giver.url, **APPROLE}
    stored = credential_of(acme, provider="anthropic", kind="vault", secret=SECRET, options=options)
    assert headers_of(*hot(acme)) == [(b"x-api-key", b"sk-from-vault")]
    with tenant_scope(acme.organization):
        stored.refresh_from_db()
        assert stored.secret.reveal() == SECRET, "only what opens Vault lies here"
    giver.rule = lambda _request: Answer(503, b"")
    with pytest.raises(Refused, match="cannot be used now"):
        headers_of(*hot(acme))
    assert "answered with status 503" in caplog.text


# --- Google -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def account_of(pair: rsa.RSAPrivateKey, giver: Receiver, **more: Any) -> str:
    pem = pair.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    made = {
        "type": "service_account",
        "client_email": "llm@acme.iam.gserviceaccount.com",
        "private_key": pem,
        "private_key_id": "0123456789abcdef0123",
        "token_uri": f"{giver.url}/token",
    }
    return json.dumps({**made, **more})


def test_a_service_account_signs_for_its_token(acme: Tenant, giver: Receiver, pair: rsa.RSAPrivateKey) -> None:
    giver.rule = lambda _request: Answer(body=b'{"access_token": "ya29.t", "token_type": "Bearer", "expires_in": 3599}')
    stored = credential_of(acme, provider="vertex", secret=account_of(pair, giver), options={"region": "europe-west4"})
    assert stored.last_four == "0123", "of the key's id: the end of the file would tell nothing"
    (found,) = hot(acme)
    assert found.upstream == "europe-west4-aiplatform.googleapis.com"
    assert headers_of(found) == [(b"authorization", b"Bearer ya29.t")]
    (asked,) = giver.requests
    form = parse_qs(asked.body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    public = pair.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assertion = jwt.decode(form["assertion"][0], jwk.RSAKey.import_key(public), algorithms=["RS256"])
    assert assertion.header["kid"] == "0123456789abcdef0123"
    assert assertion.claims["iss"] == "llm@acme.iam.gserviceaccount.com"
    assert assertion.claims["aud"] == f"{giver.url}/token"
    assert assertion.claims["exp"] - time.time() <= 3600


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"type": "authorized_user"}, "not the JSON key of a service account"),
        ({"private_key": "-----BEGIN"}, "private_key in the key cannot be read"),
        ({"token_uri": "http://169.254.169.254/token"}, "token_uri in the key cannot be used"),
    ],
)
def test_a_key_that_is_none_is_refused(
    more: dict[str, str], words: str, acme: Tenant, giver: Receiver, pair: rsa.RSAPrivateKey
) -> None:
    with pytest.raises(DomainError, match=words) as caught:
        credential_of(acme, provider="vertex", secret=account_of(pair, giver, **more))
    assert caught.value.field == "secret"
