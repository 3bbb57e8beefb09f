"""A real worker on the broker's tables: what is due is deleted in each organization's own scope."""

import time
from collections.abc import Iterator

import pytest
from celery.contrib.testing.worker import start_worker
from django.conf import settings
from kombu import Connection, pools
from kombu.transport.sqlalchemy import Transport

from audit.models import Event
from isolation.scope import tenant_scope
from portal.celery import app
from tenants.models import Organization, Project
from tenants.tasks import purge_due
from tests.people import Tenant
from tests.portal.test_broker import broker, messages
from tests.tenants.stage import events
from tests.tenants.test_deletion import age, schedule

__all__ = ["broker"]
PATIENCE = 20


def forget_connections() -> None:
    """Let the application connect anew: a task that ran eagerly has taken a producer from the pool all the same."""
    pools.reset()
    app._pool = None  # type: ignore[attr-defined] # what app.close() does, but the application stays registered
    app.__dict__.pop("amqp", None)


@pytest.fixture
def worker(broker: Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    usual = {name: app.conf[name] for name in ("broker_url", "task_always_eager")}
    forget_connections()
    app.conf.update(broker_url=broker.as_uri(include_password=True), task_always_eager=False)
    monkeypatch.setattr(Transport, "polling_interval", 0.05)
    try:
        with start_worker(app, loglevel=settings.LOG_LEVEL, perform_ping_check=False, shutdown_timeout=PATIENCE):
            yield
    finally:
        app.conf.update(usual)
        forget_connections()


def last_action(tenant: Tenant) -> str:
    with tenant_scope(tenant.organization):
        action: str = Event.objects.order_by("-time").values_list("action", flat=True)[0]
        return action


def test_what_is_due_is_purged_by_a_worker(acme: Tenant, globex: Tenant, superuser, worker: None) -> None:
    schedule(acme, "organization")
    schedule(globex, "project")
    age(superuser, "organization", acme)
    age(superuser, "project", globex)
    purge_due.delay()
    deadline = time.monotonic() + PATIENCE
    while (last_action(acme), last_action(globex)) != ("organization.purged", "project.purged"):
        assert time.monotonic() < deadline, (last_action(acme), last_action(globex), messages())
        time.sleep(0.05)
    with tenant_scope(acme.organization):
        assert not Organization.objects.exists()
    with tenant_scope(globex.organization):
        assert Organization.objects.exists()
        assert not Project.objects.exists()
    for tenant in (acme, globex):
        purged = events(tenant)[-1]
        assert (purged.actor_kind, purged.actor_label, purged.via) == ("system", "Gatehouse", "system")
        assert purged.request_id, "the task's id"


def test_every_entry_of_the_schedule_names_a_task() -> None:
    app.loader.import_default_modules()
    assert {entry["task"] for entry in app.conf.beat_schedule.values()} <= set(app.tasks)
