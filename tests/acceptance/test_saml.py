"""SAML in Chromium: an owner connects pysaml2, and a member comes back by a form of another site."""

import re
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

from portal.demo import PASSWORD
from tests.acceptance.chromium import chromium
from tests.running import Run
from tests.sso.saml.test_pysaml2 import BASIC, Pysaml2, pysaml2
from tests.tenants.domains.nameserver import NameServer

pytestmark = pytest.mark.acceptance

CONNECTIONS = "/o/acme/accounts/ssoconnection/"
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


@pytest.fixture
def zone() -> Iterator[NameServer]:
    server = NameServer()
    with server.running():
        yield server


def fresh_page(browser: Browser) -> Page:
    """Return a page in a browser of its own; anything that the pages fail at fails the test."""
    page = browser.new_context().new_page()
    page.set_default_timeout(15_000)
    page.on("pageerror", lambda error: pytest.fail(f"JavaScript: {error}"))
    return page


def connect(owner: Page, home: str, metadata: str) -> str:
    """Connect the provider by the console's form; return the address of the connection's page."""
    owner.goto(f"{home}{CONNECTIONS}add/")
    owner.get_by_role("link", name="Another one by SAML 2.0").click()
    acs = owner.get_by_label("ACS URL").input_value()
    owner.locator("#id_name").fill("Corporate directory")
    owner.locator("#id_metadata_xml").fill(metadata)
    owner.locator("#id_email_claim").fill(f"{BASIC}email")
    owner.locator("#id_name_claim").fill(f"{BASIC}name")
    owner.get_by_role("button", name="Save", exact=True).click()
    expect(owner.locator("body")).to_contain_text("Test it, then switch it on.")
    assert owner.get_by_label("ACS URL").input_value() == acs
    return owner.url


def verify_domain(owner: Page, home: str, zone: NameServer) -> None:
    """Publish the record of a domain and let it be looked for."""
    owner.goto(f"{home}/o/acme/tenants/domain/add/")
    owner.locator("#id_name").fill("acme.example")
    owner.get_by_role("button", name="Save", exact=True).click()
    name, value = (owner.locator(f"#record-{part}").input_value() for part in ("name", "value"))
    zone.records[name] = [value]
    owner.get_by_role("button", name="Check now").click()
    expect(owner.locator("body")).to_contain_text("Verified")


def test_an_owner_connects_pysaml2_and_people_sign_in(
    portal: Run, site: Site, browser: Browser, zone: NameServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    host, port = zone.address
    settings = {"DEMO": "1", "OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8", "DNS_RESOLVERS": f"{host}:{port}"}
    monkeypatch.setattr(portal, "environment", lambda **extra: Run.environment(portal, **settings, **extra))
    portal.start()
    portal.wait_until_ready()
    home = f"http://127.0.0.1:{portal.port}"

    owner = fresh_page(browser)
    owner.goto(f"{home}/accounts/login/")
    owner.get_by_label(re.compile("e-?mail", re.IGNORECASE)).fill("owner@acme.example")
    owner.get_by_label("Password", exact=True).fill(PASSWORD)
    owner.get_by_role("button", name="Sign in").first.click()
    owner.wait_for_url(f"{home}/**")
    with pysaml2(tmp_path, PLACEHOLDER) as idp:
        connection = connect(owner, home, idp.metadata)
    verify_domain(owner, home, zone)
    owner.goto(connection)
    ours = owner.get_by_label("Entity ID").input_value()
    with ExitStack() as stack:
        site.idp = stack.enter_context(pysaml2(tmp_path, urlopen(ours).read().decode()))
        with owner.expect_popup() as opened:
            owner.get_by_role("link", name="Test sign-in").click()
        opened.value.wait_for_url(f"{home}/o/acme/accounts/ssologin/**")
        expect(opened.value.locator("body")).to_contain_text("Test passed")
        opened.value.close()
        owner.get_by_role("link", name="Switch on").click()
        owner.get_by_role("button", name="Switch on").click()
        expect(owner.locator("body")).to_contain_text("People can sign in through Corporate directory now.")

        member = fresh_page(browser)
        member.goto(f"{home}/accounts/login/")
        member.get_by_role("link", name="Single sign-on").click()
        member.get_by_label("E-mail address").fill("member@acme.example")
        member.get_by_role("button", name="Continue").click()
        member.wait_for_url(f"{home}/o/acme/")
    owner.goto(connection)
    expect(owner.locator("body")).to_contain_text("Signed in")
    assert portal.stop(signal.SIGINT) == 0
