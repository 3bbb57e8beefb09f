"""Tokens as text: one form, and nothing passes that is not exactly right."""

import dataclasses
import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import OKPKey

from gateway.claims import Claims, Revocations, TokenRefused, UnknownKey, check, jwk, public_key, sign, x_of

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
KEYS = {"one": KEY.public_key()}
NOW = 1_800_000_000
ISSUER = "https://portal.example.com"


def claims(**changes: Any) -> Claims:
    """Return good claims, with changes."""
    values: dict[str, Any] = {
        "issuer": ISSUER,
        "audiences": ("gatehouse-llm",),
        "subject": "5a3d1c9e-0000-4000-8000-000000000001",
        "issued_at": NOW,
        "not_before": NOW,
        "expires_at": NOW + 600,
        "id": "abc",
        "actor_type": "service",
        "organization_id": "5a3d1c9e-0000-4000-8000-000000000002",
        "project_id": "5a3d1c9e-0000-4000-8000-000000000003",
        "environment": "production",
        "request_id": "r-12345678",
        "scope": frozenset({"llm:invoke"}),
    }
    return Claims(**values | changes)


def checked(token: str, *, now: float = NOW + 1) -> Claims:
    """Check a token as the hot path does."""
    return check(token, keys=KEYS, issuer=ISSUER, now=now)


def signed(document: Any, *, header: Any = None, key: Ed25519PrivateKey = KEY) -> str:
    """Return a token with any content and header, under a good signature."""
    parts = [header or {"alg": "EdDSA", "kid": "one", "typ": "at+jwt"}, document]
    texts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in parts]
    text = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in texts)
    return f"{text.decode()}.{urlsafe_b64encode(key.sign(text)).rstrip(b'=').decode()}"


def test_what_is_signed_is_read_again() -> None:
    given = claims(user_id="u", client_id="gatepk_1", model_provider="openai", model_name="gpt-4o", streaming=False)
    assert checked(sign(given.document(), kid="one", key=KEY)) == given


def test_the_same_claims_are_the_same_token_byte_for_byte() -> None:
    document = claims().document()
    turned = dict(reversed(document.items()))
    assert sign(document, kid="one", key=KEY) == sign(turned, kid="one", key=KEY)


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # the name that Envoy knows (RFC 8037)
def test_another_library_reads_it() -> None:
    token = sign(claims().document(), kid="one", key=KEY)
    key = OKPKey.import_key({**jwk("one", x_of(KEY.public_key()))})
    assert jwt.decode(token, key, algorithms=["EdDSA"]).claims == claims().document()


def test_langsmiths_names_stand_beside_ours_and_are_read() -> None:
    given = claims(actor_type="agent", user_id=None)
    document = given.document(langsmith=True)
    assert (document["workspace_id"], document["actor_type"]) == (given.organization_id, "agent-builder")
    assert "ls_user_id" not in document
    assert claims(user_id="u").document(langsmith=True)["ls_user_id"] == "u"
    assert checked(sign(document, kid="one", key=KEY)) == given


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"iss": "https://elsewhere.example"}, "token_invalid"),
        ({"exp": NOW - 50}, "token_expired"),
        ({"exp": NOW + 901}, "token_invalid"),
        ({"exp": NOW + 10 * 365 * 86_400}, "token_invalid"),
        ({"nbf": NOW + 60}, "token_invalid"),
        ({"iat": NOW + 60}, "token_invalid"),
        ({"exp": None}, "token_invalid"),
        ({"exp": str(NOW + 60)}, "token_invalid"),
        ({"exp": NOW + 60.5}, "token_invalid"),
        ({"iat": True}, "token_invalid"),
        ({"aud": None}, "token_invalid"),
        ({"aud": []}, "token_invalid"),
        ({"aud": [""]}, "token_invalid"),
        ({"aud": {"a": 1}}, "token_invalid"),
        ({"sub": ""}, "token_invalid"),
        ({"jti": 5}, "token_invalid"),
        ({"organization_id": None}, "token_invalid"),
        ({"actor_type": "root"}, "token_invalid"),
        ({"streaming": "yes"}, "token_invalid"),
        ({"model_name": ["gpt-4o"]}, "token_invalid"),
        ({"scope": ""}, "token_invalid"),
    ],
)
def test_a_wrong_claim_is_refused(change: dict[str, Any], code: str) -> None:
    with pytest.raises(TokenRefused) as refused:
        checked(signed(claims().document() | change))
    assert refused.value.code == code


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "iat", "nbf", "exp", "jti", "organization_id", "project_id"])
def test_a_missing_claim_is_refused(name: str) -> None:
    document = claims().document()
    del document[name]
    with pytest.raises(TokenRefused, match="missing"):
        checked(signed(document))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "kid": "one", "typ": "at+jwt"},
        {"alg": "HS256", "kid": "one", "typ": "at+jwt"},
        {"alg": "EdDSA", "kid": "one", "typ": "JWT"},
        {"alg": "EdDSA", "kid": "one"},
        {"alg": "EdDSA", "typ": "at+jwt"},
        {"alg": "EdDSA", "kid": ["one"], "typ": "at+jwt"},
        {"alg": "EdDSA", "kid": "one", "typ": "at+jwt", "jku": "https://evil.example/keys"},
        {"alg": "EdDSA", "kid": "one", "typ": "at+jwt", "jwk": jwk("one", x_of(OTHER.public_key()))},
        {"alg": "EdDSA", "kid": "one", "typ": "at+jwt", "crit": ["exp"]},
        b'{"alg":"none","alg":"EdDSA","kid":"one","typ":"at+jwt"}',
        b"[]",
        b"\xff",
    ],
)
def test_another_header_is_refused(header: Any) -> None:
    with pytest.raises(TokenRefused):
        checked(signed(claims().document(), header=header))


