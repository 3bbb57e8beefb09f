"""Acme's people and the stranger in browsers, and what no page may tell or do to the stranger."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from django.apps import apps
from django.test import Client

from tests.people import Tenant, signed_in


@pytest.fixture
def owner(acme: Tenant) -> Client:
    """Return Acme's owner in a browser."""
    return signed_in(acme.owner)


@pytest.fixture
def admin(acme: Tenant) -> Client:
    """Return Acme's admin in a browser, who may not do what only owners may."""
    return signed_in(acme.admin)


@pytest.fixture
def viewer(acme: Tenant) -> Client:
    """Return Acme's viewer in a browser."""
    return signed_in(acme.viewer)


@pytest.fixture
def elsewhere(globex: Tenant) -> Client:
    """Return the stranger in a browser."""
    return signed_in(globex.owner)


def rows_of(tenant: Tenant, app: str) -> dict[str, Any]:
    """Return every tenant row of an app, to compare before and after."""
    models: list[Any] = [model for model in apps.get_app_config(app).get_models() if hasattr(model, "tenant_column")]
    with tenant.acting("owner"):
        return {model.__name__: sorted(map(str, model.objects.values_list())) for model in models}


def assert_closed(stranger: Client, urls: Iterable[str], answers: Mapping[str, Any]) -> None:
    """Fail when a page of Acme opens for the stranger, or takes an answer of theirs."""
    for url in urls:
        assert stranger.get(f"/o/acme/{url}").status_code == 404, url
        assert stranger.post(f"/o/acme/{url}", answers).status_code == 404, url


def words_of(content: bytes) -> bytes:
    """Return a page in lower case without its random tokens, in which any four letters can stand by chance."""
    return re.sub(rb'(csrfmiddlewaretoken" value=|nonce=|csrftoken": ?)"[^"]*"', rb"", content).lower()


def assert_not_in_ones_own(stranger: Client, urls: Iterable[str], answers: Mapping[str, Any]) -> None:
    """Fail when a row of Acme is there below the stranger's own organization."""
    for url in urls:
        foreign = stranger.get(f"/o/globex/{url}")
        assert foreign.status_code == 404, url
        assert b"acme" not in words_of(foreign.content), url
        assert stranger.post(f"/o/globex/{url}", answers).status_code == 404, url
