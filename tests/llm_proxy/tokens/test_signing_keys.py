"""The life of signing keys: no change of keys refuses a token, and a leaked one ends at once."""

import io
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from gateway.claims import public_key, x_of
from gateway.models import KeyState, SigningKey
from gateway.services.signing_keys import (
    needed_for,
    revoke_signing_key,
    rotate_signing_keys,
    settle_signing_keys,
)
from gateway.signing import NoSigningKey, current_signer, wrapping_keys
from gateway.signing_jwks import check_issuer, parse_signing_jwks
from isolation.actor import ANONYMOUS, SYSTEM, Actor, ActorKind
from isolation.context import acting_as
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from tenants.access import user_actor
from tests.accounts.log import of_installation
from tests.database import TRIGGERS_OFF, TRIGGERS_ON
from tests.people import Tenant
from vault.keyring import keyring

Row = dict[str, Any]


@pytest.fixture(autouse=True)
def as_system(db: None) -> Iterator[None]:
    """Act as the installation itself."""
    with acting_as(SYSTEM):
        yield


def states() -> dict[str, list[str]]:
    """Return the key IDs by state."""
    found: dict[str, list[str]] = {}
    for key in SigningKey.objects.order_by("created_at"):
        found.setdefault(str(key.state), []).append(key.kid)
    return found


def age(superuser: psycopg.Connection, seconds: float) -> None:
    """Let everything that happened to the keys have happened earlier."""
    columns = ("created_at", "signs_from", "retired_at")
    moved = ", ".join(f"{column} = {column} - make_interval(secs => {float(seconds)})" for column in columns)
    superuser.execute(TRIGGERS_OFF)
    superuser.execute(f"UPDATE gateway_signingkey SET {moved}")  # noqa: S608 - columns and a number
    superuser.execute(TRIGGERS_ON)


def jwk_of(key: Ed25519PrivateKey, kid: str) -> Row:
    """Return a private key as a JWK."""
    d = urlsafe_b64encode(key.private_bytes_raw()).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x_of(key.public_key()), "d": d}


def given(*kids: str, keys: dict[str, Ed25519PrivateKey]) -> Any:
    """Return what the environment gives."""
    for kid in kids:
        keys.setdefault(kid, Ed25519PrivateKey.generate())
    return parse_signing_jwks(json.dumps({"keys": [jwk_of(keys[kid], kid) for kid in kids]}))


# --- A stranger, and everybody else ------------------------------------------------------------------------


def test_nobody_in_an_organization_rotates_or_revokes(acme: Tenant, globex: Tenant) -> None:
    settle_signing_keys()
    key = SigningKey.objects.get(signs_from__isnull=False)
    actors = [ANONYMOUS]
    for tenant in (acme, globex):
        with tenant_scope(tenant.organization):
            actors.append(user_actor(tenant.owner, tenant.organization.pk))
    for actor in actors:
        with pytest.raises(DomainError, match="operator"):
            rotate_signing_keys(actor=actor, reason="Mine")
        with pytest.raises(DomainError, match="operator"):
            revoke_signing_key(key=key, actor=actor, reason="Mine")
    assert current_signer().kid == key.kid


# --- Their life --------------------------------------------------------------------------------------------


def test_the_first_settling_makes_a_key_that_signs_and_one_that_waits() -> None:
    with pytest.raises(NoSigningKey):
        current_signer()
    settle_signing_keys()
    settle_signing_keys()
    found = states()
    assert {state: len(kids) for state, kids in found.items()} == {"signing": 1, "next": 1}
    signer = current_signer()
    assert [signer.kid] == found["signing"]
    stored = SigningKey.objects.get(pk=signer.kid)
    message = b"text"
    public_key(stored.public).verify(signer.private.sign(message), message)


def test_the_private_part_is_nowhere_in_the_clear(superuser: psycopg.Connection) -> None:
    settle_signing_keys()
    seed = current_signer().private.private_bytes_raw()
    wrapped = SigningKey.objects.get(pk=current_signer().kid).wrapped
    assert wrapped is not None
    assert seed not in bytes(wrapped)
    logged = superuser.execute("SELECT string_agg(after::text, '') FROM audit_event").fetchone()
    assert logged is not None
    assert seed.hex() not in logged[0]
    assert "[redacted]" in logged[0]
    assert wrapping_keys() == {keyring().active_key: 2}


