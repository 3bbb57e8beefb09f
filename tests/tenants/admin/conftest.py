"""Acme with something on every page."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from tenants.models import Membership
from tenants.services.exceptions import grant_to_member
from tenants.services.groups import add_group_member, create_group, set_group_role
from tenants.services.invitations import invite_member
from tenants.services.members import set_project_role
from tenants.services.roles import create_role
from tests.browsers import admin, elsewhere, owner, rows_of, viewer
from tests.people import Tenant

__all__ = ["admin", "elsewhere", "owner", "viewer"]  # fixtures of these tests


@dataclass
class Furniture:
    """Primary keys of rows of one organization."""

    tenant: Tenant
    member: UUID
    project: UUID
    group: UUID
    role: UUID
    invitation: UUID
    exception: UUID
    token: str

    def urls(self) -> list[str]:
        """Return every page that is about one of the rows, below the organization's address."""
        return [
            f"tenants/membership/{self.member}/change/",
            f"tenants/membership/{self.member}/remove/",
            f"members/{self.member}/projects/",
            f"members/{self.member}/why/",
            f"tenants/invitation/{self.invitation}/change/",
            f"tenants/invitation/{self.invitation}/resend/",
            f"tenants/invitation/{self.invitation}/revoke/",
            f"tenants/group/{self.group}/change/",
            f"tenants/group/{self.group}/delete-group/",
            f"tenants/role/{self.role}/change/",
            f"tenants/role/{self.role}/delete_custom/",
            f"tenants/project/{self.project}/change/",
            f"tenants/project/{self.project}/grant_exception/",
            f"tenants/project/{self.project}/transfer/",
            f"tenants/project/{self.project}/schedule_deletion/",
            f"tenants/project/{self.project}/restore/",
            f"projects/{self.project}/exceptions/member/{self.exception}/revoke/",
        ]


def furnish(tenant: Tenant, person: str = "member") -> Furniture:
    """Return rows of every kind, made by the owner; `person` is a member, in a group, with a role in the project."""
    with tenant.acting("owner") as owner:
        member = tenant.membership(person)
        group = create_group(organization=tenant.organization, name="Science", actor=owner)
        add_group_member(group=group, membership=member, actor=owner)
        set_group_role(group=group, role=tenant.role("viewer"), actor=owner)
        role = create_role(organization=tenant.organization, name="Prompter", permissions=["prompts:read"], actor=owner)
        set_project_role(
            membership=member,
            project=tenant.project,
            role=tenant.role("owner" if person == "owner" else "admin"),
            actor=owner,
        )
        exception = grant_to_member(
            project=tenant.project, membership=member, permission="api_keys:rotate", actor=owner
        )
        sent = invite_member(
            organization=tenant.organization, email="guest@example.org", role=tenant.role("viewer"), actor=owner
        )
        return Furniture(
            tenant, member.pk, tenant.project.pk, group.pk, role.pk, sent.invitation.pk, exception.pk, sent.token
        )


def state(tenant: Tenant) -> dict[str, Any]:
    """Return what the pages can change, to compare before and after."""
    return rows_of(tenant, "tenants")


def inline(prefix: str, **values: Any) -> dict[str, Any]:
    """Return the POST data of an inline with one new row, or with none."""
    data = {f"{prefix}-TOTAL_FORMS": 1 if values else 0, f"{prefix}-INITIAL_FORMS": 0}
    return {**data, **{f"{prefix}-0-{name}": value for name, value in values.items()}}


@pytest.fixture
def rows(acme: Tenant) -> Furniture:
    """Return Acme's rows."""
    return furnish(acme)


def member_of(tenant: Tenant, name: str) -> Membership:
    """Return a membership as it is stored now."""
    with tenant.acting("owner"):
        return tenant.membership(name)
