"""A transit engine for the tests: the encrypt and decrypt calls of HashiCorp Vault's API over HTTP, with real AES.

The real program is not to be had where the tests run: Debian has no package of it. What hvac sends and reads is the
API's; the ciphertexts are AES-256-GCM under a key that only this server has. It is no proof against the real one.
"""

import base64
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class Engine:
    """The state of the server: keys by name, the token, and what it was asked."""

    def __init__(self) -> None:
        self.token = "first-token"
        self.keys = {"gatehouse": AESGCM(secrets.token_bytes(32)), "second": AESGCM(secrets.token_bytes(32))}
        self.requests: list[str] = []
        self.sealed = False
        self.namespaces: set[str] = set()
        self.silent = threading.Event()
        self.silent.set()
        self.address = ""

    def answer(self, path: str, token: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return status and body of POST /v1/transit/{encrypt,decrypt}/<key>."""
        self.requests.append(path)
        if self.sealed:
            return 503, {"errors": ["Vault is sealed"]}
        if token != self.token:
            return 403, {"errors": ["permission denied"]}
        _, _, mount, verb, name = path.split("/")
        if mount != "transit" or name not in self.keys:
            return 400, {"errors": ["encryption key not found"]}
        bound = base64.b64decode(body.get("associated_data", ""))
        if verb == "encrypt":
            nonce = secrets.token_bytes(12)
            sealed = nonce + self.keys[name].encrypt(nonce, base64.b64decode(body["plaintext"]), bound)
            return 200, {"data": {"ciphertext": f"vault:v1:{base64.b64encode(sealed).decode()}", "key_version": 1}}
        try:
            sealed = base64.b64decode(str(body["ciphertext"]).removeprefix("vault:v1:"))
            text = self.keys[name].decrypt(sealed[:12], sealed[12:], bound)
        except (InvalidTag, ValueError):
            return 400, {"errors": ["cipher: message authentication failed"]}
        return 200, {"data": {"plaintext": base64.b64encode(text).decode()}}


@contextmanager
def transit_engine() -> Iterator[Engine]:
    """Yield a running engine on loopback."""
    engine = Engine()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            engine.silent.wait()
            engine.namespaces.add(self.headers.get("X-Vault-Namespace", ""))
            status, answer = engine.answer(self.path, self.headers.get("X-Vault-Token", ""), body)
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_PUT = do_POST  # noqa: N815 - the name that http.server looks for

        def log_message(self, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    engine.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield engine
    finally:
        engine.silent.set()
        server.shutdown()
        server.server_close()
        thread.join()
