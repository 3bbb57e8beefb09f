"""People sign in at Canaille, an OpenID provider of the Python world, whose people it may push by SCIM as well."""

from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID, uuid4

import httpx
from django.test import Client

from accounts.models import SsoLogin
from accounts.services.sso_connections import create_sso_connection, set_sso_enabled
from accounts.sso.oidc.registration import redirect_uri, signed_out_uri
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tests.people import Tenant
from tests.sso.canaille.program import SECRET, canaille
from tests.sso.stage import verify_domain
from tests.tenants.stage import events

STEPS = 10


def running(connection_id: UUID, email: str) -> AbstractContextManager[str]:
    """Run a Canaille at which somebody is signed in; yield its issuer."""
    uris = {"redirect_uri": redirect_uri(connection_id), "signed_out_uri": signed_out_uri(connection_id)}
    return canaille(**uris, email=email)


def sent_back(url: str, issuer: str) -> str:
    """Play a browser at Canaille; return where it is sent back to, without the host."""
    with httpx.Client(timeout=30) as browser:
        for _ in range(STEPS):
            response = browser.get(url)
            assert response.is_redirect, response.text[:2_000]
            url = str(response.next_request.url) if response.next_request else ""
            if not url.startswith(f"{issuer}/"):
                parts = httpx.URL(url)
                return f"{parts.path}?{parts.query.decode()}"
    raise AssertionError(f"{STEPS} redirects and no end, at {url}")


def connected(tenant: Tenant, issuer: str, connection_id: UUID, **values: Any) -> None:
    verify_domain(tenant)
    with tenant_scope(tenant.organization), acting_as(SYSTEM):
        connection = create_sso_connection(
            organization=tenant.organization,
            name="Canaille",
            issuer=issuer,
            client_id="gatehouse",
            client_secret=SECRET,
            connection_id=connection_id,
            actor=SYSTEM,
            **values,
        )
        set_sso_enabled(connection=connection, enabled=True, actor=SYSTEM)


def reasons(tenant: Tenant) -> list[str]:
    """Return why nobody was signed in."""
    with tenant_scope(tenant.organization):
        return list(SsoLogin.objects.values_list("reason", flat=True))


def test_a_member_signs_in_and_is_led_to_the_end_of_their_session(acme: Tenant) -> None:
    connection_id = uuid4()
    with running(connection_id, "member@acme.example") as issuer:
        connected(acme, issuer, connection_id)
        browser = Client()
        left = browser.get(f"/sso/{connection_id}/start/")
        back = browser.get(sent_back(left["Location"], issuer))
        assert (back.status_code, back.headers.get("Location")) == (302, "/o/acme/"), reasons(acme)
        assert browser.session["_auth_user_id"] == str(acme.member.pk)
        (linked,) = events(acme, "sso_identity.linked")
        assert linked.after["issuer"] == issuer
        page = browser.get(browser.post("/accounts/logout/")["Location"])
        assert page.context["end_session_url"].startswith(f"{issuer}/")


def test_somebody_unknown_stays_outside(acme: Tenant) -> None:
    connection_id = uuid4()
    with running(connection_id, "nobody@acme.example") as issuer:
        connected(acme, issuer, connection_id)
        browser = Client()
        left = browser.get(f"/sso/{connection_id}/start/")
        assert browser.get(sent_back(left["Location"], issuer)).status_code == 403
        (reason,) = reasons(acme)
        assert "neither provisioned nor invited" in reason
