"""The proxy's settings: who changes them, what is refused, and what the log says."""

from typing import Any

import pytest
from django.test import Client

from gateway.models import ProxySettings
from gateway.services.proxy_settings import update_proxy_settings
from isolation.actor import ANONYMOUS, SYSTEM
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import tenant_scope
from tenants.access import user_actor
from tests.llm_proxy.tokens.stage import switch_on
from tests.people import Tenant, signed_in
from tests.tenants.stage import events

PAGE = "/o/acme/llm-proxy/"
API = "/api/v1/organizations/acme/llm-proxy"
FORM = {
    "is_enabled": "on",
    "audiences": "edge\n\nedge\ngatehouse-llm",
    "token_seconds": "300",
    "masked": ["phone", "email"],
    "on_counter_outage": "open",
}


def stored(tenant: Tenant) -> ProxySettings:
    """Return the settings that are in force."""
    with tenant_scope(tenant.organization):
        return ProxySettings.of(tenant.organization.pk)


def test_a_stranger_changes_and_sees_nothing(acme: Tenant, globex: Tenant) -> None:
    browser = signed_in(globex.owner)
    assert browser.get(PAGE).status_code == 404
    assert browser.post(PAGE, FORM).status_code == 404
    assert browser.get(API).status_code == 404
    assert browser.patch(API, {"is_enabled": True}, content_type="application/json").status_code == 404
    assert Client().get(API).status_code == 401
    with tenant_scope(globex.organization):
        owner = user_actor(globex.owner, globex.organization.pk)
    with tenant_scope(acme.organization):
        for actor in (owner, ANONYMOUS):
            with pytest.raises(MissingPermission):
                update_proxy_settings(organization=acme.organization, actor=actor, is_enabled=True)
    assert not stored(acme).is_enabled


def test_the_page_saves_and_the_log_tells(acme: Tenant) -> None:
    browser = signed_in(acme.owner)
    assert "Nobody has changed anything yet" in browser.get(PAGE).content.decode()
    answer = browser.post(PAGE, FORM, follow=True)
    assert "The settings were saved" in answer.content.decode()
    found = stored(acme)
    assert (found.is_enabled, found.audiences, found.token_seconds) == (True, ["edge", "gatehouse-llm"], 300)
    assert (found.masked, found.on_counter_outage, found.accepts_api_keys) == (["email", "phone"], "open", False)
    (event,) = events(acme, "llm_proxy.updated")
    assert event.actor_label == acme.owner.email
    assert event.after["token_seconds"] == 300
    switch_on(acme, accepts_api_keys=True)
    last = events(acme, "llm_proxy.updated")[-1]
    assert (last.before, last.after) == ({"accepts_api_keys": False}, {"accepts_api_keys": True})


def test_a_refused_value_stands_at_its_field(acme: Tenant) -> None:
    browser = signed_in(acme.owner)
    for change, says in (
        ({"audiences": "a b"}, "without blanks"),
        ({"token_seconds": "59"}, "greater than or equal to 60"),
        ({"masked": ["nonsense"]}, "nonsense"),
    ):
        answer = browser.post(PAGE, {**FORM, **change})
        assert answer.status_code == 422
        assert says in answer.content.decode()
    assert not stored(acme).is_enabled


def test_who_may_only_see_changes_nothing(acme: Tenant) -> None:
    browser = signed_in(acme.auditor)
    page = browser.get(PAGE)
    if page.status_code == 200:
        assert "disabled" in page.content.decode()
    browser.post(PAGE, FORM)
    assert not stored(acme).is_enabled
    assert signed_in(acme.member).get(PAGE).status_code == 403


def test_the_api_shows_and_changes(acme: Tenant, settings: Any) -> None:
    settings.PROXY_ENABLED_BY_DEFAULT = True
    browser = signed_in(acme.owner)
    shown = browser.get(API)
    assert shown.json()["is_enabled"] is True
    changed = browser.patch(
        API, {"token_seconds": 120}, content_type="application/json", headers={"If-Match": shown["ETag"]}
    )
    assert changed.json()["token_seconds"] == 120
    assert stored(acme).is_enabled, "the default of that moment is kept"
    settings.PROXY_ENABLED_BY_DEFAULT = False
    assert browser.get(API).json()["is_enabled"] is True
    stale = browser.patch(
        API, {"token_seconds": 90}, content_type="application/json", headers={"If-Match": shown["ETag"]}
    )
    assert stale.status_code == 412
    bodies: list[dict[str, Any]] = [
        {"token_seconds": 901},
        {"masked": ["nonsense"]},
        {"audiences": []},
        {"nonsense": 1},
    ]
    for body in bodies:
        assert browser.patch(API, body, content_type="application/json").status_code == 422


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"audiences": []}, "one to 10 audiences"),
        ({"audiences": ["é"]}, "ASCII"),
        ({"audiences": [str(number) for number in range(11)]}, "one to 10 audiences"),
        ({"token_seconds": 59}, "60"),
        ({"masked": ["nonsense"]}, "no detector"),
        ({"on_counter_outage": "perhaps"}, "perhaps"),
    ],
)
def test_the_service_refuses_what_makes_no_sense(acme: Tenant, values: dict[str, Any], says: str) -> None:
    with tenant_scope(acme.organization), pytest.raises(DomainError, match=says):
        update_proxy_settings(organization=acme.organization, actor=SYSTEM, **values)
