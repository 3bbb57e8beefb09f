"""An OpenID provider of which a test says what it does wrong.

Everything is right by default: discovery, JWKS, authorization with PKCE (nobody is asked anything: the browser is sent
back at once), tokens, userinfo. A `Behaviour` names what is wrong, one thing for each of its fields.
"""

import base64
import gzip
import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from hashlib import sha256
from http import HTTPStatus
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from joserfc.jwk import ECKey, OctKey, RSAKey

from tests.sso.forgery import IdToken, SigningKeys, base64url, half_hash, id_token

REMOVED = object()
"""As an overriding value: the claim, the field or the parameter is left out."""

PADDING = 16 * 1024 * 1024
MANY_KEYS = 10_000
LIFETIME = 300
PATIENCE = 30.0
DRIP_SECONDS = 0.05

Overrides = Mapping[str, Any]


class Answer(Enum):
    """How an endpoint answers."""

    RIGHT = auto()
    HTML = auto()
    """200 and a page for people."""
    HTML_500 = auto()
    """500 and such a page."""
    REDIRECT = auto()
    """307 to /elsewhere, which a client that keeps to its endpoints never asks for."""
    HUGE = auto()
    """The right JSON behind 16 MiB of white space, without Content-Length."""
    COMPRESSED = auto()
    """The same as a gzip stream of some kilobytes, asked for or not."""
    SILENT = auto()
    """Nothing, until the provider ends."""
    DRIPPING = auto()
    """White space, a byte twenty times a second, until the provider ends: no single read takes long."""


class Jwks(Enum):
    """What the JWKS holds."""

    RIGHT = auto()
    EMPTY = auto()
    PRIVATE = auto()
    """The keys with their private parts."""
    SYMMETRIC = auto()
    """A secret besides, with the kid of the key that signs, before it."""
    STRANGE = auto()
    """Things that look like keys, before the right ones."""
    MANY = auto()
    """10,000 keys; the one that signs is the last."""


@dataclass(frozen=True)
class Behaviour:
    """What the provider does wrong; by default nothing. Change it with `dataclasses.replace`.

    Args:
        discovery: fields of the discovery document instead of the right ones, such as issuer or token_endpoint.
        discovery_answer: how /.well-known/openid-configuration answers.
        jwks: what the JWKS holds.
        jwks_answer: how /jwks answers.
        authorization: parameters of the authorization response instead of the right ones (code, state, iss), such as
            error; a list repeats the parameter.
        id_token: how the ID token is signed, and whether it is one.
        id_token_claims: claims of the ID token instead of the right ones.
        token: fields of the token response instead of the right ones.
        token_error: an error code of RFC 6749, section 5.2, instead of tokens: 400 and JSON.
        token_answer: how /token answers.
        userinfo: claims of userinfo instead of the right ones.
        userinfo_answer: how /userinfo answers.
    """

    discovery: Overrides = field(default_factory=dict)
    discovery_answer: Answer = Answer.RIGHT
    jwks: Jwks = Jwks.RIGHT
    jwks_answer: Answer = Answer.RIGHT
    authorization: Overrides = field(default_factory=dict)
    id_token: IdToken = IdToken.RS256
    id_token_claims: Overrides = field(default_factory=dict)
    token: Overrides = field(default_factory=dict)
    token_error: str = ""
    token_answer: Answer = Answer.RIGHT
    userinfo: Overrides = field(default_factory=dict)
    userinfo_answer: Answer = Answer.RIGHT


@dataclass(frozen=True)
class Request:
    """A request that the provider got.

    Args:
        method: GET or POST.
        path: without the query.
        form: the fields of the query or of the body.
        headers: by their names in lower case.
    """

    method: str
    path: str
    form: Mapping[str, str]
    headers: Mapping[str, str]

    @property
    def client_authentication(self) -> str:
        """Return how the client authenticates, as token_endpoint_auth_methods_supported names it."""
        methods = {
            "client_secret_basic": self.headers.get("authorization", "").startswith("Basic "),
            "client_secret_post": "client_secret" in self.form,
            "private_key_jwt": "client_assertion" in self.form,
        }
        return " ".join(method for method, is_used in methods.items() if is_used) or "none"

    @property
    def client(self) -> tuple[str, str]:
        """Return id and secret of the client, from the header or the form (RFC 6749, section 2.3.1)."""
        if self.client_authentication == "client_secret_basic":
            identifier, _, secret = base64.b64decode(self.headers["authorization"][6:]).decode().partition(":")
            return unquote_plus(identifier), unquote_plus(secret)
        return self.form.get("client_id", ""), self.form.get("client_secret", "")


@dataclass(frozen=True)
class Reply:
    """What an endpoint answers when it is right: a status and JSON, or a redirect."""

    status: HTTPStatus
    body: Any = None
    location: str = ""