def test_a_key_that_is_not_published_is_told_apart() -> None:
    with pytest.raises(UnknownKey):
        checked(sign(claims().document(), kid="two", key=KEY))


def test_another_keys_signature_is_refused() -> None:
    with pytest.raises(TokenRefused, match="signature"):
        checked(signed(claims().document(), key=OTHER))


def test_content_that_was_changed_is_refused() -> None:
    good, other = (sign(claims(id=jti).document(), kid="one", key=KEY).split(".") for jti in ("a", "b"))
    with pytest.raises(TokenRefused, match="signature"):
        checked(".".join([good[0], other[1], good[2]]))


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c.d", "..", "é.a.b", "a" * 5_000, "!.!.!", "Bearer a.b.c"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(TokenRefused):
        checked(token)


def test_a_token_has_one_spelling() -> None:
    """A cache keyed by the text could otherwise be filled with many texts of one token."""
    token = sign(claims().document(), kid="one", key=KEY)
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    cousin = token[:-1] + last[last.index(token[-1]) + 1]  # decodes to the same 64 bytes
    for other in (token + "=", token + "==", cousin, token.replace("-", "+"), token + "\n"):
        if other != token:
            with pytest.raises(TokenRefused):
                checked(other)


def test_the_clock_may_be_off_by_ten_seconds_and_no_more() -> None:
    token = sign(claims().document(), kid="one", key=KEY)
    assert checked(token, now=NOW + 609).id == "abc"
    with pytest.raises(TokenRefused):
        checked(token, now=NOW + 610)
    assert checked(token, now=NOW - 10).id == "abc"
    with pytest.raises(TokenRefused):
        checked(token, now=NOW - 11)


def test_the_audience_is_one_of_the_organizations() -> None:
    assert claims(audiences=("a", "b")).is_for({"b", "c"})
    assert not claims(audiences=("a", "b")).is_for({"c"})
    assert not claims().is_for(())


@pytest.mark.parametrize(
    ("row", "meant"),
    [
        (("token", "abc", NOW), True),
        (("token", "abcd", NOW), False),
        (("actor", claims().subject, NOW), True),
        (("actor", claims().subject, NOW - 1), False),
        (("actor", "gatepk_1", NOW), False),
        (("key", "gatepk_1", NOW), True),
        (("key", "gatepk_2", NOW), False),
        (("project", claims().project_id, NOW + 5), True),
        (("project", claims().organization_id, NOW + 5), False),
        (("organization", "", NOW), True),
        (("organization", "", NOW - 1), False),
    ],
)
def test_a_revocation_ends_what_it_means(row: tuple[str, str, int], *, meant: bool) -> None:
    assert Revocations([row]).include(claims(client_id="gatepk_1")) is meant


def test_the_latest_revocation_counts() -> None:
    rows = [("organization", "", NOW), ("organization", "", NOW - 500)]
    assert Revocations(rows).include(claims())
    assert not Revocations(rows).include(dataclasses.replace(claims(), issued_at=NOW + 1))


def test_a_public_key_is_read_and_nothing_else() -> None:
    assert public_key(x_of(KEY.public_key())).public_bytes_raw() == KEY.public_key().public_bytes_raw()
    for text in ("", "AAAA", x_of(KEY.public_key()) + "=", "!" * 43):
        with pytest.raises(ValueError, match="x "):
            public_key(text)
