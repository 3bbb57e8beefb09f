"""SAML connections in a blueprint: metadata at an address, or written out; an export plans empty in both cases."""

import ipaddress
import textwrap
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import yaml

from accounts.models import SamlKey, SsoConnection
from isolation.scope import tenant_scope
from tests.blueprint.conftest import File, exported
from tests.people import Tenant
from tests.sso.saml.provider import SamlIdp, key_pair
from tests.tenants.stage import events

pytestmark = pytest.mark.django_db
BOTH = {"SSO-Redirect": "/sso", "SSO-POST": "/sso-post", "SLO-Redirect": "/slo"}


@pytest.fixture
def idp() -> SamlIdp:
    return SamlIdp("https://idp.example/a?b=c&amp;d", keys=[key_pair("one"), key_pair("two")], endpoints=BOTH)


@pytest.fixture
def page() -> Iterator[Callable[[str], str]]:
    """Return a function that publishes a text on loopback and returns its address."""
    published: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = published[-1].encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            return

    def publish(text: str) -> str:
        published.append(text)
        return f"http://127.0.0.1:{server.server_port}/metadata"

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield publish
        server.shutdown()
        thread.join()


def blueprint(idp: SamlIdp, *, more: str = "") -> str:
    """Return a file with a connection to the provider, as people write metadata: with their own spaces."""
    metadata = textwrap.indent(f"<?xml version='1.0'?>\n<!-- ours -->\n{idp.metadata()}", " " * 10)
    return f"""
version: 1
organizations:
  acme:
    sso_connections:
      Directory:
        protocol: saml
        metadata_xml: |
{metadata}
        enabled: true
        {more}
"""


def stored(tenant: Tenant) -> Any:
    with tenant_scope(tenant.organization):
        return SsoConnection.objects.get()


def test_it_is_made_once_and_its_export_plans_empty(acme: Tenant, file: File, idp: SamlIdp) -> None:
    file.write(blueprint(idp))
    printed = file.apply()
    assert "CERTIFICATE" not in printed.upper().replace("CERTIFICATES", "")
    connection = stored(acme)
    assert connection.issuer == "https://idp.example/a?b=c&d"
    assert len(connection.keys["certificates"]) == 2
    assert file.changes() == []
    text = exported("acme")
    written = yaml.safe_load(text)["organizations"]["acme"]["sso_connections"]["Directory"]
    assert written["metadata_xml"].startswith("<md:EntityDescriptor")
    assert "metadata_url" not in written
    file.write(text)
    assert file.plan() == (0, "No changes: everything is as the blueprint says.\n")
    with tenant_scope(acme.organization):
        private = SamlKey.objects.get().private_key.reveal()
    assert private.splitlines()[1] not in text


def test_another_installation_reads_the_same_from_an_export(
    acme: Tenant, globex: Tenant, file: File, idp: SamlIdp
) -> None:
    file.write(blueprint(idp)).apply()
    file.write(exported("acme").replace("acme:", "globex:", 1)).apply()
    before, after = stored(acme), stored(globex)
    for name in ("issuer", "metadata", "keys", "is_enabled", "protocol"):
        assert getattr(before, name) == getattr(after, name), name


def test_another_certificate_is_a_change_that_says_what_it_is(acme: Tenant, file: File, idp: SamlIdp) -> None:
    file.write(blueprint(idp)).apply()
    next_one = SamlIdp(idp.entity_id, keys=[key_pair("two")], endpoints=BOTH)
    file.write(blueprint(next_one))
    plan = file.plan()[1]
    assert "metadata_xml: " in plan
    assert "with the certificates" in plan
    assert "MII" not in plan
    file.apply()
    assert len(stored(acme).keys["certificates"]) == 1
    assert file.changes() == []
    assert events(acme, "sso_connection.updated")


def test_from_text_to_an_address_and_back(acme: Tenant, file: File, idp: SamlIdp, page: Any, settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    file.write(blueprint(idp)).apply()
    text = exported("acme")
    url = page(idp.metadata())
    head, _, tail = text.partition("        metadata_xml: |")
    kept = tail.partition("</md:EntityDescriptor>\n")[2]
    file.write(f"{head}        metadata_url: {url}\n{kept}").apply()
    assert stored(acme).metadata_url == url
    assert file.changes() == []
    assert "metadata_xml" not in exported("acme")
    file.write(text).apply()
    assert stored(acme).metadata_url == ""
    assert file.changes() == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("metadata_url: https://idp.example/metadata", "metadata_url or metadata_xml: one of the two."),
        ("issuer: https://idp.example", "This belongs to OpenID Connect."),
    ],
)
def test_what_is_wrong_is_said(acme: Tenant, file: File, idp: SamlIdp, more: str, said: str) -> None:
    assert said in str(file.write(blueprint(idp, more=more)).refused())


def test_metadata_that_cannot_be_read_are_said_at_their_line(acme: Tenant, file: File) -> None:
    assert "no certificate that signs" in str(file.write(blueprint(SamlIdp("https://idp.example", keys=[]))).refused())
    neither = "version: 1\norganizations:\n  acme:\n    sso_connections:\n      D:\n        protocol: saml\n"
    assert "metadata_url or metadata_xml" in str(file.write(neither).refused())