def test_the_next_key_signs_once_every_proxy_knows_it(superuser: psycopg.Connection, settings: Any) -> None:
    settle_signing_keys()
    before = states()
    with pytest.raises(DomainError, match="rotate then"):
        rotate_signing_keys(actor=SYSTEM, reason="Too early")
    age(superuser, 2 * settings.JWKS_CACHE_SECONDS + 61)
    assert rotate_signing_keys(actor=SYSTEM, reason="Yearly").kid == before["next"][0]
    after = states()
    assert after["signing"] == before["next"]
    assert after["retired"] == before["signing"]
    assert len(after["next"]) == 1
    retired = SigningKey.objects.get(pk=before["signing"][0])
    assert retired.wrapped is None
    events = [event.action for event in of_installation() if event.target_type == "signing key"]
    assert events[-3:] == ["signing_key.retired", "signing_key.used", "signing_key.published"]


def test_a_retired_key_stays_until_its_last_token_is_over(superuser: psycopg.Connection, settings: Any) -> None:
    settle_signing_keys()
    age(superuser, 3_600)
    old = current_signer().kid
    rotate_signing_keys(actor=SYSTEM, reason="Yearly")
    age(superuser, needed_for().total_seconds() - 5)
    settle_signing_keys()
    assert SigningKey.objects.get(pk=old).is_published
    age(superuser, 10)
    settle_signing_keys()
    assert SigningKey.objects.get(pk=old).state == KeyState.WITHDRAWN
    assert needed_for().total_seconds() > 900 + settings.JWKS_CACHE_SECONDS
    assert of_installation("signing_key.withdrawn")[0].target_id == old


def test_time_rotates_by_itself(superuser: psycopg.Connection, settings: Any) -> None:
    settings.SIGNING_KEY_DAYS = 30
    settle_signing_keys()
    waiting = states()["next"]
    age(superuser, 29.9 * 86_400)
    settle_signing_keys()
    assert states()["next"] == waiting
    age(superuser, 0.2 * 86_400)
    settle_signing_keys()
    assert states()["signing"] == waiting


def test_a_leaked_key_ends_at_once_and_the_next_one_signs(superuser: psycopg.Connection) -> None:
    settle_signing_keys()
    age(superuser, 3_600)
    leaked, waiting = current_signer().kid, states()["next"]
    now = revoke_signing_key(key=SigningKey.objects.get(pk=leaked), actor=SYSTEM, reason="On a laptop that was lost")
    assert now is not None
    assert [current_signer().kid] == [now.kid] == waiting
    assert leaked not in {key["kid"] for key in Client().get("/.well-known/jwks.json").json()["keys"]}
    with connection.cursor() as cursor:
        cursor.execute("SELECT gateway_signing_keys()")
        known = json.loads(cursor.fetchone()[0])
    assert set(known) == set(SigningKey.objects.published().values_list("pk", flat=True))
    assert leaked not in known
    with pytest.raises(DomainError, match="not published any more"):
        revoke_signing_key(key=SigningKey.objects.get(pk=leaked), actor=SYSTEM, reason="Again")
    (event,) = of_installation("signing_key.revoked")
    assert (event.target_id, event.reason) == (leaked, "On a laptop that was lost")


def test_the_key_that_waits_can_be_revoked_and_another_one_waits() -> None:
    settle_signing_keys()
    signing, (waiting,) = current_signer().kid, states()["next"]
    revoke_signing_key(key=SigningKey.objects.get(pk=waiting), actor=SYSTEM, reason="Rather not")
    assert current_signer().kid == signing
    assert states()["next"] != [waiting]


@pytest.mark.parametrize("reason", ["", "  ", "x" * 301])
def test_a_reason_is_asked_for(reason: str) -> None:
    settle_signing_keys()
    with pytest.raises(DomainError, match="Say"):
        rotate_signing_keys(actor=SYSTEM, reason=reason)
    with pytest.raises(DomainError, match="Say"):
        revoke_signing_key(key=SigningKey.objects.get(signs_from__isnull=False), actor=SYSTEM, reason=reason)


