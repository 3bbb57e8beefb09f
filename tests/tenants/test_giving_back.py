"""Ending a project role brings back what lies below it; that may not be above one's own rights either."""

import pytest

from isolation.exceptions import DomainError
from tenants.models import ProjectMembership
from tenants.permissions import P
from tenants.services.groups import add_group_member, create_group, set_group_role
from tenants.services.members import change_role, remove_project_role, set_project_role
from tenants.services.roles import create_role
from tests.people import Tenant

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("in_project", [True, False], ids=["the group's role in the project", "in the organization"])
def test_the_role_of_a_group_is_not_given_back_by_somebody_below_it(acme: Tenant, in_project: bool) -> None:
    with acme.acting("owner") as actor:
        group = create_group(organization=acme.organization, name="Operations", actor=actor)
        add_group_member(group=group, membership=acme.membership("viewer"), actor=actor)
        set_group_role(group=group, role=acme.role("admin"), project=acme.project if in_project else None, actor=actor)
        set_project_role(
            membership=acme.membership("viewer"), project=acme.project, role=acme.role("none"), actor=actor
        )
        keeper = create_role(
            organization=acme.organization,
            name="Keeper",
            permissions=[*acme.role("viewer").permissions, P.PROJECTS_MANAGE],
            actor=actor,
        )
        change_role(membership=acme.membership("member"), role=keeper, actor=actor)
    with acme.acting("member") as actor:
        barred = ProjectMembership.objects.get(membership__user=acme.viewer)
        with pytest.raises(DomainError) as refusal:
            remove_project_role(project_membership=barred, actor=actor)
    assert refusal.value.code == "above_own_permissions"
