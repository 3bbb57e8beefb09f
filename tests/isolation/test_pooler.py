"""Behind a transaction pooler, connections change hands: no tenant may reach the next one with them."""

import threading
from collections.abc import Iterator

import psycopg
import pytest
from django.db import connections

from isolation.scope import tenant_scope
from tenants.access import user_actor
from tenants.models import Membership, Project
from tenants.permissions import P
from tests import database
from tests.isolation.pooler import POOL_SIZE, pgbouncer
from tests.people import Tenant, signed_in

THREADS = 6


@pytest.fixture
def pooled(db: None) -> Iterator[dict[str, str | int]]:
    """Point every alias of this process at pgbouncer."""
    with pgbouncer() as address:
        before = {alias: dict(connections.settings[alias]) for alias in ("default", "operator")}
        for alias in before:
            connections[alias].close()
            connections[alias].settings_dict.update(address)
            connections.settings[alias].update(address)
        yield address
        for alias, settings in before.items():
            connections[alias].close()
            connections[alias].settings_dict.update(settings)
            connections.settings[alias].update(settings)


def walk(tenants: list[Tenant], queries: int) -> list[str]:
    """Query in several threads, now as one tenant, now as another.

    Returns:
        every foreign row that was seen, and every error.
    """
    wrong: list[str] = []
    backends: set[int] = set()
    barrier = threading.Barrier(THREADS, timeout=60)

    def run(number: int) -> None:
        try:
            barrier.wait()
            # Three statements that read rows in each round.
            for turn in range(queries // THREADS // 3):
                tenant = tenants[(turn + number) % len(tenants)]
                with tenant_scope(tenant.organization):
                    seen = set(Project.objects.values_list("organization_id", flat=True))
                    with connections["default"].cursor() as cursor:
                        cursor.execute(
                            "SELECT pg_backend_pid(), array_agg(DISTINCT organization_id) FROM tenants_membership"
                        )
                        backend, raw = cursor.fetchone()
                    backends.add(backend)
                    if seen | set(raw) != {tenant.organization.pk}:
                        wrong.append(f"{tenant.organization.slug} saw {seen | set(raw)}")
                    if not user_actor(tenant.owner, tenant.organization.pk).can(P.PROJECTS_READ, tenant.project):
                        wrong.append(f"{tenant.organization.slug}'s owner could not read")
        except Exception as error:  # noqa: BLE001 - told by the main thread
            wrong.append(repr(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(backends) <= POOL_SIZE, "the connections were shared"
    return wrong


def test_no_foreign_row_in_four_thousand_queries(acme: Tenant, globex: Tenant, pooled) -> None:
    assert walk([acme, globex], 4_000) == []


@pytest.mark.soak
def test_no_foreign_row_in_a_hundred_thousand_queries(acme: Tenant, globex: Tenant, pooled) -> None:
    assert walk([acme, globex], 100_000) == []


def test_the_test_would_see_a_leak(acme: Tenant, globex: Tenant, pooled) -> None:
    """A tenant set for the session, as must never be done, does reach the next client."""

    def connect() -> psycopg.Connection:
        return psycopg.connect(
            host=str(pooled["HOST"]),
            port=int(pooled["PORT"]),
            user="gatehouse_app",
            dbname=database.worker_database(),
            autocommit=True,
        )

    with connect() as first:
        for _ in range(POOL_SIZE):
            first.execute("SELECT set_config('app.organization', %s, false)", [str(acme.organization.pk)])
        with connect() as second:
            rows = second.execute("SELECT organization_id FROM tenants_project").fetchall()
            assert rows == [(acme.organization.pk,)]
            second.execute("SELECT set_config('app.organization', '', false)")


def test_pages_work_and_show_no_foreign_name(acme: Tenant, globex: Tenant, pooled) -> None:
    browsers = {"acme": signed_in(acme.owner), "globex": signed_in(globex.owner)}
    for _turn in range(3):
        for slug, browser in browsers.items():
            other = "globex" if slug == "acme" else "acme"
            for page in (
                "/accounts/login/",
                "/",
                f"/o/{slug}/",
                f"/o/{slug}/tenants/project/",
                f"/o/{slug}/tenants/membership/",
            ):
                response = browser.get(page)
                assert response.status_code in {200, 302}, (page, response.status_code)
                assert other.encode() not in response.content.lower(), (slug, page)
            assert browser.get(f"/o/{other}/tenants/project/").status_code == 404
            listed = browser.get(f"/o/{slug}/tenants/project/").content
            assert b"Chatbot" in listed


def test_an_error_inside_a_scope_leaves_no_tenant_behind(acme: Tenant, globex: Tenant, pooled) -> None:
    for _turn in range(20):
        with pytest.raises(KeyError), tenant_scope(acme.organization):
            assert Membership.objects.count() == 6
            raise KeyError
        with tenant_scope(globex.organization):
            assert Membership.objects.count() == 1