def test_operators_may(operator: Any) -> None:
    settle_signing_keys()
    actor = Actor(ActorKind.OPERATOR, uuid4(), operator.email)
    key = SigningKey.objects.get(signs_from__isnull=False)
    assert revoke_signing_key(key=key, actor=actor, reason="Leaked") is not None
    assert of_installation("signing_key.revoked")[0].actor_label == operator.email


# --- Keys from the environment ------------------------------------------------------------------------------


def test_the_environments_first_key_signs_and_all_are_published(settings: Any) -> None:
    keys: dict[str, Ed25519PrivateKey] = {}
    settings.SIGNING_JWKS = given("a", "b", keys=keys)
    settle_signing_keys(at_start=True)
    assert current_signer().kid == "a"
    assert set(SigningKey.objects.published().values_list("pk", flat=True)) == {"a", "b"}
    settings.SIGNING_JWKS = given("b", "a", "c", keys=keys)
    settle_signing_keys()  # beat of a process that started earlier changes nothing
    assert set(SigningKey.objects.published().values_list("pk", flat=True)) == {"a", "b"}
    settle_signing_keys(at_start=True)
    assert current_signer().kid == "b"
    assert set(SigningKey.objects.published().values_list("pk", flat=True)) == {"a", "b", "c"}
    settings.SIGNING_JWKS = given("b", keys=keys)
    settle_signing_keys(at_start=True)
    # "a" has signed: it stays until its tokens are over. "c" never did.
    assert set(SigningKey.objects.published().values_list("pk", flat=True)) == {"a", "b"}


def test_the_environments_keys_are_rotated_there_and_revoked_here(settings: Any) -> None:
    keys: dict[str, Ed25519PrivateKey] = {}
    settings.SIGNING_JWKS = given("a", "b", keys=keys)
    settle_signing_keys(at_start=True)
    with pytest.raises(DomainError, match="GATEHOUSE_SIGNING_JWKS"):
        rotate_signing_keys(actor=SYSTEM, reason="Yearly")
    revoke_signing_key(key=SigningKey.objects.get(pk="a"), actor=SYSTEM, reason="Leaked")
    assert current_signer().kid == "b"
    settle_signing_keys(at_start=True)
    assert current_signer().kid == "b"
    revoke_signing_key(key=SigningKey.objects.get(pk="b"), actor=SYSTEM, reason="Leaked as well")
    with pytest.raises(NoSigningKey):
        current_signer()


def test_from_our_own_keys_to_the_environments_and_back(settings: Any) -> None:
    settle_signing_keys(at_start=True)
    own = current_signer().kid
    settings.SIGNING_JWKS = given("a", keys={})
    settle_signing_keys(at_start=True)
    assert current_signer().kid == "a"
    assert set(SigningKey.objects.published().values_list("pk", flat=True)) == {"a", own}
    settings.SIGNING_JWKS = ()
    settle_signing_keys(at_start=True)
    assert current_signer().kid not in {"a", own}
    assert SigningKey.objects.get(pk="a").state == KeyState.RETIRED


def test_another_key_under_a_known_id_stops_the_start(settings: Any) -> None:
    settings.SIGNING_JWKS = given("a", keys={})
    settle_signing_keys(at_start=True)
    settings.SIGNING_JWKS = given("a", keys={})
    with pytest.raises(SystemExit, match="GATEHOUSE_SIGNING_JWKS: the key ID a"):
        settle_signing_keys(at_start=True)


