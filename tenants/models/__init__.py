"""What you have: organizations, projects, roles, memberships, groups, invitations."""

from .base import TenantModel
from .domain import Domain, DomainMethod
from .grant import ProjectGroupGrant, ProjectUserGrant
from .group import Group, GroupMember, GroupRole
from .installation import InstallationSettings
from .invitation import Invitation
from .membership import Membership, ProjectMembership, Source
from .organization import Organization
from .project import Environment, Project
from .role import Role

__all__ = [
    "Domain",
    "DomainMethod",
    "Environment",
    "Group",
    "GroupMember",
    "GroupRole",
    "InstallationSettings",
    "Invitation",
    "Membership",
    "Organization",
    "Project",
    "ProjectGroupGrant",
    "ProjectMembership",
    "ProjectUserGrant",
    "Role",
    "Source",
    "TenantModel",
]
