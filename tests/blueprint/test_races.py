"""Two applies at once, and an organization that changes between the plan and its application."""

import pytest

from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from portal.blueprint.document import Document, understand
from portal.blueprint.engine import Engine
from portal.blueprint.problems import BlueprintError
from portal.blueprint.reader import parse
from tenants.lookups import memberships_of
from tenants.models import Group, GroupMember, Organization, Project, Role
from tenants.services.roles import create_role
from tests.people import Tenant, make_user
from tests.tenants.stage import at_once, events

pytestmark = pytest.mark.django_db

TEXT = """
version: 1
users:
  new@acme.example: {name: New}
organizations:
  acme:
    roles:
      reader: {permissions: [traces:read]}
    members:
      viewer@acme.example: {role: reader, projects: {search: reader}}
    projects:
      search: {}
    groups:
      g: {members: [viewer@acme.example], role: reader}
  initech:
    members: {owner@acme.example: {role: owner}}
    projects: {one: {}}
"""


def document(text: str = TEXT) -> Document:
    return understand(parse(text, name="blueprint.yaml"))


def work(text: str = TEXT) -> int:
    """Plan and apply without asking anybody, as a start does; return how much was changed."""
    engine = Engine(document(text), SYSTEM)
    engine.plan()
    return sum(len(plan.changes) for plan in engine.apply())


@pytest.mark.parametrize("time", range(3))
def test_two_applies_at_once_make_everything_once(acme: Tenant, time: int) -> None:
    before = len(events(acme))
    results = at_once(work, work, work)
    assert sum(result for result in results if isinstance(result, int)) == 10, results
    assert all(isinstance(result, int) for result in results), results
    assert work() == 0
    with tenant_scope(acme.organization):
        counts = [Role.objects.filter(is_builtin=False).count(), Project.objects.count(), Group.objects.count()]
        assert [*counts, GroupMember.objects.count()] == [1, 2, 1, 1]
    assert len(events(acme)) - before == 7
    assert sorted(place.slug for place in memberships_of(acme.owner.pk)) == ["acme", "initech"]


def test_what_was_agreed_to_is_what_is_done(acme: Tenant) -> None:
    engine = Engine(document(), SYSTEM)
    plans = engine.plan()
    with tenant_scope(acme.organization):
        create_role(organization=Organization.objects.get(), name="reader", permissions=["scores:read"], actor=SYSTEM)
    before = len(events(acme))
    with pytest.raises(BlueprintError, match=r"blueprint\.yaml:6:3: organizations\.acme: Somebody changed something"):
        list(engine.apply(plans))
    with tenant_scope(acme.organization):
        assert not Group.objects.exists()
    assert len(events(acme)) == before


def test_the_organizations_before_a_failure_are_kept_and_named(acme: Tenant, globex: Tenant) -> None:
    text = "version: 1\norganizations:\n  acme: {projects: {a: {}}}\n  globex: {roles: {r: {permissions: []}}}\n"
    engine = Engine(document(text), SYSTEM)
    plans = engine.plan()
    with tenant_scope(globex.organization):
        create_role(organization=globex.organization, name="r", permissions=[], actor=SYSTEM, description="Theirs")
    applied = []
    with pytest.raises(BlueprintError, match="globex"):
        for plan in engine.apply(plans):
            applied.append(plan.organization)  # noqa: PERF401 - what came before the error is the point
    assert applied == ["", "acme"]
    with tenant_scope(acme.organization):
        assert Project.objects.filter(slug="a").exists()


def test_a_plan_leaves_no_lock_and_no_login(acme: Tenant) -> None:
    make_user("ada@example.org")
    engine = Engine(document(), SYSTEM)
    engine.plan()
    engine.plan()
    with tenant_scope(acme.organization):
        assert Organization.objects.select_for_update(nowait=True).get()
