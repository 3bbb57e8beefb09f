"""Set-up links in the console: made, shown once, listed, revoked."""

import re

import pytest
from django.test import Client

from accounts.models import SsoSetupLink
from isolation.scope import tenant_scope
from tests.accounts.admin.conftest import ONCE
from tests.browsers import assert_closed, assert_not_in_ones_own
from tests.people import Tenant, signed_in
from tests.sso.test_setup_links import made
from tests.tenants.stage import events

NEW = "/o/acme/sso/setup-links/new/"
LIST = "/o/acme/accounts/ssosetuplink/"
URL = re.compile(r'value="http[^"]+(/sso/setup/[A-Za-z0-9_-]{43}/)"')


def asked(browser: Client, **values: str) -> dict[str, str]:
    """Return the answers of the form, with the token of one that was just opened."""
    found = ONCE.search(browser.get(NEW).content.decode())
    assert found
    return {"once": found[1], "recipient": "Ida of Partner", "days": "2", **values}


def links(tenant: Tenant) -> list[SsoSetupLink]:
    with tenant_scope(tenant.organization):
        return list(SsoSetupLink.objects.select_related("connection"))


def test_a_stranger_finds_none(acme: Tenant, elsewhere: Client) -> None:
    pk = made(acme).link.pk
    pages = [f"accounts/ssosetuplink/{pk}/{part}/" for part in ("change", "revoke", "history")]
    assert_not_in_ones_own(elsewhere, pages, {})
    assert_closed(
        elsewhere, [*pages, "accounts/ssosetuplink/", "sso/setup-links/new/"], {"recipient": "x", "days": "1"}
    )
    assert "it@partner.example" not in elsewhere.get("/o/globex/accounts/ssosetuplink/").content.decode()
    assert [link.state for link in links(acme)] == ["open"]


@pytest.mark.parametrize("role", ["member", "viewer", "auditor", "none"])
def test_it_is_for_who_manages_single_sign_on(acme: Tenant, role: str) -> None:
    pk = made(acme).link.pk
    browser = signed_in(acme.people[role])
    assert browser.get(NEW).status_code == 403
    assert browser.post(NEW, {"recipient": "x", "days": "1"}).status_code == 403
    assert browser.post(f"{LIST}{pk}/revoke/").status_code in {403, 404}
    assert [link.state for link in links(acme)] == ["open"]


def test_the_link_is_shown_once(acme: Tenant, owner: Client) -> None:
    assert NEW in owner.get("/o/acme/accounts/ssoconnection/invite", follow=True).redirect_chain[-1][0]
    data = asked(owner)
    page = owner.post(NEW, data)
    found = URL.search(page.content.decode())
    assert found
    assert "no-store" in page.headers["Cache-Control"]
    assert Client().get(found[1]).status_code == 302
    again = owner.post(NEW, data, follow=True)
    assert found[1] not in again.content.decode()
    assert "sent twice" in again.content.decode()
    (link,) = links(acme)
    assert (link.recipient, link.state, link.created_by) == ("Ida of Partner", "open", acme.owner.email)
    listed = owner.get(LIST).content.decode()
    assert "Ida of Partner" in listed
    assert found[1] not in listed


def test_a_form_that_is_refused_says_why(acme: Tenant, owner: Client) -> None:
    page = owner.post(NEW, asked(owner, recipient=" ", days="9"))
    assert page.status_code == 422
    assert links(acme) == []


def test_it_is_revoked(acme: Tenant, owner: Client) -> None:
    issued = made(acme)
    page = f"{LIST}{issued.link.pk}/"
    assert "opens nothing any more" in owner.get(f"{page}revoke/").content.decode()
    assert owner.post(f"{page}revoke/").status_code == 302
    assert Client().get(f"/sso/setup/{issued.token}/").status_code == 410
    assert "Revoked" in owner.get(f"{page}change/").content.decode()
    assert [event.actor_label for event in events(acme, "sso_setup_link.revoked")] == [acme.owner.email]


def test_the_list_is_empty_at_first(acme: Tenant, owner: Client) -> None:
    assert "No links" in owner.get(LIST).content.decode()