GOOD = jwk_of(Ed25519PrivateKey.from_private_bytes(b"1" * 32), "a")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("nonsense", "no JWK Set"),
        ("[]", "no JWK Set"),
        ('{"keys": []}', "one to 10 keys"),
        (json.dumps({"keys": [GOOD, GOOD]}), "twice"),
        (json.dumps({"keys": [GOOD | {"kty": "RSA"}]}), "no Ed25519 key"),
        (json.dumps({"keys": [{name: GOOD[name] for name in ("kty", "crv", "kid", "x")}]}), "no private part"),
        (json.dumps({"keys": [GOOD | {"d": "AAAA"}]}), "no private part"),
        (json.dumps({"keys": [GOOD | {"d": "!" * 43}]}), "no private part"),
        (json.dumps({"keys": [GOOD | {"x": "AAAA"}]}), "does not belong"),
        (json.dumps({"keys": [GOOD | {"kid": "a b"}]}), "key ID of key 1"),
        (json.dumps({"keys": [GOOD | {"use": "enc"}]}), "something else than signing"),
    ],
)
def test_a_malformed_set_is_one_clear_line_that_quotes_nothing(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as refused:
        parse_signing_jwks(text)
    assert GOOD["d"] not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_key_without_an_id_is_called_by_its_thumbprint() -> None:
    """The example of RFC 8037 appendix A.3."""
    key = {
        "kty": "OKP",
        "crv": "Ed25519",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    }
    (parsed,) = parse_signing_jwks(json.dumps({"keys": [key]}))
    assert parsed.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert key["d"] not in repr(parsed)


@pytest.mark.parametrize(
    "url", ["", "portal.example.com", "ftp://a", "https://a/?b", "https://a#b", "https://u@a", "//"]
)
def test_an_issuer_is_a_plain_url(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        check_issuer(url)
    assert check_issuer("https://portal.example.com/") == "https://portal.example.com"


# --- What everybody reads -----------------------------------------------------------------------------------


def test_the_jwks_holds_public_parts_only_and_may_be_kept(settings: Any) -> None:
    answer = Client().get("/.well-known/jwks.json")
    assert answer["Content-Type"] == "application/jwk-set+json"
    assert answer["Cache-Control"] == f"public, max-age={settings.JWKS_CACHE_SECONDS}"
    assert "Set-Cookie" not in answer
    assert "Cookie" not in answer.get("Vary", "")
    keys = answer.json()["keys"]
    assert keys[0]["kid"] == current_signer().kid
    assert len(keys) == 2
    for key in keys:
        assert set(key) == {"kty", "crv", "use", "alg", "kid", "x"}
    again = Client().get("/.well-known/jwks.json", headers={"If-None-Match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_metadata_says_where_everything_is(settings: Any) -> None:
    settings.PUBLIC_URL = settings.JWT_ISSUER = "https://portal.example.com"
    answer = Client().get("/.well-known/oauth-authorization-server")
    found = answer.json()
    assert found["issuer"] == "https://portal.example.com"
    assert found["jwks_uri"] == "https://portal.example.com/.well-known/jwks.json"
    assert found["token_endpoint"] == "https://portal.example.com/api/v1/oauth2/token"
    assert "urn:ietf:params:oauth:grant-type:token-exchange" in found["grant_types_supported"]
    assert "llm:invoke" in found["scopes_supported"]
    assert Client().post("/.well-known/oauth-authorization-server").status_code == 405


# --- The command --------------------------------------------------------------------------------------------


def command(*arguments: str) -> tuple[Any, str]:
    """Run the command; return what it printed, and said besides."""
    out, err = io.StringIO(), io.StringIO()
    call_command("signing_keys", *arguments, stdout=out, stderr=err)
    return json.loads(out.getvalue()), err.getvalue()


def test_the_command_lists_rotates_and_revokes(superuser: psycopg.Connection) -> None:
    rows, _ = command("list")
    assert {row["state"] for row in rows} == {"signing", "next"}
    assert "wrapped" not in rows[0]
    with pytest.raises(CommandError, match="rotate then"):
        command("rotate")
    age(superuser, 3_600)
    rotated, _ = command("rotate", "--reason", "Yearly")
    assert rotated["state"] == "signing"
    revoked, cost = command("revoke", rotated["kid"], "--reason", "Leaked")
    assert revoked["signs_now"] == current_signer().kid != rotated["kid"]
    assert "refuse its tokens for up to" in " ".join(cost.split())
    with pytest.raises(CommandError, match="no signing key"):
        command("revoke", "nonsense", "--reason", "x")
    with pytest.raises(CommandError, match="reason"):
        command("revoke", rotated["kid"])
