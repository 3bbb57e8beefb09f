"""People sign in at samlp, an identity provider that others wrote, for Node.js."""

import base64
import json
import subprocess
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from accounts.models import SamlKey
from isolation.scope import tenant_scope
from tests.people import Tenant
from tests.sso.saml.provider import SamlIdp, key_pair
from tests.sso.saml.samlp_server import DIRECTORY, require_samlp
from tests.sso.saml.stage import Saml, connect_saml
from tests.sso.stage import verify_domain


@pytest.fixture
def node() -> str:
    """Return the path of Node.js; skip the test where it or samlp is missing."""
    return require_samlp()


@pytest.fixture
def saml(acme: Tenant) -> Saml:
    """Return a connection to samlp: Auth0 speaks by it."""
    verify_domain(acme)
    return connect_saml(acme, SamlIdp("urn:samlp", keys=[key_pair("samlp")]), provider="auth0")


def answer(node: str, saml: Saml, url: str, **options: Any) -> bytes:
    """Return samlp's response to the request that a browser is redirected with."""
    pair = saml.idp.key
    with tenant_scope(saml.tenant.organization):
        ours = SamlKey.objects.get().certificate
    asked = {
        "url": url,
        "query": {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()},
        "ourCertificate": ours,
        "issuer": saml.idp.entity_id,
        "key": pair.private_key,
        "certificate": pair.certificate,
        "user": {
            "id": "u-1",
            "displayName": "Mem Ber",
            "name": {"givenName": "Mem", "familyName": "Ber"},
            "emails": [{"value": "member@acme.example"}],
        },
        "options": options,
    }
    ended = subprocess.run(
        [node, "answer.mjs"], cwd=DIRECTORY, input=json.dumps(asked), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return base64.b64decode(ended.stdout)


@pytest.mark.parametrize("options", [{}, {"signResponse": True}], ids=str)
def test_a_member_signs_in(saml: Saml, node: str, options: dict[str, bool]) -> None:
    browser = Client()
    away = browser.get(f"/sso/{saml.connection.pk}/start/")
    response = saml.bring(browser, answer(node, saml, away["Location"], **options))
    assert response.status_code == 302, (saml.logins()[-1].reason, saml.logins()[-1].claims)
    assert browser.session["_auth_user_id"] == str(saml.tenant.member.pk)
    assert saml.identities() == ["u-1"]


def test_only_the_response_is_signed(saml: Saml, node: str) -> None:
    browser = Client()
    away = browser.get(f"/sso/{saml.connection.pk}/start/")
    content = answer(node, saml, away["Location"], signResponse=True, signAssertion=False)
    assert saml.bring(browser, content).status_code == 403
    assert "assertion is not signed" in saml.logins()[-1].reason
