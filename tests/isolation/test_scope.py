"""The tenant is set for one transaction, nests, comes back, and is loud when it is missing."""

import uuid

import pytest
from django.db import DatabaseError, connection, transaction

from audit.models import Event
from isolation import context
from isolation.actor import ANONYMOUS, SYSTEM, Actor, ActorKind
from isolation.context import acting_as, current_organization_id
from isolation.exceptions import ScopeRefused
from isolation.scope import on_scope_exit, operator_scope, settling, tenant_scope
from tenants.models import Organization, Project
from tests.isolation.tables import TENANT_TABLES
from tests.people import Tenant

LOUD = "invalid input syntax for type uuid|unrecognized configuration parameter"


def projects() -> set[uuid.UUID]:
    """Return what raw SQL sees, without any manager."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT organization_id FROM tenants_project")
        return {row[0] for row in cursor.fetchall()}


def announced() -> str:
    """Return the tenant as the database knows it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('app.organization', true)")
        return cursor.fetchone()[0] or ""


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_raw_sql_without_a_tenant_is_an_error(table: str, acme: Tenant) -> None:
    connection.close()  # a session that never had a tenant
    for _ in range(2):  # the second time on a session that has had one
        with pytest.raises(DatabaseError, match=LOUD), connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608 - our own table's name
        with tenant_scope(acme.organization), connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608 - the same
            cursor.fetchone()


@pytest.mark.parametrize("verb", ["UPDATE tenants_project SET name = 'mine'", "DELETE FROM tenants_project"])
def test_raw_writes_without_a_tenant_are_errors(verb: str, acme: Tenant) -> None:
    with pytest.raises(DatabaseError, match=LOUD), connection.cursor() as cursor:
        cursor.execute(verb)


