"""oidc-provider, the OpenID provider of the Node.js world, as a program on loopback, and a browser that signs in there.

`make test` installs it into oidc_provider/node_modules; without Node.js the tests that need it are skipped.
"""

import json
import os
import select
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import IO, Any
from urllib.parse import urljoin

import httpx
import pytest

from tests.services import SERVICE_MISSING, require_program

DIRECTORY = Path(__file__).with_name("oidc_provider")
PATIENCE = 30.0
STEPS = 20

Client = Mapping[str, Any]


@dataclass(frozen=True)
class Account:
    """A person at the provider.

    Args:
        sub: the subject identifier, which never changes.
        claims: what the scopes `email` (email, email_verified), `profile` (name, groups) and `groups` (groups) give
            away, in the ID token and in userinfo.
    """

    sub: str
    claims: Mapping[str, Any]


class Provider:
    """A running oidc-provider.

    Args:
        issuer: its issuer identifier, without a slash at the end.
    """

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self._browser = httpx.Client(timeout=PATIENCE)

    def rotate_keys(self) -> None:
        """Sign with new keys from now on; the old ones are gone from the JWKS."""
        self._order("rotate", {})

    def configure(
        self, *, clients: Sequence[Client] | None = None, accounts: Mapping[str, Account] | None = None
    ) -> None:
        """Replace all clients, or all accounts; tokens and sessions stay.

        Args:
            clients: as `npm_provider` takes them.
            accounts: people by the name that they sign in with.
        """
        self._order("configure", _configuration(clients, accounts))

    def refresh_tokens(self) -> list[str]:
        """Return the refresh tokens that were given so far."""
        return list(self._browser.get(f"{self.issuer}/test/refresh").raise_for_status().json())

    def sign_in(self, authorization_url: str, account: str) -> str:
        """Play a browser that nobody has signed in with, and allow what the client asks for.

        Args:
            authorization_url: where the client sends the browser.
            account: the name to sign in with.

        Returns:
            Where the browser is sent in the end: the client's redirect URI with the answer, not requested.
        """
        self._browser.cookies.clear()
        return self._walk(authorization_url, {"account": account})

    def sign_in_again(self, authorization_url: str) -> str:
        """Send the browser of the last `sign_in` to the provider, where its session still is.

        Returns:
            Where the browser is sent in the end, as `sign_in`.
        """
        return self._walk(authorization_url, {})

    def sign_out(self, end_session_url: str) -> str:
        """Send the browser of the last `sign_in` to the end-session endpoint, and confirm.

        Returns:
            The client's post-logout redirect URI, not requested.
        """
        return self._walk(end_session_url, {"logout": "yes"})

    def close(self) -> None:
        """Close the browser."""
        self._browser.close()

    def _walk(self, url: str, typed: Mapping[str, str]) -> str:
        """Follow redirects and submit forms until an address is not the provider's.

        Args:
            url: where to begin, at the provider.
            typed: what is typed or pressed in forms that have a field of that name.
        """
        response = self._browser.get(url)
        for _ in range(STEPS):
            if response.is_redirect:
                url = urljoin(str(response.url), response.headers["Location"])
                if not url.startswith(f"{self.issuer}/"):
                    return url
                response = self._browser.get(url)
                continue
            assert response.status_code == 200, response.text
            form = Form(response.text)
            assert form.action, response.text
            fields = {name: typed.get(name, value) for name, value in form.fields.items()}
            response = self._browser.post(urljoin(str(response.url), form.action), data=fields)
        raise AssertionError(f"{STEPS} pages and no end, at {response.url}")

    def _order(self, order: str, body: Mapping[str, Any]) -> None:
        self._browser.post(f"{self.issuer}/test/{order}", json=body).raise_for_status()


class Form(HTMLParser):
    """The only form of a page.

    Args:
        page: HTML.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form":
            self.action = values.get("action") or ""
        elif tag in {"input", "button"} and (name := values.get("name")):
            self.fields[name] = values.get("value") or ""


@contextmanager
def npm_provider(*, clients: Sequence[Client], accounts: Mapping[str, Account]) -> Iterator[Provider]:
    """Run oidc-provider on a free port of loopback; it signs with RS256, or ES256 for a client that asks for it.

    PKCE is required. A refresh token is given to each client that may use one.

    Args:
        clients: client metadata (RFC 7591): client_id, client_secret, redirect_uris, post_logout_redirect_uris,
            grant_types and so on.
        accounts: people by the name that they sign in with.

    Yields:
        The provider, which answers.
    """
    node = require_node()
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            [node, "server.mjs"],
            cwd=DIRECTORY,
            env=inherited,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdin
            assert process.stdout
            json.dump(_configuration(clients, accounts), process.stdin)
            process.stdin.close()
            with closing(Provider(first_line(process.stdout, log))) as provider:
                yield provider
        finally:
            process.terminate()


def require_node() -> str:
    """Return the path of a Node.js that runs oidc-provider; skip the test where it or the package is missing."""
    hint = "Node.js 20.20 or newer with npm; make test installs the rest"
    node = require_program("node", hint=hint)
    probe = [node, "--print", "typeof URL.parse"]
    is_recent = subprocess.run(probe, capture_output=True, text=True, check=False).stdout.strip() == "function"
    if not is_recent or not (DIRECTORY / "node_modules" / ".installed").exists():
        pytest.skip(f"{SERVICE_MISSING} oidc-provider ({hint})")
    return node


def _configuration(clients: Sequence[Client] | None, accounts: Mapping[str, Account] | None) -> dict[str, Any]:
    configuration: dict[str, Any] = {}
    if clients is not None:
        configuration["clients"] = [dict(client) for client in clients]
    if accounts is not None:
        configuration["accounts"] = {
            name: {"sub": account.sub, "claims": dict(account.claims)} for name, account in accounts.items()
        }
    return configuration


def first_line(output: IO[str], log: IO[str]) -> str:
    """Return the line that a provider prints when it listens; fail with its log where none comes."""
    readable, _, _ = select.select([output], [], [], PATIENCE)
    line = output.readline().strip() if readable else ""
    if not line:
        log.seek(0)
        raise AssertionError(f"The provider does not start: {log.read()}")
    return line