class Hostile:
    """A provider with one client.

    Args:
        client_id: the client's.
        client_secret: the client's.

    Attributes:
        issuer: its issuer identifier.
        behaviour: what it does wrong from now on.
        claims: of the person who signs in, in the ID token and in userinfo.
        keys: what it signs with.
        requests: what it was asked, oldest first.
        ended: set when it ends; who keeps a client waiting waits for this.
    """

    def __init__(self, client_id: str, client_secret: str) -> None:
        self.client_id = client_id
        self.client_secret = client_secret
        self.issuer = ""
        self.behaviour = Behaviour()
        self.claims: dict[str, Any] = {
            "sub": "grace",
            "email": "grace@acme.example",
            "email_verified": True,
            "name": "Grace Hopper",
            "groups": [],
        }
        self.keys = SigningKeys()
        self.requests: list[Request] = []
        self.ended = Event()
        self._codes: dict[str, Mapping[str, str]] = {}
        self._access_tokens: set[str] = set()

    def rotate_keys(self) -> None:
        """Sign with new keys from now on; the old ones are gone from the JWKS."""
        self.keys = SigningKeys()

    def authorize(self, url: str) -> str:
        """Play a browser that the client sends to the authorization endpoint.

        Returns:
            Where it is sent back to: the client's redirect URI with the answer, not requested.
        """
        parts = urlsplit(url)
        with closing(HTTPConnection(parts.netloc, timeout=PATIENCE)) as connection:
            connection.request("GET", f"{parts.path}?{parts.query}")
            response = connection.getresponse()
            location = response.headers["Location"]
            assert location, response.read()
        return location

    def requested(self, path: str) -> list[Request]:
        """Return the requests of a path, oldest first."""
        return [request for request in self.requests if request.path == path]

    def reply(self, request: Request) -> tuple[Reply, Answer]:
        """Return what is right to answer, and how it is answered instead."""
        self.requests.append(request)
        match request.path:
            case "/.well-known/openid-configuration":
                reply, answer = self._discovery(), self.behaviour.discovery_answer
            case "/jwks":
                reply, answer = Reply(HTTPStatus.OK, {"keys": self._jwks()}), self.behaviour.jwks_answer
            case "/authorize":
                reply, answer = self._authorization(request.form), Answer.RIGHT
            case "/token":
                reply, answer = self._token(request), self.behaviour.token_answer
            case "/userinfo":
                reply, answer = self._userinfo(request), self.behaviour.userinfo_answer
            case "/foreign-jwks":
                reply, answer = Reply(HTTPStatus.OK, {"keys": [public(self.keys.foreign)]}), Answer.RIGHT
            case _:
                reply, answer = Reply(HTTPStatus.NOT_FOUND, {"error": "not_found"}), Answer.RIGHT
        return reply, answer

    def _discovery(self) -> Reply:
        right = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", "email", "profile", "groups"],
            "authorization_response_iss_parameter_supported": True,
        }
        return Reply(HTTPStatus.OK, overridden(right, self.behaviour.discovery))

    def _jwks(self) -> Sequence[Mapping[str, Any]]:
        keys = [public(key) for key in self.keys.own()]
        match self.behaviour.jwks:
            case Jwks.PRIVATE:
                return [key.as_dict(private=True) for key in self.keys.own()]
            case Jwks.EMPTY:
                return []
            case Jwks.SYMMETRIC:
                secret = OctKey.import_key(self.client_secret).as_dict(private=True)
                return [secret | {"kid": self.keys.rsa.kid, "alg": "HS256", "use": "sig"}, *keys]
            case Jwks.STRANGE:
                return [{"kty": ["RSA"]}, {"kty": "EC", "crv": "P-0", "x": "AA", "y": "AA"}, {"kty": "EC"}, *keys]
            case Jwks.MANY:
                spare = public(self.keys.spare)
                others = ({**spare, "kid": f"spare-{number}"} for number in range(MANY_KEYS - 1))
                return [*others, public(self.keys.rsa)]
        return keys

    def _authorization(self, form: Mapping[str, str]) -> Reply:
        """Send the browser back (OpenID Connect Core 1.0, section 3.1.2.5; RFC 9207)."""
        if form.get("client_id") != self.client_id or "redirect_uri" not in form:
            return Reply(HTTPStatus.BAD_REQUEST, {"error": "invalid_request"})
        answer = {"state": form.get("state", REMOVED), "iss": self.issuer}
        is_right = (
            form.get("response_type") == "code"
            and "openid" in form.get("scope", "").split()
            and form.get("code_challenge_method") == "S256"
            and "code_challenge" in form
        )
        if is_right:
            code = secrets.token_urlsafe(16)
            self._codes[code] = form
            answer["code"] = code
        else:
            answer["error"] = "invalid_request"
        query = urlencode(overridden(answer, self.behaviour.authorization), doseq=True)
        separator = "&" if urlsplit(form["redirect_uri"]).query else "?"
        return Reply(HTTPStatus.FOUND, location=f"{form['redirect_uri']}{separator}{query}")

    def _token(self, request: Request) -> Reply:
        """Redeem a code, once (RFC 6749, section 4.1.3; RFC 7636, section 4.6)."""
        is_secret_sent = request.client_authentication in {"client_secret_basic", "client_secret_post"}
        if not is_secret_sent or request.client != (self.client_id, self.client_secret):
            return Reply(HTTPStatus.UNAUTHORIZED, {"error": "invalid_client"})
        if request.form.get("grant_type") != "authorization_code":
            return Reply(HTTPStatus.BAD_REQUEST, {"error": "unsupported_grant_type"})
        asked = self._codes.pop(request.form.get("code", ""), None)
        if (
            asked is None
            or request.form.get("redirect_uri") != asked["redirect_uri"]
            or s256(request.form.get("code_verifier", "")) != asked["code_challenge"]
        ):
            return Reply(HTTPStatus.BAD_REQUEST, {"error": "invalid_grant"})
        if self.behaviour.token_error:
            return Reply(HTTPStatus.BAD_REQUEST, {"error": self.behaviour.token_error})
        access_token = secrets.token_urlsafe(16)
        self._access_tokens.add(access_token)
        right = {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": LIFETIME,
            "id_token": self._id_token(asked.get("nonce"), access_token),
        }
        if right["id_token"] is None:
            del right["id_token"]
        return Reply(HTTPStatus.OK, overridden(right, self.behaviour.token))

    def _id_token(self, nonce: str | None, access_token: str) -> str | None:
        now = int(time.time())
        right = (
            {"auth_time": now}
            | self.claims
            | {
                "iss": self.issuer,
                "aud": self.client_id,
                "iat": now,
                "exp": now + LIFETIME,
                "nonce": REMOVED if nonce is None else nonce,
                "at_hash": half_hash(access_token),
            }
        )
        claims = overridden(right, self.behaviour.id_token_claims)
        jku = f"{self.issuer}/foreign-jwks"
        return id_token(self.behaviour.id_token, claims, self.keys, client_secret=self.client_secret, jku=jku)

    def _userinfo(self, request: Request) -> Reply:
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self._access_tokens:
            return Reply(HTTPStatus.UNAUTHORIZED, {"error": "invalid_token"})
        return Reply(HTTPStatus.OK, overridden(self.claims, self.behaviour.userinfo))


