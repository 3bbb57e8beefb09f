"""Platform keys in the operator console."""

import logging
import re
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import PlatformKey, Session, User
from accounts.services.key_authentication import authenticate_key
from accounts.services.platform_keys import create_platform_key
from isolation.actor import SYSTEM
from isolation.context import acting_as
from tests.accounts.admin.conftest import ONCE, shown_secret
from tests.people import Tenant, signed_in

LIST = "/admin/accounts/platformkey/"
ADD = f"{LIST}add/"


@pytest.fixture
def console(operator: User) -> Client:
    """Return an operator's browser."""
    return signed_in(operator)


def make(name: str) -> Any:
    """Return a new platform key and its secret."""
    with acting_as(SYSTEM):
        return create_platform_key(name=name, actor=SYSTEM)


def asked(client: Client, **values: Any) -> dict[str, Any]:
    """Return the answers of a new key's form."""
    found = ONCE.search(client.get(ADD).content.decode())
    assert found
    usual = {"name": "Gateway", "note": "", "expires_at_0": "never", "expires_at_1": "", "allowed_networks": ""}
    return {**usual, "once": found[1], **values}


def rotation(client: Client, pk: Any) -> dict[str, str]:
    """Return the answers of the rotation page as it is drawn now."""
    found = re.search(r'name="expected" value="([^"]+)"', client.get(f"{LIST}{pk}/rotate/").content.decode())
    assert found
    return {"expected": found[1]}


def rows() -> list[Any]:
    """Return every platform key as it is now."""
    return list(PlatformKey.objects.order_by("pk").values_list())


def test_nobody_but_operators_comes_in(acme: Tenant, stranger: User) -> None:
    issued = make("Gateway")
    before = rows()
    urls = [LIST, ADD, *(f"{LIST}{issued.key.pk}/{part}/" for part in ("change", "rotate", "revoke"))]
    for person in (*acme.people.values(), stranger):
        client = signed_in(person)
        for url in urls:
            assert client.get(url).status_code == 403, url
            assert client.post(url, {"name": "x", "expected": issued.key.last_four}).status_code == 403, url
    assert rows() == before


def test_one_is_made_and_shown_once(console: Client, superuser: Any, caplog: pytest.LogCaptureFixture) -> None:
    data = asked(console, allowed_networks="10.0.0.0/8", note="In the vault")
    with caplog.at_level(logging.DEBUG):
        response = console.post(ADD, data)

    secret = shown_secret(response)
    assert secret.startswith("gatesk_plt_")
    assert "no-store" in response["Cache-Control"]
    assert authenticate_key(secret=secret, ip="10.1.2.3").is_platform
    key = PlatformKey.objects.get()
    assert (key.name, key.note, key.allowed_networks, key.expires_at) == (
        "Gateway",
        "In the vault",
        ["10.0.0.0/8"],
        None,
    )
    again = console.post(ADD, data)
    assert again.status_code == 409
    assert PlatformKey.objects.count() == 1
    for page in (again, console.get(LIST), console.get(f"{LIST}{key.pk}/change/"), console.get("/admin/audit/")):
        assert secret not in page.content.decode()
    assert secret not in caplog.text
    assert all(secret not in str(session.get_decoded()) for session in Session.objects.all())


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "Taken"}, "name"),
        ({"expires_at_0": "date"}, "expires_at"),
        ({"allowed_networks": "nowhere"}, "allowed_networks"),
    ],
)
def test_errors_stand_at_their_fields(console: Client, values: dict[str, Any], field: str) -> None:
    make("Taken")
    response = console.post(ADD, asked(console, **values))
    assert response.status_code == 200
    assert set(response.context["adminform"].form.errors) == {field}
    assert PlatformKey.objects.count() == 1


def test_it_is_changed(console: Client) -> None:
    key = make("Gateway").key
    data = asked(console, name="Proxy", expires_at_0="30", allowed_networks="10.0.0.1")
    assert console.post(f"{LIST}{key.pk}/change/", data).status_code == 302
    stored = PlatformKey.objects.get()
    assert (stored.name, stored.allowed_networks) == ("Proxy", ["10.0.0.1/32"])
    assert stored.expires_at is not None


def test_of_two_tabs_one_rotates(console: Client) -> None:
    old = make("Gateway")
    url = f"{LIST}{old.key.pk}/rotate/"
    one, other = rotation(console, old.key.pk), rotation(console, old.key.pk)

    secret = shown_secret(console.post(url, one))
    for late in (one, other, {"expected": ""}):
        refused = console.post(url, late)
        assert refused.status_code == 422
        assert "gatesk_" not in refused.content.decode()
    assert authenticate_key(secret=secret, ip=None).is_platform


def test_a_revoked_one_stays_as_it_is(console: Client) -> None:
    key = make("Gateway").key
    assert console.post(f"{LIST}{key.pk}/revoke/", {"reason": "Replaced"}).status_code == 302
    page = console.get(f"{LIST}{key.pk}/change/").content.decode()

    assert "Replaced" in page
    for button in ("rotate/", "revoke/", 'name="_save"'):
        assert button not in page
    assert console.post(f"{LIST}{key.pk}/change/", {"name": "x"}).status_code == 403
    assert {key.name for key in console.get(f"{LIST}?state=revoked").context["cl"].result_list} == {"Gateway"}
    assert not console.get(f"{LIST}?state=active").context["cl"].result_list


def test_the_list_costs_the_same_for_more_keys(console: Client) -> None:
    def questions() -> int:
        console.get(LIST)
        with (
            CaptureQueriesContext(connections["default"]) as app,
            CaptureQueriesContext(connections["operator"]) as wide,
        ):
            assert console.get(LIST).status_code == 200
        return len(app) + len(wide)

    make("One")
    few = questions()
    for number in range(10):
        make(f"Key {number}")
    assert questions() == few


def test_the_example_command_leads_to_the_gateway(console: Client, settings: Any) -> None:
    settings.GATEWAY_PUBLIC_URL = "https://keys.example.com"
    page = console.post(ADD, asked(console))
    secret = shown_secret(page)
    command = f'curl -H "Authorization: Bearer {secret}" -d "token=gatesk_…" https://keys.example.com/api/v1/introspect'
    assert command in page.content.decode()
    lost = Client().post("/api/v1/introspect", {"token": secret})
    assert (lost.status_code, lost.json()["code"]) == (404, "at_the_gateway")
    assert "https://keys.example.com/api/v1/introspect" in lost.json()["detail"]
