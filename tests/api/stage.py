"""An organization with one row of everything that an address of the API can name."""

from dataclasses import dataclass

from accounts.models import User
from audit.models import Event
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.permissions import P
from tenants.services.exceptions import grant_to_member
from tenants.services.groups import add_group_member, create_group, set_group_role
from tenants.services.invitations import invite_member
from tenants.services.members import set_project_role
from tenants.services.roles import create_role
from tests.api.calls import Caller, anybody, by
from tests.people import Tenant

ROLES = ("owner", "admin", "member", "viewer", "auditor", "none")


@dataclass
class Stage:
    """Acme, filled, and everybody who may ask for its rows.

    Attributes:
        tenant: Acme.
        places: by the name of a path's parameter, the value that names a row of Acme.
        callers: each role of Acme, "stranger", "operator" (without a visit) and "anonymous", ready to ask.
    """

    tenant: Tenant
    places: dict[str, str]
    callers: dict[str, Caller]


def places_of(tenant: Tenant) -> dict[str, str]:
    """Fill the organization and return what names its rows."""
    with tenant_scope(tenant.organization), acting_as(SYSTEM):
        organization, project = tenant.organization, tenant.project
        membership = tenant.membership("member")
        viewer = tenant.role("viewer")
        group = create_group(organization=organization, name="Acme engineers", actor=SYSTEM)
        place = add_group_member(group=group, membership=membership, actor=SYSTEM)
        group_role = set_group_role(group=group, role=viewer, actor=SYSTEM)
        set_project_role(membership=membership, project=project, role=tenant.role("member"), actor=SYSTEM)
        role = create_role(organization=organization, name="Acme writers", permissions=[P.TRACES_WRITE], actor=SYSTEM)
        sent = invite_member(organization=organization, email="new@acme.example", role=viewer, actor=SYSTEM)
        grant = grant_to_member(
            project=project, membership=membership, permission=P.PROVIDER_CREDENTIALS_READ, actor=SYSTEM
        )
        return {
            "organization": organization.slug,
            "project": project.slug,
            "member": str(membership.pk),
            "group": str(group.pk),
            "place": str(place.pk),
            "group_role": str(group_role.pk),
            "role": str(role.pk),
            "invitation": str(sent.invitation.pk),
            "exception": str(grant.pk),
            "event": str(Event.objects.first().pk),
        }


def stage_of(acme: Tenant, stranger: User, operator: User) -> Stage:
    """Return Acme with everybody signed in."""
    callers = {role: by(acme.people[role]) for role in ROLES}
    callers |= {"stranger": by(stranger), "operator": by(operator), "anonymous": anybody()}
    return Stage(acme, places_of(acme), callers)
