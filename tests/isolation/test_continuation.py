"""A scope that is continued after it ended, for responses that stream."""

import pytest

from accounts.models import User
from isolation import context
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.exceptions import NoTenant
from isolation.scope import continuation, operator_scope, tenant_scope
from tenants.models import Project
from tests.people import Tenant


def names() -> list[str]:
    """Return the organizations of the projects in sight."""
    return sorted(Project.objects.values_list("organization__slug", flat=True))


def test_without_a_scope_there_is_nothing_to_continue(db: None) -> None:
    with pytest.raises(NoTenant):
        continuation()


def test_a_tenant_is_continued_and_leaves_nothing_behind(acme: Tenant, globex: Tenant) -> None:
    with acme.acting("owner"):
        run = continuation()

    assert [run(names), run(names)] == [["acme"], ["acme"]]
    assert run(lambda: context.current_actor().label) == acme.owner.email
    assert context.current_organization_id() is None
    with pytest.raises(NoTenant):
        names()


def test_another_tenants_scope_does_not_leak_into_it(acme: Tenant, globex: Tenant) -> None:
    with tenant_scope(acme.organization):
        run = continuation()

    with tenant_scope(globex.organization):
        assert run(names) == ["acme"]
        assert names() == ["globex"]


def test_an_operators_scope_is_continued(acme: Tenant, globex: Tenant, operator: User) -> None:
    with acting_as(SYSTEM), operator_scope("test"):
        run = continuation()

    assert run(names) == ["acme", "globex"]
    assert not context.crossing_tenants()
