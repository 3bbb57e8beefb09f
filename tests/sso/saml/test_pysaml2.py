"""People sign in at pysaml2, an identity provider that others wrote, with xmlsec1."""

import base64
import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from accounts.services.sso_connections import update_sso_connection
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tests.people import Tenant
from tests.services import require_program
from tests.sso.saml.provider import SamlIdp, key_pair
from tests.sso.saml.stage import Saml, connect_saml
from tests.sso.stage import verify_domain

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = Path(__file__).with_name("pysaml2_idp.py")
BASIC = "urn:mace:dir:attribute-def:"
_RESPONSE = re.compile(r'name="SAMLResponse" value="([^"]+)"')


class Pysaml2:
    """A running identity provider.

    Args:
        process: of pysaml2_idp.py.
        metadata: what it says of itself.
    """

    def __init__(self, process: subprocess.Popen[str], metadata: str) -> None:
        self._process = process
        self.metadata = metadata

    def page(self, url: str) -> str:
        """Return the page that answers a browser which is redirected with a request."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        return str(ask(self._process, query)["form"])

    def answer(self, url: str) -> bytes:
        """Return its response to the request that a browser is redirected with."""
        page = self.page(url)
        found = _RESPONSE.search(page)
        assert found, page
        return base64.b64decode(unescape(found[1]))


def ask(process: subprocess.Popen[str], question: dict[str, Any]) -> dict[str, Any]:
    assert process.stdin
    assert process.stdout
    print(json.dumps(question), file=process.stdin, flush=True)
    line = process.stdout.readline()
    assert line, "pysaml2 ended; see its standard error"
    answer: dict[str, Any] = json.loads(line)
    return answer


@contextmanager
def pysaml2(directory: Path, sp_metadata: str, **options: bool) -> Iterator[Pysaml2]:
    """Run the identity provider.

    Args:
        directory: for its files.
        sp_metadata: ours.
        options: sign_response, encrypt.
    """
    python = require_program(str(ROOT / ".venv" / "idp" / "bin" / "python"), hint="make test installs it")
    xmlsec1 = require_program("xmlsec1", hint="Debian's package xmlsec1")
    pair = key_pair("pysaml2")
    (directory / "key.pem").write_text(pair.private_key)
    (directory / "certificate.pem").write_text(pair.certificate)
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    question = {
        "directory": str(directory),
        "metadata": sp_metadata,
        "xmlsec1": xmlsec1,
        "key": str(directory / "key.pem"),
        "certificate": str(directory / "certificate.pem"),
        "name_id": "u-1",
        "attributes": {"email": ["member@acme.example"], "name": ["Mem Ber"]},
        "sign_response": False,
        "encrypt": False,
        **options,
    }
    with subprocess.Popen(
        [python, str(PROGRAM)], env=inherited, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Pysaml2(process, ask(process, question)["metadata"])
        finally:
            process.terminate()


@pytest.mark.parametrize("options", [{}, {"sign_response": True}], ids=str)
def test_a_member_signs_in(acme: Tenant, tmp_path: Path, options: dict[str, bool]) -> None:
    verify_domain(acme)
    names: dict[str, Any] = {"email_claim": f"{BASIC}email", "name_claim": f"{BASIC}name"}
    saml = connect_saml(acme, SamlIdp("https://placeholder.example"), **names)
    with pysaml2(tmp_path, Client().get(saml.path("metadata")).content.decode(), **options) as idp:
        follow(saml, idp)
        browser = Client()
        away = browser.get(f"/sso/{saml.connection.pk}/start/")
        response = saml.bring(browser, idp.answer(away["Location"]))
    assert response.status_code == 302, (saml.logins()[-1].reason, saml.logins()[-1].claims)
    assert browser.session["_auth_user_id"] == str(acme.member.pk)


def test_its_triple_des_is_refused_in_clear_words(acme: Tenant, tmp_path: Path) -> None:
    """What pysaml2 encrypts with unless it is told otherwise."""
    saml = connect_saml(acme, SamlIdp("https://placeholder.example"))
    with pysaml2(tmp_path, Client().get(saml.path("metadata")).content.decode(), encrypt=True) as idp:
        follow(saml, idp)
        browser = Client()
        away = browser.get(f"/sso/{saml.connection.pk}/start/")
        assert saml.bring(browser, idp.answer(away["Location"])).status_code == 403
    assert "tripledes-cbc, which is not accepted" in saml.logins()[-1].reason


def follow(saml: Saml, idp: Pysaml2) -> None:
    """Give the connection the metadata of pysaml2, which wanted ours first."""
    with tenant_scope(saml.tenant.organization), acting_as(SYSTEM):
        update_sso_connection(connection=saml.connection, metadata_xml=idp.metadata, actor=SYSTEM)
