"""Every page asks the database the same number of questions for two rows as for twenty."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tenants.models import Group, Membership, Role
from tenants.services.exceptions import grant_to_member
from tenants.services.groups import add_group_member, create_group, set_group_role
from tenants.services.invitations import invite_member
from tenants.services.members import add_member, set_project_role
from tenants.services.roles import create_role
from tests.people import make_project, make_user
from tests.tenants.admin.conftest import Furniture

PAGES = [
    "",
    "tenants/membership/",
    "tenants/membership/?q=p",
    "tenants/membership/{member}/change/",
    "members/{member}/projects/",
    "members/{member}/why/?project={project}",
    "members/invite/",
    "tenants/invitation/",
    "tenants/group/",
    "tenants/group/{group}/change/",
    "roles/",
    "tenants/role/{role}/change/",
    "tenants/project/",
    "tenants/project/{project}/change/",
    "settings/",
]


def grow(rows: Furniture, first: int, last: int) -> None:
    """Add rows of every kind."""
    acme = rows.tenant
    with acme.acting("owner") as actor:
        organization = acme.organization
        viewer, group = acme.role("viewer"), Group.objects.get(pk=rows.group)
        member = Membership.objects.get(pk=rows.member)
        for number in range(first, last):
            user = make_user(f"p{number}@acme.example")
            joined = add_member(organization=organization, user=user, role=viewer, source="manual", actor=actor)
            add_group_member(group=group, membership=joined, actor=actor)
            project = make_project(acme, f"project-{number}")
            set_project_role(membership=joined, project=acme.project, role=viewer, actor=actor)
            set_project_role(membership=member, project=project, role=viewer, actor=actor)
            set_group_role(group=group, role=viewer, project=project, actor=actor)
            grant_to_member(project=acme.project, membership=joined, permission="prompts:write", actor=actor)
            another = create_group(organization=organization, name=f"Group {number}", actor=actor)
            add_group_member(group=another, membership=member, actor=actor)
            role: Role = create_role(
                organization=organization, name=f"Role {number}", permissions=["prompts:read"], actor=actor
            )
            invite_member(
                organization=organization,
                email=f"guest{number}@example.org",
                role=role,
                actor=actor,
                project=project,
                project_role=viewer,
            )


@pytest.fixture
def questions(owner: Client, rows: Furniture) -> Callable[[str], int]:
    """Return a function that opens a page twice and counts the second time."""
    names: dict[str, Any] = vars(rows)

    def count(page: str) -> int:
        url = f"/o/acme/{page.format(**names)}"
        owner.get(url)
        with CaptureQueriesContext(connection) as captured:
            assert owner.get(url).status_code == 200
        return len(captured)

    return count


def test_the_number_of_questions_does_not_grow(questions: Callable[[str], int], rows: Furniture) -> None:
    grow(rows, 0, 2)
    few = {page: questions(page) for page in PAGES}
    grow(rows, 2, 20)

    assert {page: questions(page) for page in PAGES} == few
