"""Servers beside Envoy: what issues tokens, what decides about requests, and what can be told to fail."""

import base64
import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.hotpath.problems import Refused
from gateway.hotpath.proxy_request import ProxyRequest

ISSUER = "https://portal.test"
AUDIENCE = "gatehouse-llm"
ORGANIZATION = "11111111-1111-4111-8111-111111111111"
PROJECT = "22222222-2222-4222-8222-222222222222"
SECRET = "sk-of-the-provider"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came to a server."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What it is answered with."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Server:
    """A server on loopback.

    Args:
        answer: what it answers.
        tls: what it speaks TLS by, None for plain HTTP.

    Attributes:
        asked: what came, in order.
    """

    def __init__(self, answer: Callable[[Asked], Answer], tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self._tls = tls
        self._port = port

    def __enter__(self) -> Self:
        self._server = _Listening(self, self._port, self._tls)
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._server.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def show(self, tls: ssl.SSLContext | None) -> None:
        """Speak TLS by another certificate from now on, or not at all."""
        self._tls = self._server.tls = tls

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_Listening"

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.request)

    def finish(self) -> None:
        self.server.connections.discard(self.request)
        with contextlib.suppress(OSError):
            super().finish()

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            super().handle()

    def parse_request(self) -> bool:
        """Answer every method alike; the class would look for one of its own otherwise."""
        if super().parse_request():
            self._answer()
        return False

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        asked = Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        self.server.serves.asked.append(asked)
        answer = self.server.serves.answer(asked)
        self.send_response(answer.status)
        for name, value in (*answer.headers, ("content-length", str(len(answer.body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        pass


class _Listening(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, serves: Server, port: int, tls: ssl.SSLContext | None) -> None:
        self.serves = serves
        self.tls = tls
        self.connections: set[Any] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that does not like the certificate

    def finish_request(self, request: Any, client_address: Any) -> None:
        if not self.tls:
            super().finish_request(request, client_address)
            return
        with self.tls.wrap_socket(request, server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class SigningKey:
    """An Ed25519 key under a name."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        self.private = Ed25519PrivateKey.generate()
        self.public = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def jwk(self) -> dict[str, str]:
        x = encoded(self.public)
        return {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.kid, "x": x}

    def sign(self, header: Mapping[str, Any], claims: Any) -> str:
        parts = [encoded(json.dumps(part).encode()) for part in (header, claims)]
        signature = self.private.sign(".".join(parts).encode())
        return ".".join([*parts, encoded(signature)])

    def token(self, **changed: Any) -> str:
        """Return a valid token, or one whose claims were changed; None takes a claim away."""
        return self.sign({"alg": "EdDSA", "typ": "at+jwt", "kid": self.kid}, claims(**changed))


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    valid = {
        "iss": ISSUER,
        "aud": [AUDIENCE],
        "sub": "33333333-3333-4333-8333-333333333333",
        "iat": now,
        "nbf": now,
        "exp": now + 600,
        "jti": uuid4().hex,
        "actor_type": "service",
        "organization_id": ORGANIZATION,
        "project_id": PROJECT,
        "environment": "production",
        "scope": "llm:invoke",
        "model_name": "fake-1",
    }
    return {name: value for name, value in (valid | changed).items() if value is not None}


@dataclass
class Keys:
    """What the portal publishes."""

    published: list[SigningKey] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Answer:
        body = json.dumps({"keys": [key.jwk() for key in self.published]}).encode()
        return Answer(200, (("content-type", "application/jwk-set+json"),), body)


REMOVED = "x-gatehouse-llm-auth,x-langsmith-llm-auth,cookie,x-gatehouse-provider,x-gatehouse-model,x-gatehouse-project"


@dataclass
class Authorization:
    """The authorization service in its contract's words, without what decides: it lets through, or refuses.

    Attributes:
        upstream: where requests go.
        credential: the header that is injected.
        refusal: what it answers instead.
    """

    upstream: str
    credential: tuple[str, str] = ("authorization", f"Bearer {SECRET}")
    refusal: Refused | None = None
    further: tuple[tuple[str, str], ...] = ()

    def __call__(self, asked: Asked) -> Answer:
        request_id = asked.headers.get("x-request-id", "")
        if self.refusal:
            headers = [("content-type", "application/problem+json"), ("x-request-id", request_id)]
            headers += [(name.decode(), value.decode()) for name, value in self.refusal.headers]
            # Envoy throws the answer away that explains a 5xx; asked so, the service says it otherwise.
            is_outage = self.refusal.status >= 500 and asked.headers["x-gatehouse-unavailable-as"] == "424"
            return Answer(424 if is_outage else self.refusal.status, tuple(headers), self.refusal.body(request_id))
        removed = [name for name in ("authorization", "x-api-key") if name != self.credential[0]]
        return Answer(
            200,
            (
                ("x-gatehouse-upstream", self.upstream),
                ("x-gatehouse-context", ProxyRequest(request_id, ORGANIZATION, PROJECT).header().decode()),
                ("x-gatehouse-log-organization", ORGANIZATION),
                self.credential,
                ("x-request-id", request_id),
                ("x-envoy-auth-headers-to-remove", ",".join([REMOVED, *removed])),
                *self.further,
            ),
        )
