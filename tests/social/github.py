"""A GitHub on loopback: OAuth 2.0 as GitHub has it, its API for a user and their addresses, and what it does wrong."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.sso.hostile import s256

CLIENT_ID = "Iv1.gatehouse"
CLIENT_SECRET = "a secret of forty characters, and no more"


@dataclass
class GitHub:
    """A GitHub with one application.

    Attributes:
        url: of its site; its API is below /api/v3, as a server of one's own has it.
        user: who signs in.
        emails: their addresses.
        code_instead: what a browser comes back with; None: a code.
        refuses_tokens: whether codes are exchanged for an error, which comes with status 200.
        asked: paths of the requests.
    """

    url: str = ""
    user: dict[str, Any] = field(default_factory=lambda: {"id": 583231, "login": "octo", "name": "Octo Cat"})
    emails: Any = field(
        default_factory=lambda: [
            {"email": "other@elsewhere.example", "primary": False, "verified": True},
            {"email": "octo@example.org", "primary": True, "verified": True},
        ]
    )
    code_instead: dict[str, str] | None = None
    refuses_tokens: bool = False
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)

    def authorize(self, url: str) -> str:
        """Play a browser whose person allows what the application asks for; return where it is sent back to."""
        parts = urlsplit(url)
        assert f"{parts.scheme}://{parts.netloc}" == self.url
        assert parts.path == "/login/oauth/authorize"
        asked = dict(parse_qsl(parts.query))
        assert asked["client_id"] == CLIENT_ID
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        answer = self.code_instead or {"code": code}
        back = urlsplit(asked["redirect_uri"])
        return f"{back.path}?{urlencode({'state': asked['state'], **answer})}"

    def exchange(self, form: dict[str, str]) -> dict[str, str]:
        """Return an access token for a code, or an error: both with status 200."""
        asked = self.codes.pop(form.get("code", ""), None)
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return {"error": "incorrect_client_credentials"}
        if (
            self.refuses_tokens
            or asked is None
            or asked["redirect_uri"] != form.get("redirect_uri")
            or asked["code_challenge"] != s256(form.get("code_verifier", ""))
        ):
            return {"error": "bad_verification_code"}
        token = f"gho_{secrets.token_urlsafe(16)}"
        self.tokens.add(token)
        return {"access_token": token, "token_type": "bearer", "scope": "read:user,user:email"}


@contextmanager
def loopback_github() -> Iterator[GitHub]:
    """Run a GitHub on a free port of loopback."""
    github = GitHub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            github.asked.append(self.path)
            assert self.path == "/login/oauth/access_token"
            assert self.headers["Accept"] == "application/json"
            self._answer(200, github.exchange(dict(parse_qsl(body))))

        def do_GET(self) -> None:
            github.asked.append(self.path)
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            found = {"/api/v3/user": github.user, "/api/v3/user/emails": github.emails}.get(urlsplit(self.path).path)
            if token not in github.tokens:
                self._answer(401, {"message": "Bad credentials"})
            else:
                self._answer(200 if found is not None else 404, found)

        def _answer(self, status: int, value: Any) -> None:
            text = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        github.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield github
        server.shutdown()
        thread.join()