def test_after_a_scope_the_same_connection_is_loud_again(acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        backend = connection.connection.info.backend_pid
        assert projects() == {acme.organization.pk}
    assert connection.connection.info.backend_pid == backend
    assert announced() == ""
    with pytest.raises(DatabaseError, match=LOUD):
        projects()
    with transaction.atomic(), pytest.raises(DatabaseError, match=LOUD), transaction.atomic():
        projects()


def test_after_a_scope_that_failed_the_connection_is_loud_again(acme: Tenant) -> None:
    with pytest.raises(KeyError), tenant_scope(acme.organization):
        raise KeyError
    assert current_organization_id() is None
    with pytest.raises(DatabaseError, match=LOUD):
        projects()


def test_scopes_nest_and_the_outer_one_comes_back(acme: Tenant, globex: Tenant) -> None:
    with tenant_scope(acme.organization):
        with tenant_scope(globex.organization):
            assert current_organization_id() == globex.organization.pk
            assert projects() == {globex.organization.pk}
            with tenant_scope(acme.organization.pk):
                assert projects() == {acme.organization.pk}
            assert projects() == {globex.organization.pk}
        assert current_organization_id() == acme.organization.pk
        assert projects() == {acme.organization.pk}
        assert Project.objects.get().pk == acme.project.pk
    assert current_organization_id() is None


def test_a_transaction_around_a_scope_has_no_tenant_afterwards(acme: Tenant) -> None:
    with transaction.atomic():
        with tenant_scope(acme.organization):
            assert projects() == {acme.organization.pk}
        with pytest.raises(DatabaseError, match=LOUD), transaction.atomic():
            projects()


@pytest.mark.parametrize("how", ["python", "sql", "rollback"])
def test_the_outer_scope_comes_back_after_a_failure_inside(how: str, acme: Tenant, globex: Tenant) -> None:
    with tenant_scope(acme.organization):
        if how == "rollback":
            with tenant_scope(globex.organization):
                transaction.set_rollback(True)
        else:
            with pytest.raises((KeyError, DatabaseError)), tenant_scope(globex.organization):
                assert projects() == {globex.organization.pk}
                if how == "python":
                    raise KeyError
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1/0")
        assert current_organization_id() == acme.organization.pk
        assert projects() == {acme.organization.pk}


def test_a_failure_swallowed_in_a_savepoint_keeps_the_tenant(acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1/0")
        assert projects() == {acme.organization.pk}


def test_a_scope_takes_an_organization_or_its_id_and_nothing_else(acme: Tenant) -> None:
    with tenant_scope(acme.organization.pk):
        assert Organization.objects.get() == acme.organization
    for nonsense in ("acme", None, ""):
        with pytest.raises((AttributeError, ValueError)), tenant_scope(nonsense):
            pytest.fail("the scope opened")


@pytest.mark.parametrize("kind", [kind for kind in ActorKind if kind not in {ActorKind.OPERATOR, ActorKind.SYSTEM}])
def test_the_operator_scope_is_refused_to_everybody_else(kind: ActorKind, acme: Tenant) -> None:
    with (
        acting_as(Actor(kind, uuid.uuid4(), "somebody")),
        pytest.raises(ScopeRefused),
        operator_scope("curiosity"),
    ):
        pytest.fail("the scope opened")
    with pytest.raises(ScopeRefused), operator_scope("nobody was recognized"):
        pytest.fail("the scope opened")
    assert context.current_actor() is ANONYMOUS


@pytest.mark.parametrize("reason", ["", "   "])
def test_the_operator_scope_needs_a_reason(reason: str, db: None) -> None:
    with acting_as(SYSTEM), pytest.raises(ValueError, match="reason"), operator_scope(reason):
        pytest.fail("the scope opened")


def test_the_operator_scope_is_recorded_before_anything_is_read(acme: Tenant, superuser) -> None:
    operator = Actor(ActorKind.OPERATOR, uuid.uuid4(), "operator@gatehouse.example")
    with pytest.raises(KeyError), acting_as(operator), operator_scope("an incident"):
        row = superuser.execute(
            "SELECT actor_label, reason, organization_id FROM audit_event WHERE action = 'operator.scope_entered'"
        ).fetchall()
        assert row == [("operator@gatehouse.example", "an incident", None)]
        raise KeyError
    assert not context.crossing_tenants()


def test_the_operator_scope_stays_shut_when_it_cannot_be_recorded(acme: Tenant, monkeypatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Event, "save", fail)
    with acting_as(SYSTEM), pytest.raises(OSError, match="disk full"), operator_scope("an incident"):
        pytest.fail("the scope opened")


def test_the_operator_scope_writes_nothing(acme: Tenant) -> None:
    with acting_as(SYSTEM), operator_scope("an incident"):
        project = Project.objects.get()
        for write in (lambda: project.save(using="operator"), lambda: Project.objects.using("operator").delete()):
            with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic(using="operator"):
                write()
        with pytest.raises(DatabaseError, match=f"{LOUD}|row-level security"):
            project.save(update_fields=["name"])


def test_what_the_operator_read_does_not_lead_around_row_level_security(acme: Tenant, globex: Tenant) -> None:
    with acting_as(SYSTEM), operator_scope("an incident"):
        project = Project.objects.get(pk=acme.project.pk)
        assert project._state.db == "operator"
        with tenant_scope(acme.organization):
            assert project.organization._state.db == "default"
    project = Project(pk=project.pk, organization_id=project.organization_id)
    project._state.db = "operator"
    with tenant_scope(globex.organization), pytest.raises(Organization.DoesNotExist):
        _ = project.organization


def test_an_operator_scope_inside_a_tenant_scope_gives_the_tenant_back(acme: Tenant, globex: Tenant) -> None:
    with acting_as(SYSTEM), tenant_scope(acme.organization):
        with operator_scope("both"):
            assert Organization.objects.count() == 2
        assert Organization.objects.get() == acme.organization


def test_callbacks_wait_for_the_end_of_the_outermost_scope(acme: Tenant, globex: Tenant) -> None:
    seen: list[object] = []

    def callback() -> None:
        seen.append((connection.in_atomic_block, current_organization_id()))

    with pytest.raises(KeyError), tenant_scope(acme.organization):
        with settling(), tenant_scope(globex.organization):
            on_scope_exit(callback)
        assert seen == []
        raise KeyError
    assert seen == [(False, None)]
    on_scope_exit(callback)
    assert len(seen) == 2
