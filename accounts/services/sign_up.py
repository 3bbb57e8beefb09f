"""What happens to somebody who signed up by themselves."""

import logging

from django.db import transaction

from accounts import signals
from accounts.models import User
from audit.redaction import snapshot
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.lookups import memberships_of, open_invitations
from tenants.models import InstallationSettings, Membership, Organization, Project, Source
from tenants.permissions import BuiltinRole
from tenants.services.members import add_member, set_project_role
from tenants.services.rules import builtin_role

from .users import person

logger = logging.getLogger("gatehouse.accounts")


def announce_sign_up(user: User) -> None:
    """Tell that a person made a login for themselves; call it in the transaction that stored the user."""
    signals.user_created.announce(user, actor=person(user), after=snapshot(user))


def is_sign_up_open() -> bool:
    """Return whether anybody may make a login; invited people may in any case, by their link."""
    return InstallationSettings.load().signup_enabled


@transaction.atomic
def join_default_organization(*, user: User) -> Membership | None:
    """Make a newcomer a member where the installation's settings say.

    With a default project, the default role counts in that project only and the role in the organization is None:
    somebody nobody has invited sees no more than the settings name.

    Args:
        user: somebody whose address is verified.

    Returns:
        The membership; None when there is no default, it is closed, or the person has an organization or an invitation.
    """
    settings = InstallationSettings.load()
    organization_id = settings.default_organization_id
    if organization_id is None or memberships_of(user.pk) or open_invitations(user.email):
        return None
    with tenant_scope(organization_id):
        organization = Organization.objects.filter(pk=organization_id).first()
        if organization is None or organization.is_suspended or organization.is_being_deleted:
            logger.warning("the default organization %s takes no members; %s joined nothing", organization_id, user.pk)
            return None
        role = builtin_role(BuiltinRole(settings.default_role))
        project = Project.objects.filter(pk=settings.default_project_id).first()
        membership = add_member(
            organization=organization,
            user=user,
            role=builtin_role(BuiltinRole.NONE) if project else role,
            source=Source.DEFAULT,
            actor=SYSTEM,
        )
        if project:
            set_project_role(membership=membership, project=project, role=role, actor=SYSTEM, source=Source.DEFAULT)
        return membership
