"""SAML in Chromium: an owner connects pysaml2, and a member comes back by a form of another site."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.acceptance import wizard
from tests.acceptance.chromium import chromium
from tests.running import Run
from tests.sso.saml.test_pysaml2 import BASIC, Pysaml2, pysaml2
from tests.tenants.domains.conftest import zone
from tests.tenants.domains.nameserver import NameServer

__all__ = ["zone"]

pytestmark = pytest.mark.acceptance

PLACEHOLDER = (
    '<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="http://placeholder.example">'
    '<md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:AssertionConsumerService'
    ' Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="http://placeholder.example/" index="0"/>'
    "</md:SPSSODescriptor></md:EntityDescriptor>"
)


class Site:
    """The address at which browsers find pysaml2; it answers with pages that send their forms."""

    idp: Pysaml2
    port: int


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "SAMLRequest=" not in self.path:  # browsers ask for an icon
                self.send_error(404)
                return
            page = found.idp.page(self.path).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_port
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def browser(site: Site) -> Iterator[Browser]:
    with chromium(f"--host-resolver-rules=MAP pysaml2.example 127.0.0.1:{site.port}") as launched:
        yield launched


def connect(owner: Page, home: str, metadata: str) -> str:
    """Connect the provider by the console's form; return the address of the connection's page."""
    wizard.choose(owner, home, "Another one by SAML 2.0")
    acs = owner.get_by_label("ACS URL").input_value()
    owner.locator("#id_name").fill("Corporate directory")
    owner.locator("#id_metadata_xml").fill(metadata)
    owner.locator("#id_email_claim").fill(f"{BASIC}email")
    owner.locator("#id_name_claim").fill(f"{BASIC}name")
    connection = wizard.save(owner)
    assert owner.get_by_label("ACS URL").input_value() == acs
    return connection


def test_an_owner_connects_pysaml2_and_people_sign_in(
    portal: Run, site: Site, browser: Browser, zone: NameServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = wizard.started(portal, zone, monkeypatch)
    owner = wizard.owner_page(browser, home)
    with pysaml2(tmp_path, PLACEHOLDER) as idp:
        connection = connect(owner, home, idp.metadata)
    wizard.verify_domain(owner, home, zone)
    owner.goto(connection)
    ours = owner.get_by_label("Entity ID").input_value()
    with ExitStack() as stack:
        site.idp = stack.enter_context(pysaml2(tmp_path, urlopen(ours).read().decode()))
        wizard.read_test(wizard.begin_test(owner), home, "Test passed")
        wizard.switch_on(owner, "Corporate directory")

        member = wizard.fresh_page(browser)
        wizard.discover(member, home, "member@acme.example")
        member.wait_for_url(f"{home}/o/acme/")
    owner.goto(connection)
    expect(owner.locator("body")).to_contain_text("Signed in")
    assert portal.stop(signal.SIGINT) == 0
