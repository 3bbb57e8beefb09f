"""What a permission check costs, beside a bare indexed SELECT and guardian's own check."""

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from guardian.core import ObjectPermissionChecker

from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.access import load_authority
from tenants.permissions import P
from tenants.services.exceptions import grant_to_member
from tenants.services.groups import add_group_member, create_group, set_group_role
from tenants.services.members import set_project_role
from tests.bench.timing import medians, report
from tests.people import Tenant, make_project

pytestmark = pytest.mark.bench

ROUNDS = 400


def test_permission_check(acme: Tenant) -> None:
    """Somebody with a group role, roles in five projects and an exception asks for one permission."""
    member = acme.member
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        membership = acme.membership("member")
        group = create_group(organization=acme.organization, name="Engineers", actor=SYSTEM)
        add_group_member(group=group, membership=membership, actor=SYSTEM)
        set_group_role(group=group, role=acme.role("viewer"), actor=SYSTEM)
        for number in range(5):
            project = make_project(acme, f"project-{number}")
            set_project_role(membership=membership, project=project, role=acme.role("admin"), actor=SYSTEM)
        grant_to_member(project=acme.project, membership=membership, permission=P.AUDIT_LOG_READ, actor=SYSTEM)

    def bare_select() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT role_id FROM tenants_membership WHERE id = %s", [membership.pk])
            cursor.fetchone()

    def check() -> None:
        assert load_authority(member.pk, acme.organization.pk).allows(P.AUDIT_LOG_READ, acme.project)

    member.groups = Group.objects  # type: ignore[attr-defined]  # guardian asks for Django's groups; ours has none

    def guardian() -> None:
        checker = ObjectPermissionChecker(member)
        assert checker.has_perm(P.AUDIT_LOG_READ.value, acme.project)

    with tenant_scope(acme.organization):
        authority = load_authority(member.pk, acme.organization.pk)
        measured = medians(
            ROUNDS,
            bare_select=bare_select,
            gatehouse=check,
            loaded_actor=lambda: authority.allows(P.AUDIT_LOG_READ, acme.project),
            guardian_has_perm=guardian,
        )
    report("Permission check", measured, "bare_select")
    assert measured["gatehouse"] < measured["guardian_has_perm"]
