"""/api/v1/organizations/{organization}/sso/setup-links."""

from urllib.parse import urlsplit

from django.test import Client

from tests.accounts.api.stage import organization_key, with_key
from tests.api.calls import by
from tests.people import Tenant
from tests.sso.test_setup_links import made

LINKS = "/organizations/acme/sso/setup-links"


def test_a_stranger_finds_none(acme: Tenant, globex: Tenant) -> None:
    address = f"{LINKS}/{made(acme).link.pk}"
    key = with_key(organization_key(globex, "sso:read", "sso:manage").secret)
    for caller in (by(globex.owner), key):
        assert caller.get(LINKS).status_code == 404
        assert caller.post(LINKS, {"recipient": "x"}).status_code == 404
        assert caller.get(LINKS.replace("acme", "globex")).json()["data"] == []
        for path in (address, address.replace("acme", "globex")):
            assert caller("DELETE", path, None).status_code == 404, path
    (shown,) = by(acme.owner).get(LINKS).json()["data"]
    assert shown["state"] == "open"


def test_a_link_is_made_and_revoked(acme: Tenant) -> None:
    owner = by(acme.owner)
    created = owner.post(LINKS, {"recipient": "it@partner.example", "days": 1})
    assert created.status_code == 201
    link = created.json()
    path = urlsplit(link.pop("url")).path
    assert Client().get(path).status_code == 302
    (shown,) = owner.get(LINKS).json()["data"]
    assert shown == link
    assert "url" not in shown
    assert "token" not in str(shown)
    assert owner("DELETE", f"{LINKS}/{link['id']}", None).status_code == 204
    assert Client().get(path).status_code == 410
    again = owner("DELETE", f"{LINKS}/{link['id']}", None)
    assert (again.status_code, again.json()["code"]) == (409, "closed")
    (shown,) = owner.get(LINKS).json()["data"]
    assert shown["state"] == "revoked"


def test_values_that_are_refused(acme: Tenant) -> None:
    for body in ({}, {"recipient": ""}, {"recipient": "x", "days": 8}, {"recipient": "x", "days": 0}):
        assert by(acme.owner).post(LINKS, body).status_code == 422, body


def test_it_takes_the_permission(acme: Tenant) -> None:
    link = made(acme).link.pk
    for role in ("member", "viewer", "auditor", "none"):
        assert by(acme.people[role]).post(LINKS, {"recipient": "x"}).status_code == 403, role
        assert by(acme.people[role])("DELETE", f"{LINKS}/{link}", None).status_code in {403, 404}, role
