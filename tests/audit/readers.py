"""People who may read a part of the log."""

from accounts.models import User
from tenants.permissions import BuiltinRole
from tenants.services.members import set_project_role
from tests.people import Tenant


def reader_of_one_project(tenant: Tenant) -> User:
    """Return the viewer, who reads the log of the tenant's project and nothing else of it."""
    with tenant.acting("owner") as actor:
        role = tenant.role(BuiltinRole.AUDITOR)
        set_project_role(membership=tenant.membership("viewer"), project=tenant.project, role=role, actor=actor)
    return tenant.viewer