@contextmanager
def hostile_provider(*, client_id: str, client_secret: str) -> Iterator[Hostile]:
    """Run a provider on a free port of loopback.

    Args:
        client_id: of its only client, which may have every redirect URI.
        client_secret: of that client.

    Yields:
        The provider, which does everything right.
    """
    idp = Hostile(client_id, client_secret)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._answer(Request("GET", parts.path, dict(parse_qsl(parts.query)), self._headers()))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            self._answer(Request("POST", urlsplit(self.path).path, dict(parse_qsl(body)), self._headers()))

        def _headers(self) -> dict[str, str]:
            return {name.lower(): value for name, value in self.headers.items()}

        def _answer(self, request: Request) -> None:
            reply, answer = idp.reply(request)
            with suppress(ConnectionError):  # a client that has enough hangs up
                send(self, idp, reply, answer)

        def log_message(self, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    idp.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": DRIP_SECONDS})
    thread.start()
    try:
        yield idp
    finally:
        idp.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


def send(handler: BaseHTTPRequestHandler, idp: Hostile, reply: Reply, answer: Answer) -> None:
    """Send a reply, or what stands in its place."""
    text = b"" if reply.body is None else json.dumps(reply.body).encode()
    status, headers = reply.status, {"Content-Type": "application/json", "Cache-Control": "no-store"}
    if reply.location:
        headers["Location"] = reply.location
    match answer:
        case Answer.HTML | Answer.HTML_500:
            text = b"<!DOCTYPE html><title>Maintenance</title><p>Back soon."
            headers["Content-Type"] = "text/html"
            status = HTTPStatus.INTERNAL_SERVER_ERROR if answer is Answer.HTML_500 else status
        case Answer.REDIRECT:
            status, text = HTTPStatus.TEMPORARY_REDIRECT, b""
            headers["Location"] = f"{idp.issuer}/elsewhere"
        case Answer.HUGE:
            text = b" " * PADDING + text
        case Answer.COMPRESSED:
            text = gzip.compress(b" " * PADDING + text)
            headers["Content-Encoding"] = "gzip"
        case Answer.SILENT:
            idp.ended.wait()
            return
    if answer not in {Answer.HUGE, Answer.DRIPPING}:
        headers["Content-Length"] = str(len(text))
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    while answer is Answer.DRIPPING and not idp.ended.wait(DRIP_SECONDS):
        handler.wfile.write(b" ")
    handler.wfile.write(text)


def public(key: RSAKey | ECKey) -> dict[str, Any]:
    """Return the JWK of a key without its private parts."""
    return dict(key.as_dict(private=False))


def overridden(right: Mapping[str, Any], overrides: Overrides) -> dict[str, Any]:
    """Return a mapping with other values, and without what is REMOVED."""
    return {name: value for name, value in {**right, **overrides}.items() if value is not REMOVED}


def s256(verifier: str) -> str:
    """Return the code challenge of a code verifier (RFC 7636, section 4.2)."""
    return base64url(sha256(verifier.encode()).digest())
