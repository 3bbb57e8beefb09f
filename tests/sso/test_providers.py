"""The identity providers of these tests: what is right there is right, and each wrong thing is wrong."""

import hmac
import json
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlencode

import httpx
import pytest
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from tests.sso.forgery import HUGE, IdToken, base64url
from tests.sso.hostile import REMOVED, Answer, Behaviour, Hostile, Jwks, hostile_provider, s256
from tests.sso.provider import Account, Provider, npm_provider

CLIENT_ID = "gatehouse"
CLIENT_SECRET = "a secret of thirty-two characters"
REDIRECT_URI = "https://gatehouse.example/callback"
SIGNED_OUT_URI = "https://gatehouse.example/signed-out"
VERIFIER = "v" * 43
CLIENT = {
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "redirect_uris": [REDIRECT_URI],
    "post_logout_redirect_uris": [SIGNED_OUT_URI],
    "grant_types": ["authorization_code", "refresh_token"],
}
GRACE = {"email": "grace@acme.example", "email_verified": True, "name": "Grace Hopper", "groups": ["Compilers"]}
ACCOUNTS = {"grace": Account("grace-1906", GRACE)}
RIGHTLY_SIGNED = {IdToken.RS256, IdToken.ES256, IdToken.NO_KID, IdToken.CRIT, IdToken.HUGE}
FORGED = [kind for kind in IdToken if kind not in RIGHTLY_SIGNED and kind is not IdToken.MISSING]
BY_FOREIGN_KEY = [IdToken.OTHER_KEY, IdToken.UNKNOWN_KID, IdToken.JKU]

# By itself httpx reads the certificates of all authorities anew for each request.
TLS = ssl.create_default_context()
get, post = partial(httpx.get, verify=TLS), partial(httpx.post, verify=TLS)


def discovery_of(issuer: str) -> dict[str, Any]:
    document = get(f"{issuer}/.well-known/openid-configuration").json()
    assert document["issuer"] == issuer
    return dict(document)


def authorization_url(issuer: str, **parameters: str) -> str:
    right = {
        "client_id": CLIENT_ID,
        "redirect_uri": REDIRECT_URI,
        "response_type": "code",
        "scope": "openid email profile groups",
        "state": "s",
        "nonce": "n",
        "code_challenge": s256(VERIFIER),
        "code_challenge_method": "S256",
    }
    return f"{discovery_of(issuer)['authorization_endpoint']}?{urlencode(right | parameters)}"


def answer_of(redirect: str) -> dict[str, list[str]]:
    """Return the parameters of an authorization response."""
    target, _, query = redirect.partition("?")
    assert target == REDIRECT_URI
    return parse_qs(query)


def redeem(issuer: str, redirect: str, verifier: str = VERIFIER) -> httpx.Response:
    form = {
        "grant_type": "authorization_code",
        "code": answer_of(redirect)["code"][0],
        "redirect_uri": REDIRECT_URI,
        "code_verifier": verifier,
    }
    return token_response(issuer, form)


def token_response(issuer: str, form: dict[str, str]) -> httpx.Response:
    return post(discovery_of(issuer)["token_endpoint"], data=form, auth=(CLIENT_ID, CLIENT_SECRET))


def jwks_of(issuer: str) -> dict[str, Any]:
    return dict(get(discovery_of(issuer)["jwks_uri"]).json())


def verified(issuer: str, token: str) -> jwt.Token:
    return jwt.decode(token, KeySet.import_key_set(jwks_of(issuer)), algorithms=["RS256", "ES256"])  # type: ignore[arg-type]


