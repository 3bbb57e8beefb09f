"""The probes."""

import pytest
from django.db import DatabaseError
from django.test import Client

from isolation.roles import RoleReport


def test_live_asks_nobody() -> None:
    """Without the database fixture any query would fail."""
    response = Client().get("/healthz/live")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_ready() -> None:
    response = Client().get("/healthz/ready")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "checks": {"database": "ok", "database_role": "ok"}}


def test_not_ready_without_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable() -> RoleReport:
        raise DatabaseError("password=hunter2 was refused")

    monkeypatch.setattr("portal.views.health.inspect_role", unreachable)
    response = Client().get("/healthz/ready")
    assert response.status_code == 503
    assert response.json()["checks"]["database"] == "unreachable"
    assert "hunter2" not in response.text


def test_not_ready_with_too_much_power(monkeypatch: pytest.MonkeyPatch) -> None:
    report = RoleReport("gatehouse_migrator", ("is a superuser",))
    monkeypatch.setattr("portal.views.health.inspect_role", lambda: report)
    response = Client().get("/healthz/ready")
    assert response.status_code == 503
    assert "gatehouse_migrator" not in response.text


@pytest.mark.parametrize("probe", ["live", "ready"])
def test_probes_are_read_only(probe: str) -> None:
    assert Client().post(f"/healthz/{probe}").status_code == 405
