"""Paging by cursor: complete, without repetition, and deaf to nonsense."""

import base64
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User
from console.keyset import Cursor, InvalidCursor, KeysetPaginator
from isolation.scope import tenant_scope
from tenants.models import Membership, Project
from tests.console import stage

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def ten(acme: SimpleNamespace) -> Any:
    """Ten projects, five of them at the same instant; returns their names, newest first."""
    with tenant_scope(acme.organization):
        stage.attribute(acme.organization.pk)
        Project.objects.all().delete()
        for number in range(10):
            row = Project.objects.create(organization=acme.organization, slug=f"p{number}", name=f"p{number}")
            Project.objects.filter(pk=row.pk).update(created_at=NOON + timedelta(seconds=max(0, number - 4)))
        return [row.name for row in Project.objects.order_by("-created_at", "-pk")]


def walk(paginator: KeysetPaginator, side: str, cursor: str | None) -> list[list[str]]:
    """Return the pages reached by following one link."""
    pages = []
    while True:
        page = paginator.page(cursor)
        pages.append([row.name for row in page.rows])
        cursor = getattr(page, side)
        if cursor is None:
            return pages


@pytest.mark.parametrize("per_page", [1, 3, 5, 10, 11])
def test_every_row_comes_once_in_both_directions(acme: SimpleNamespace, ten: list[str], per_page: int) -> None:
    with tenant_scope(acme.organization):
        paginator = KeysetPaginator(Project.objects.all(), time_field="created_at", per_page=per_page)
        forward = walk(paginator, "older", None)
        assert [name for page in forward for name in page] == ten
        last = Project.objects.order_by("created_at", "pk").first()
        start = Cursor(older=False, time=last.created_at, pk=str(last.pk)).encode()
        backward = walk(paginator, "newer", start)

    assert [name for page in reversed(backward) for name in page] == ten[:-1]


def test_the_first_page_has_no_newer_and_the_last_no_older(acme: SimpleNamespace, ten: list[str]) -> None:
    with tenant_scope(acme.organization):
        paginator = KeysetPaginator(Project.objects.all(), time_field="created_at", per_page=5)
        first = paginator.page(None)
        second = paginator.page(first.older)
        assert first.newer is None
        assert second.older is None
        back = paginator.page(second.newer)

    assert [row.name for row in back.rows] == ten[:5]
    assert back.newer is None


def test_a_page_costs_one_query_without_offset_and_count(acme: SimpleNamespace, ten: list[str]) -> None:
    with tenant_scope(acme.organization):
        paginator = KeysetPaginator(Project.objects.all(), time_field="created_at", per_page=3)
        cursor = paginator.page(None).older
        with CaptureQueriesContext(connection) as queries:
            paginator.page(cursor)

    (query,) = queries.captured_queries
    assert "OFFSET" not in query["sql"]
    assert "COUNT" not in query["sql"]


def forged(parts: Any) -> str:
    """Return a cursor that holds whatever it is given."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


NONSENSE = [
    "x",
    "%%%",
    "é",
    "a" * 10_000,
    forged(None),
    forged([]),
    forged(["o", "yesterday", "1"]),
    forged(["o", "2026-01-01T00:00:00", "1"]),
    forged(["o", "2026-02-31T00:00:00+00:00", "1"]),
    forged(["o", "2026-01-01T00:00:00+00:00", "no uuid"]),
    forged(["o", "2026-01-01T00:00:00+00:00", "\x00"]),
    forged(["o", "0001-01-01T00:00:00+23:59", "00000000-0000-4000-8000-000000000000"]),
    forged(["n", "9999-12-31T23:59:59-23:59", "00000000-0000-4000-8000-000000000000"]),
    forged(["o", 5, {"a": 1}]),
    forged(["x", "2026-01-01T00:00:00+00:00", "00000000-0000-4000-8000-000000000000"]),
]


@pytest.mark.parametrize("cursor", NONSENSE)
def test_nonsense_leads_to_the_newest_page(acme: SimpleNamespace, ten: list[str], cursor: str) -> None:
    with tenant_scope(acme.organization):
        page = KeysetPaginator(Project.objects.all(), time_field="created_at", per_page=3).page(cursor)

    assert [row.name for row in page.rows] == ten[:3]


@given(st.text())
def test_decoding_anything_raises_nothing_else(text: str) -> None:
    with suppress(InvalidCursor):
        Cursor.decode(text)


@given(st.booleans(), st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_a_cursor_survives_the_url(older: bool, time: datetime, pk: Any) -> None:
    cursor = Cursor(older=older, time=time, pk=str(pk))

    assert Cursor.decode(cursor.encode()) == cursor


def test_a_list_pages_by_cursor_and_keeps_its_filters(admin: Client, acme: SimpleNamespace) -> None:
    with tenant_scope(acme.organization):
        stage.attribute(acme.organization.pk)
        for number in range(4):
            user = User.objects.create_user(f"m{number}@acme.test")
            Membership.objects.create(organization=acme.organization, user=user, role=acme.role)
    seen: list[str] = []
    url: str | None = "/tenants/membership/?is_active__exact=1"
    while url:
        response = admin.get(url)
        changes = response.context["cl"]
        seen += [row.user.email for row in changes.result_list]
        url = f"/tenants/membership/{changes.older_url}" if changes.older_url else None
        if url:
            assert "is_active__exact=1" in url

    assert seen == ["m3@acme.test", "m2@acme.test", "m1@acme.test", "m0@acme.test", "owner@acme.test"]
    assert admin.get("/tenants/membership/?cursor=nonsense&o=1&p=7").status_code == 200
    assert admin.get("/tenants/membership/?is_active__exact=maybe").status_code == 302
