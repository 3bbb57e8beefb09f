"""Measures an audited write against an unaudited one; run by `tests/bench/test_audited_write.py`, prints JSON."""

import json
import os
import sys
import uuid
from collections.abc import Callable
from typing import Any

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.bench.audited.settings"
django.setup()

import pgtrigger  # noqa: E402 - after the apps are loaded
from django.apps import apps  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connections  # noqa: E402
from simple_history.utils import bulk_create_with_history, bulk_update_with_history  # noqa: E402

from audit.recorder import records  # noqa: E402
from audit.redaction import snapshot  # noqa: E402
from audit.signals import ChangeSignal  # noqa: E402
from isolation.actor import SYSTEM  # noqa: E402
from isolation.scope import tenant_scope  # noqa: E402
from tests import database  # noqa: E402
from tests.bench.audited.models import Auditlogged, Bare, Batch, Governed, Historical, Thing, Tracked  # noqa: E402
from tests.bench.timing import medians  # noqa: E402

ROWS = 1000
ROUNDS = 300
BULK_ROUNDS = 15
ORGANIZATION = uuid.uuid4()
MODELS: dict[str, type[Thing]] = {
    "bare": Bare,
    "gatehouse": Governed,
    "auditlog": Auditlogged,
    "pghistory": Tracked,
    "simple_history": Historical,
}
created, updated, imported = ChangeSignal(), ChangeSignal(), ChangeSignal()
records(created, "bench_thing.created", "Created")
records(updated, "bench_thing.updated", "Changed")
records(imported, "bench_thing.imported", "Changed many at once")


def prepare() -> None:
    """Make the tables, as the role that migrates."""
    for app in ("contenttypes", "auditlog", "pghistory"):
        call_command("migrate", app, verbosity=0, interactive=False)
    owner = connections["migrator"]
    with owner.schema_editor() as editor:
        for model in apps.get_app_config("audited").get_models():
            if model._meta.proxy:
                continue
            editor.create_model(model)
    pgtrigger.install(database="migrator")
    with owner.cursor() as cursor:
        cursor.execute("SELECT oid::regprocedure::text FROM pg_proc WHERE proname ~ '^_pg(trigger|h)_'")
        for (function,) in cursor.fetchall():
            cursor.execute(f"GRANT EXECUTE ON FUNCTION {function} TO gatehouse_app")
        cursor.execute("SELECT audit_govern('audited_governed', 'organization_id', '', '')")


def fresh(model: type[Thing], number: int = 0) -> Any:
    """Return a row that is not stored."""
    return model(organization_id=ORGANIZATION, name=f"Thing {number}", slug=f"thing-{number}", description="A thing")


def create(name: str) -> Callable[[], object]:
    """Return what creates one row."""
    model = MODELS[name]

    def run() -> None:
        with tenant_scope(ORGANIZATION):
            row = fresh(model)
            row.save(force_insert=True)
            if name == "gatehouse":
                created.announce(row, actor=SYSTEM, after=snapshot(row))

    return run


def update(name: str) -> Callable[[], object]:
    """Return what reads and changes one row."""
    model: Any = MODELS[name]
    numbers = iter(range(10**9))
    with tenant_scope(ORGANIZATION):
        stored = fresh(model)
        stored.save(force_insert=True)
        if name == "gatehouse":
            created.announce(stored, actor=SYSTEM)

    def run() -> None:
        with tenant_scope(ORGANIZATION):
            row = model.objects.get(pk=stored.pk)
            before = snapshot(row) if name == "gatehouse" else None
            row.name = f"Thing {next(numbers)}"
            row.save()
            if name == "gatehouse":
                updated.announce(row, actor=SYSTEM, before=before, after=snapshot(row))

    return run


def told() -> Batch:
    """Return what the event of a bulk write names."""
    return Batch(id=ORGANIZATION, organization_id=ORGANIZATION, name="Bench")


def bulk_create(name: str) -> Callable[[], object]:
    """Return what creates a thousand rows."""
    model: Any = MODELS[name]

    def run() -> None:
        with tenant_scope(ORGANIZATION):
            rows = [fresh(model, number) for number in range(ROWS)]
            if name == "simple_history":
                bulk_create_with_history(rows, model)
            else:
                model.objects.bulk_create(rows)
            if name == "gatehouse":
                imported.announce(told(), actor=SYSTEM, after={"rows": ROWS})

    return run


def bulk_update(name: str) -> Callable[[], object]:
    """Return what changes a thousand rows that were read."""
    model: Any = MODELS[name]
    with tenant_scope(ORGANIZATION):
        model.objects.bulk_create(fresh(model, number) for number in range(ROWS))
        if name == "gatehouse":
            imported.announce(told(), actor=SYSTEM)
        rows = list(model.objects.filter(organization_id=ORGANIZATION)[:ROWS])

    def run() -> None:
        for row in rows:
            row.name = f"{row.name[:20]}!"
        with tenant_scope(ORGANIZATION):
            if name == "simple_history":
                bulk_update_with_history(rows, model, ["name"])
            else:
                model.objects.bulk_update(rows, ["name"])
            if name == "gatehouse":
                imported.announce(told(), actor=SYSTEM, after={"rows": ROWS})

    return run


def update_by_query(name: str) -> Callable[[], object]:
    """Return what changes a thousand rows by one `update()`."""
    model: Any = MODELS[name]
    with tenant_scope(ORGANIZATION):
        pks = list(model.objects.order_by("id").values_list("pk", flat=True)[:ROWS])
    numbers = iter(range(10**9))

    def run() -> None:
        with tenant_scope(ORGANIZATION):
            assert model.objects.filter(pk__in=pks).update(description=f"Thing {next(numbers)}") == ROWS
            if name == "gatehouse":
                imported.announce(told(), actor=SYSTEM, after={"rows": ROWS})

    return run


def main() -> None:
    """Measure and print."""
    database.use_database(sys.argv[1])
    prepare()
    kinds = {
        "create": (create, ROUNDS),
        "update": (update, ROUNDS),
        "bulk_create": (bulk_create, BULK_ROUNDS),
        "bulk_update": (bulk_update, BULK_ROUNDS),
        "update()": (update_by_query, BULK_ROUNDS),
    }
    result = {kind: medians(rounds, **{name: make(name) for name in MODELS}) for kind, (make, rounds) in kinds.items()}
    sys.stdout.write(json.dumps(result))


main()