def userinfo(issuer: str, access_token: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {access_token}"}
    return dict(get(discovery_of(issuer)["userinfo_endpoint"], headers=headers).json())


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with npm_provider(clients=[CLIENT], accounts=ACCOUNTS) as provider:
        yield provider


@pytest.fixture
def provider(running: Provider) -> Provider:
    """Return oidc-provider as it was when it started."""
    running.configure(clients=[CLIENT], accounts=ACCOUNTS)
    return running


@pytest.fixture
def idp() -> Iterator[Hostile]:
    with hostile_provider(client_id=CLIENT_ID, client_secret=CLIENT_SECRET) as running:
        yield running


def sign_in(idp: Hostile) -> httpx.Response:
    return redeem(idp.issuer, idp.authorize(authorization_url(idp.issuer)))


class TestOidcProvider:
    def test_a_code_is_exchanged(self, provider: Provider) -> None:
        redirect = provider.sign_in(authorization_url(provider.issuer), "grace")
        answer = answer_of(redirect)
        assert (answer["state"], answer["iss"]) == (["s"], [provider.issuer])
        tokens = redeem(provider.issuer, redirect).json()
        token = verified(provider.issuer, tokens["id_token"])
        assert token.header["alg"] == "RS256"
        expected = {"sub": "grace-1906", "aud": CLIENT_ID, "nonce": "n", "iss": provider.issuer} | GRACE
        assert expected.items() <= token.claims.items()
        assert userinfo(provider.issuer, tokens["access_token"]) == {"sub": "grace-1906"} | GRACE

    def test_pkce_is_required(self, provider: Provider) -> None:
        redirect = provider.sign_in(authorization_url(provider.issuer, code_challenge=""), "grace")
        assert answer_of(redirect)["error"] == ["invalid_request"]
        redirect = provider.sign_in(authorization_url(provider.issuer), "grace")
        assert redeem(provider.issuer, redirect, "w" * 43).json()["error"] == "invalid_grant"

    def test_a_token_is_refreshed(self, provider: Provider) -> None:
        url = authorization_url(provider.issuer, scope="openid email offline_access", prompt="consent")
        tokens = redeem(provider.issuer, provider.sign_in(url, "grace")).json()
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        refreshed = token_response(provider.issuer, form).json()
        assert verified(provider.issuer, refreshed["id_token"]).claims["email"] == GRACE["email"]

    def test_keys_are_rotated(self, provider: Provider) -> None:
        before = redeem(provider.issuer, provider.sign_in(authorization_url(provider.issuer), "grace")).json()
        old = [key["kid"] for key in jwks_of(provider.issuer)["keys"]]
        provider.rotate_keys()
        new = [key["kid"] for key in jwks_of(provider.issuer)["keys"]]
        assert not set(old) & set(new)
        with pytest.raises(JoseError):
            verified(provider.issuer, before["id_token"])
        after = redeem(provider.issuer, provider.sign_in(authorization_url(provider.issuer), "grace")).json()
        assert verified(provider.issuer, after["id_token"]).header["kid"] == new[0]
        assert userinfo(provider.issuer, before["access_token"])["sub"] == "grace-1906"

    def test_a_session_lasts_until_sign_out(self, provider: Provider) -> None:
        url = authorization_url(provider.issuer)
        token = redeem(provider.issuer, provider.sign_in(url, "grace")).json()["id_token"]
        silent = authorization_url(provider.issuer, prompt="none")
        assert "code" in answer_of(provider.sign_in_again(silent))
        query = urlencode({"id_token_hint": token, "post_logout_redirect_uri": SIGNED_OUT_URI, "state": "out"})
        end_session = discovery_of(provider.issuer)["end_session_endpoint"]
        assert provider.sign_out(f"{end_session}?{query}") == f"{SIGNED_OUT_URI}?state=out"
        assert answer_of(provider.sign_in_again(silent))["error"] == ["login_required"]

    def test_people_and_clients_change_while_it_runs(self, provider: Provider) -> None:
        client = CLIENT | {"id_token_signed_response_alg": "ES256"}
        accounts = {"grace": Account("grace-1906", GRACE | {"groups": ["Admirals"]})}
        provider.configure(clients=[client], accounts=accounts)
        redirect = provider.sign_in(authorization_url(provider.issuer), "grace")
        token = verified(provider.issuer, redeem(provider.issuer, redirect).json()["id_token"])
        assert (token.header["alg"], token.claims["groups"]) == ("ES256", ["Admirals"])

    def test_a_name_without_account_signs_in_without_claims(self, provider: Provider) -> None:
        tokens = redeem(provider.issuer, provider.sign_in(authorization_url(provider.issuer), "nobody")).json()
        assert userinfo(provider.issuer, tokens["access_token"]) == {"sub": "nobody"}


class TestHostile:
    def test_a_code_is_exchanged(self, idp: Hostile) -> None:
        idp.claims |= {"groups": ["Compilers"]}
        redirect = idp.authorize(authorization_url(idp.issuer))
        answer = answer_of(redirect)
        assert (answer["state"], answer["iss"]) == (["s"], [idp.issuer])
        tokens = redeem(idp.issuer, redirect).json()
        claims = verified(idp.issuer, tokens["id_token"]).claims
        assert (idp.claims | {"iss": idp.issuer, "aud": CLIENT_ID, "nonce": "n"}).items() <= claims.items()
        assert claims["iat"] <= time.time() < claims["exp"]
        assert userinfo(idp.issuer, tokens["access_token"]) == idp.claims

    def test_it_keeps_what_it_was_asked(self, idp: Hostile) -> None:
        sign_in(idp)
        [authorization], [token] = idp.requested("/authorize"), idp.requested("/token")
        assert authorization.form["nonce"] == "n"
        assert s256(token.form["code_verifier"]) == authorization.form["code_challenge"]
        assert token.client_authentication == "client_secret_basic"
        assert token.client == (CLIENT_ID, CLIENT_SECRET)

    def test_a_code_counts_once_and_with_its_verifier(self, idp: Hostile) -> None:
        redirect = idp.authorize(authorization_url(idp.issuer))
        assert redeem(idp.issuer, redirect).status_code == 200
        assert redeem(idp.issuer, redirect).json() == {"error": "invalid_grant"}
        redirect = idp.authorize(authorization_url(idp.issuer))
        assert redeem(idp.issuer, redirect, "w" * 43).json() == {"error": "invalid_grant"}

    def test_another_secret_is_refused(self, idp: Hostile) -> None:
        form = {"grant_type": "authorization_code", "client_id": CLIENT_ID, "client_secret": "guessed"}
        assert post(f"{idp.issuer}/token", data=form).json() == {"error": "invalid_client"}

    def test_keys_are_rotated(self, idp: Hostile) -> None:
        before = sign_in(idp).json()["id_token"]
        idp.rotate_keys()
        with pytest.raises(JoseError):
            verified(idp.issuer, before)
        verified(idp.issuer, sign_in(idp).json()["id_token"])

    @pytest.mark.parametrize("kind", FORGED, ids=lambda kind: kind.name)
    def test_a_forged_token_does_not_verify(self, idp: Hostile, kind: IdToken) -> None:
        idp.behaviour = replace(idp.behaviour, id_token=kind)
        token = sign_in(idp).json()["id_token"]
        with pytest.raises((JoseError, ValueError)):
            verified(idp.issuer, token)

    @pytest.mark.parametrize("kind", BY_FOREIGN_KEY, ids=lambda kind: kind.name)
    def test_a_forged_token_convinces_who_takes_the_foreign_key(self, idp: Hostile, kind: IdToken) -> None:
        idp.behaviour = replace(idp.behaviour, id_token=kind)
        token = jwt.decode(sign_in(idp).json()["id_token"], idp.keys.foreign, algorithms=["RS256"])
        assert token.claims["sub"] == "grace"

    def test_a_forged_token_says_where_its_key_is(self, idp: Hostile) -> None:
        idp.behaviour = replace(idp.behaviour, id_token=IdToken.JKU)
        token = sign_in(idp).json()["id_token"]
        published = get(jws.extract_compact(token.encode()).headers()["jku"]).json()
        assert jwt.decode(token, KeySet.import_key_set(published), algorithms=["RS256"]).claims["sub"] == "grace"
        idp.behaviour = replace(idp.behaviour, id_token=IdToken.EMBEDDED_JWK)
        token = sign_in(idp).json()["id_token"]
        embedded = jws.extract_compact(token.encode()).headers()["jwk"]
        assert jwt.decode(token, ECKey.import_key(embedded), algorithms=["ES256"]).claims["sub"] == "grace"

    def test_a_mac_convinces_who_takes_what_everybody_knows_for_a_secret(self, idp: Hostile) -> None:
        known = {
            IdToken.HS256_CLIENT_SECRET: CLIENT_SECRET.encode(),
            IdToken.HS256_PUBLIC_KEY: idp.keys.rsa.as_pem(private=False),
        }
        for kind, secret in known.items():
            idp.behaviour = replace(idp.behaviour, id_token=kind)
            text, _, mac = sign_in(idp).json()["id_token"].rpartition(".")
            assert mac == base64url(hmac.digest(secret, text.encode(), "sha256"))

    def test_es256_is_signed_as_rs256_is(self, idp: Hostile) -> None:
        idp.behaviour = replace(idp.behaviour, id_token=IdToken.ES256)
        assert verified(idp.issuer, sign_in(idp).json()["id_token"]).header["alg"] == "ES256"

    def test_a_token_is_missing_or_huge(self, idp: Hostile) -> None:
        idp.behaviour = Behaviour(id_token=IdToken.MISSING)
        assert "id_token" not in sign_in(idp).json()
        idp.behaviour = Behaviour(id_token=IdToken.HUGE)
        assert len(sign_in(idp).json()["id_token"]) > HUGE

    def test_claims_and_fields_are_others_or_removed(self, idp: Hostile) -> None:
        idp.behaviour = Behaviour(
            id_token_claims={"aud": ["other"], "nonce": REMOVED},
            userinfo={"sub": "somebody"},
            token={"token_type": "mac"},
            discovery={"jwks_uri": REMOVED},
        )
        assert "jwks_uri" not in discovery_of(idp.issuer)
        tokens = sign_in(idp).json()
        assert tokens["token_type"] == "mac"
        assert userinfo(idp.issuer, tokens["access_token"])["sub"] == "somebody"
        idp.behaviour = Behaviour()
        claims = verified(idp.issuer, tokens["id_token"]).claims
        assert claims["aud"] == ["other"]
        assert "nonce" not in claims

    @pytest.mark.parametrize(
        ("authorization", "expected"),
        [
            ({"code": REMOVED, "error": "access_denied"}, {"error": ["access_denied"]}),
            ({"state": "other"}, {"state": ["other"]}),
            ({"iss": "https://other.example"}, {"iss": ["https://other.example"]}),
            ({"code": ["one", "two"]}, {"code": ["one", "two"]}),
        ],
    )
    def test_the_browser_comes_back_with_something_else(
        self, idp: Hostile, authorization: dict[str, Any], expected: dict[str, list[str]]
    ) -> None:
        idp.behaviour = replace(idp.behaviour, authorization=authorization)
        answer = answer_of(idp.authorize(authorization_url(idp.issuer)))
        assert expected.items() <= answer.items()
        assert ("code" in answer) == (authorization.get("code") is not REMOVED)

    def test_the_token_endpoint_refuses(self, idp: Hostile) -> None:
        idp.behaviour = replace(idp.behaviour, token_error="invalid_grant")
        response = sign_in(idp)
        assert (response.status_code, response.json()) == (400, {"error": "invalid_grant"})

    def test_keys_are_none_private_symmetric_or_many(self, idp: Hostile) -> None:
        idp.behaviour = Behaviour(jwks=Jwks.EMPTY)
        assert jwks_of(idp.issuer) == {"keys": []}
        idp.behaviour = Behaviour(jwks=Jwks.PRIVATE)
        assert all("d" in key for key in jwks_of(idp.issuer)["keys"])
        idp.behaviour = Behaviour(jwks=Jwks.SYMMETRIC)
        first, *_ = jwks_of(idp.issuer)["keys"]
        assert (first["kty"], first["kid"]) == ("oct", idp.keys.rsa.kid)
        idp.behaviour = Behaviour(jwks=Jwks.MANY)
        keys = jwks_of(idp.issuer)["keys"]
        assert (len(keys), keys[-1]["kid"]) == (10_000, idp.keys.rsa.kid)

    def test_an_endpoint_answers_otherwise(self, idp: Hostile) -> None:
        url = f"{idp.issuer}/jwks"
        right = get(url).content
        idp.behaviour = Behaviour(jwks_answer=Answer.HTML)
        assert (get(url).status_code, get(url).text[:9]) == (200, "<!DOCTYPE")
        idp.behaviour = Behaviour(jwks_answer=Answer.HTML_500)
        assert (get(url).status_code, get(url).text[:9]) == (500, "<!DOCTYPE")
        idp.behaviour = Behaviour(jwks_answer=Answer.REDIRECT)
        assert get(url).headers["Location"] == f"{idp.issuer}/elsewhere"
        for answer in (Answer.HUGE, Answer.COMPRESSED):
            idp.behaviour = Behaviour(jwks_answer=answer)
            content = get(url).content
            assert len(content) > 16 * 1024 * 1024
            assert json.loads(content) == json.loads(right)

    def test_an_endpoint_keeps_the_client_waiting(self, idp: Hostile) -> None:
        url = f"{idp.issuer}/jwks"
        idp.behaviour = Behaviour(jwks_answer=Answer.SILENT)
        with pytest.raises(httpx.ReadTimeout):
            get(url, timeout=0.2)
        idp.behaviour = Behaviour(jwks_answer=Answer.DRIPPING)
        with httpx.stream("GET", url, timeout=10) as response:
            received = response.iter_raw(chunk_size=1)
            assert [next(received) for _ in range(3)] == [b" ", b" ", b" "]
