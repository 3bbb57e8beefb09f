"""The secret of a key is in one answer, and nowhere else."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.forms import model_to_dict
from django.test import Client

from accounts.models import ApiKey, ApiKeySecret, Session
from accounts.services.key_authentication import authenticate_key
from audit.models import Event
from tests.accounts.admin.conftest import ADD, LIST, Keys, asked, create, rotation, shown_secret, state, stored
from tests.people import Tenant, signed_in


def traces_of(tenant: Tenant, secret: str, superuser: Any) -> list[str]:
    """Return where a secret is stored: in any column of any table."""
    found = []
    tables = superuser.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    for (table,) in tables:
        if superuser.execute(f'SELECT 1 FROM "{table}" t WHERE t::text LIKE %s LIMIT 1', [f"%{secret}%"]).fetchone():  # noqa: S608
            found.append(table)
    return found


def test_a_new_key_shows_its_secret_and_works(owner: Client, acme: Tenant) -> None:
    response = create(owner, "organization", name="Terraform")

    assert response.status_code == 200
    secret = shown_secret(response)
    page = response.content.decode()
    key = stored(acme, authenticate_key(secret=secret, ip=None).key_id)
    assert key.public_id in page
    assert f'curl -H "Authorization: Bearer {secret}" http://testserver/api/v1/me' in page
    assert "cannot be shown again" in page


def test_no_cache_keeps_it(owner: Client) -> None:
    header = create(owner, "organization")["Cache-Control"]
    assert "no-store" in header
    assert "private" in header


def test_it_is_nowhere_afterwards(
    owner: Client, acme: Tenant, superuser: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        secret = shown_secret(create(owner, "organization"))
    key_id = authenticate_key(secret=secret, ip=None).key_id

    for url in (LIST, f"{LIST}{key_id}/change/", ADD, f"{ADD}?kind=organization", "/o/acme/", "/o/acme/audit/"):
        assert secret not in owner.get(url, follow=True).content.decode(), url
    assert traces_of(acme, secret, superuser) == []
    assert all(secret not in str(session.get_decoded()) for session in Session.objects.all())
    assert all(secret not in morsel.value for morsel in owner.cookies.values())
    assert secret not in caplog.text
    with acme.acting("owner"):
        event = Event.objects.get(action="api_key.created")
        assert secret not in str(model_to_dict(event))


def test_sending_the_form_again_makes_no_second_key(owner: Client, acme: Tenant) -> None:
    data = asked(owner, "organization")
    secret = shown_secret(owner.post(f"{ADD}?kind=organization", data))

    again = owner.post(f"{ADD}?kind=organization", data)
    assert again.status_code == 409
    assert "created already" in again.content.decode()
    assert secret not in again.content.decode()
    with acme.acting("owner"):
        assert ApiKey.objects.count() == 1


def test_two_clicks_at_the_same_moment_make_one_key(owner: Client, acme: Tenant) -> None:
    data = asked(owner, "organization")

    def send(_: int) -> int:
        try:
            return signed_in(acme.owner).post(f"{ADD}?kind=organization", data).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(send, range(4)))
    assert all(status in {200, 409} for status in answers)
    with acme.acting("owner"):
        assert ApiKey.objects.count() == 1


@pytest.mark.parametrize("once", ["", "nonsense", "\x00", "x" * 5000])
def test_a_form_without_a_valid_token_is_asked_again(owner: Client, acme: Tenant, once: str) -> None:
    response = create(owner, "organization", name="Kept text", once=once)

    assert response.status_code == 200
    page = response.content.decode()
    assert "open for too long" in page
    assert 'value="Kept text"' in page
    assert "gatesk_" not in page
    with acme.acting("owner"):
        assert not ApiKey.objects.exists()


def test_a_refused_form_can_be_sent_again(owner: Client, acme: Tenant) -> None:
    assert "gatesk_" not in create(owner, "organization", scopes=[]).content.decode()
    assert shown_secret(create(owner, "organization"))


def test_rotating_shows_the_new_secret_once(owner: Client, keys: Keys) -> None:
    pk = keys.pk("project")
    old = keys.issued["project"].secret
    response = owner.post(f"{LIST}{pk}/rotate/", rotation(owner, pk, timedelta(hours=1)))

    secret = shown_secret(response)
    assert secret != old
    assert "no-store" in response["Cache-Control"]
    assert authenticate_key(secret=secret, ip=None).key_id == pk
    assert authenticate_key(secret=old, ip=None).key_id == pk
    page = owner.get(f"{LIST}{pk}/change/").content.decode()
    assert secret not in page
    assert "the one before, accepted until" in page


def test_of_two_tabs_one_rotates(owner: Client, keys: Keys) -> None:
    pk = keys.pk("project")
    one, other = rotation(owner, pk), rotation(owner, pk)
    secret = shown_secret(owner.post(f"{LIST}{pk}/rotate/", one))

    for late in (other, one):
        refused = owner.post(f"{LIST}{pk}/rotate/", late)
        assert refused.status_code == 422
        assert "in the meantime" in refused.content.decode()
        assert "gatesk_" not in refused.content.decode()
    assert authenticate_key(secret=secret, ip=None).key_id == pk


@pytest.mark.parametrize("expected", ["", "nonsense", "\x00", "0"])
def test_a_rotation_that_names_no_secret_is_refused(owner: Client, keys: Keys, expected: str) -> None:
    before = state(keys.tenant)
    response = owner.post(f"{LIST}{keys.pk('project')}/rotate/", {"overlap": "0", "expected": expected})

    assert response.status_code == 422
    assert state(keys.tenant) == before


def test_opening_the_rotation_changes_nothing(owner: Client, keys: Keys) -> None:
    before = state(keys.tenant)

    assert "gatesk_" not in owner.get(f"{LIST}{keys.pk('project')}/rotate/").content.decode()
    assert state(keys.tenant) == before
    with keys.tenant.acting("owner"):
        assert ApiKeySecret.objects.filter(api_key_id=keys.pk("project")).count() == 1
