"""Canaille, an OpenID provider of the Python world, as a program on loopback."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services import require_program

ROOT = Path(__file__).resolve().parents[3]
PROVIDER = Path(__file__).with_name("provider.py")
SECRET = "a secret of thirty-two characters"


@contextmanager
def canaille(*, redirect_uri: str, signed_out_uri: str, email: str, password: str = "") -> Iterator[str]:
    """Run a Canaille with one person; yield its issuer.

    Args:
        redirect_uri: of the client `gatehouse`, whose secret is SECRET.
        signed_out_uri: where it sends people who sign out there.
        email: of the person, whose login is what stands before the @.
        password: theirs; "": they are signed in already and have consented.
    """
    python = require_program(str(ROOT / ".venv" / "idp" / "bin" / "python"), hint="make test installs it")
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    person = {
        "user_name": email.partition("@")[0],
        "formatted_name": "Mem Ber",
        "family_name": "Ber",
        "emails": [email],
    }
    given = {
        "client": {
            "client_id": "gatehouse",
            "client_secret": SECRET,
            "redirect_uris": [redirect_uri],
            "post_logout_redirect_uris": [signed_out_uri],
        },
        "person": person | ({"password": password} if password else {}),
    }
    with subprocess.Popen(
        [python, str(PROVIDER)], env=inherited, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            print(json.dumps(given), file=process.stdin, flush=True)
            issuer = process.stdout.readline().strip()
            assert issuer, "Canaille does not start; see its standard error"
            yield issuer
        finally:
            process.terminate()
