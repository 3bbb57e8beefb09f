"""The sections of a blueprint, in the order in which entries are made; they are removed in the opposite order."""

from portal.blueprint.changes import Section

from .audit_log import AuditLog
from .domains import Domains
from .groups import GroupMembers, GroupRoles, Groups
from .keys import Keys
from .llm_proxy import LlmProxy
from .members import MemberProjects, Members
from .projects import Projects
from .provider_credentials import ProviderCredentials
from .roles import Roles
from .service_accounts import ServiceAccountProjects, ServiceAccounts
from .settings import Settings
from .sign_in_policy import Exceptions, Policy
from .sinks import Sinks
from .sso_connections import FollowingGroups, SsoConnections
from .sso_setup import SetupLinks
from .usage_limits import UsageLimits

SECTIONS: tuple[type[Section], ...] = (
    Roles,
    Settings,
    Projects,
    Members,
    MemberProjects,
    Groups,
    GroupRoles,
    GroupMembers,
    ServiceAccounts,
    ServiceAccountProjects,
    Keys,
    Domains,
    SsoConnections,
    FollowingGroups,
    SetupLinks,
    Policy,
    Exceptions,
    Sinks,
    AuditLog,
    LlmProxy,
    ProviderCredentials,
    UsageLimits,
)
"""Roles before the settings that name a default one; settings before the projects that their naming pattern binds."""
