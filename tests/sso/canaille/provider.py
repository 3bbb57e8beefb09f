"""Canaille as an OpenID provider, run by the Python of its own environment (`make test` sets it up in .venv/idp).

Standard input holds one line, as JSON: a client (client_id, client_secret, redirect_uris, post_logout_redirect_uris)
and a person (user_name, emails, formatted_name, family_name). Who has a password signs in on Canaille's own pages and
is asked for consent there; anybody else is signed in and has consented already. The issuer is printed as one line when
it listens on loopback. It ends with standard input.
"""

import json
import os
import socket
import sys
import threading
import uuid

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # loopback has no TLS

from canaille import create_app
from canaille.backends import Backend
from joserfc.jwk import JWKRegistry
from pytest_iam import Server


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def main() -> None:
    """Serve until standard input ends."""
    given = json.loads(sys.stdin.readline())
    port = free_port()
    jwk = JWKRegistry.generate_key("RSA", 2048)
    jwk.ensure_kid()
    app = create_app(
        config={
            "TESTING": True,
            "ENV_FILE": None,
            "SECRET_KEY": str(uuid.uuid4()),
            "PREFERRED_URL_SCHEME": "http",
            "SERVER_NAME": f"127.0.0.1:{port}",
            "CANAILLE": {"DATABASE": "memory", "JAVASCRIPT": False, "ACL": {"DEFAULT": {"PERMISSIONS": ["use_oidc"]}}},
            "CANAILLE_OIDC": {"ACTIVE_JWKS": [jwk.as_dict(private=True)]},
        }
    )
    server = Server(app, port, Backend.instance)
    with app.app_context():
        user = server.models.User(**given["person"])
        server.backend.save(user)
        client = server.models.Client(
            **given["client"],
            client_name="Gatehouse",
            client_uri="https://gatehouse.example",
            grant_types=["authorization_code"],
            response_types=["code"],
            scope=["openid", "email", "profile", "groups"],
            token_endpoint_auth_method="client_secret_basic",
        )
        server.backend.save(client)
        server.backend.update(client, audience=[client])
        server.backend.save(client)
    if "password" not in given["person"]:
        server.consent(user)
        server.login(user)
    serving = threading.Thread(target=server.httpd.serve_forever, daemon=True)
    serving.start()
    sys.stdout.write(f"http://127.0.0.1:{port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.httpd.shutdown()


if __name__ == "__main__":
    main()
