"""The permission catalogue and the built-in roles: the one matrix that checks, screens and docs are drawn from."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from isolation.exceptions import UnknownPermission


class P(StrEnum):
    """Every permission, as ``resource:action``, in alphabetical order."""

    ALERTS_MANAGE = "alerts:manage"
    API_KEYS_INTROSPECT = "api_keys:introspect"
    API_KEYS_MANAGE = "api_keys:manage"
    API_KEYS_READ = "api_keys:read"
    API_KEYS_ROTATE = "api_keys:rotate"
    AUDIT_LOG_EXPORT = "audit_log:export"
    AUDIT_LOG_READ = "audit_log:read"
    AUDIT_RETENTION_MANAGE = "audit_retention:manage"
    AUDIT_RETENTION_READ = "audit_retention:read"
    DASHBOARDS_DELETE = "dashboards:delete"
    DASHBOARDS_READ = "dashboards:read"
    DASHBOARDS_WRITE = "dashboards:write"
    DATASETS_DELETE = "datasets:delete"
    DATASETS_READ = "datasets:read"
    DATASETS_WRITE = "datasets:write"
    DOMAINS_MANAGE = "domains:manage"
    DOMAINS_READ = "domains:read"
    EVALUATIONS_DELETE = "evaluations:delete"
    EVALUATIONS_READ = "evaluations:read"
    EVALUATIONS_WRITE = "evaluations:write"
    GROUPS_MANAGE = "groups:manage"
    GROUPS_READ = "groups:read"
    LLM_INVOKE = "llm:invoke"
    LLM_PROXY_MANAGE = "llm_proxy:manage"
    LLM_PROXY_READ = "llm_proxy:read"
    MEMBERS_INVITE = "members:invite"
    MEMBERS_MANAGE = "members:manage"
    MEMBERS_READ = "members:read"
    ORGANIZATION_DELETE = "organization:delete"
    ORGANIZATION_MANAGE = "organization:manage"
    ORGANIZATION_READ = "organization:read"
    PROJECTS_CREATE = "projects:create"
    PROJECTS_DELETE = "projects:delete"
    PROJECTS_MANAGE = "projects:manage"
    PROJECTS_READ = "projects:read"
    PROJECTS_TRANSFER = "projects:transfer"
    PROMPTS_DELETE = "prompts:delete"
    PROMPTS_READ = "prompts:read"
    PROMPTS_WRITE = "prompts:write"
    PROVIDER_CREDENTIALS_MANAGE = "provider_credentials:manage"
    PROVIDER_CREDENTIALS_READ = "provider_credentials:read"
    ROLES_MANAGE = "roles:manage"
    ROLES_READ = "roles:read"
    SCIM_MANAGE = "scim:manage"
    SCIM_READ = "scim:read"
    SCORES_DELETE = "scores:delete"
    SCORES_READ = "scores:read"
    SCORES_WRITE = "scores:write"
    SERVICE_ACCOUNTS_MANAGE = "service_accounts:manage"
    SERVICE_ACCOUNTS_READ = "service_accounts:read"
    SIGN_IN_POLICY_MANAGE = "sign_in_policy:manage"
    SIGN_IN_POLICY_READ = "sign_in_policy:read"
    SINKS_MANAGE = "sinks:manage"
    SINKS_READ = "sinks:read"
    SSO_MANAGE = "sso:manage"
    SSO_READ = "sso:read"
    TRACES_DELETE = "traces:delete"
    TRACES_READ = "traces:read"
    TRACES_WRITE = "traces:write"
    USAGE_READ = "usage:read"
    USAGE_LIMITS_MANAGE = "usage_limits:manage"


SENSITIVE: frozenset[P] = frozenset(
    {
        P.AUDIT_RETENTION_MANAGE,
        P.DOMAINS_MANAGE,
        P.ORGANIZATION_DELETE,
        P.PROJECTS_DELETE,
        P.PROJECTS_TRANSFER,
        P.PROVIDER_CREDENTIALS_MANAGE,
        P.SCIM_MANAGE,
        P.SIGN_IN_POLICY_MANAGE,
        P.SINKS_MANAGE,
        P.SSO_MANAGE,
    }
)
"""What a session uses only after a fresh sign-in: a stolen cookie would do lasting harm with it."""


class Level(StrEnum):
    """Where a permission is asked: of the organization as a whole, or of one project."""

    ORGANIZATION = "organization"
    PROJECT = "project"


@dataclass(frozen=True, slots=True)
class Permission:
    """A permission as people see it.

    Attributes:
        name: the catalogue name.
        label: a few words.
        help: one sentence: what somebody with it can do.
        level: PROJECT permissions follow the role that somebody has in that project.
    """

    name: P
    label: str
    help: str
    level: Level

    @property
    def resource(self) -> str:
        """Return the part before the colon."""
        return self.name.partition(":")[0]


@dataclass(frozen=True, slots=True)
class PermissionGroup:
    """The permissions of one resource, in the order of the matrix."""

    label: str
    permissions: tuple[Permission, ...]


def _organization(name: P, label: str, help_text: str) -> Permission:
    return Permission(name, label, help_text, Level.ORGANIZATION)


def _project(name: P, label: str, help_text: str) -> Permission:
    return Permission(name, label, help_text, Level.PROJECT)


def _data_plane(label: str, read: P, write: P, delete: P) -> PermissionGroup:
    things = label.lower()
    return PermissionGroup(
        label,
        (
            _project(
                read,
                f"Read {things}",
                f"See the project's {things} in the LLM platform.",
            ),
            _project(
                write,
                f"Write {things}",
                f"Create and change {things} in the LLM platform.",
            ),
            _project(
                delete,
                f"Delete {things}",
                f"Delete {things} in the LLM platform for good.",
            ),
        ),
    )


CATALOGUE: tuple[PermissionGroup, ...] = (
    PermissionGroup(
        "Organization",
        (
            _organization(
                P.ORGANIZATION_READ,
                "See the organization",
                "Open the console and see its name and settings.",
            ),
            _organization(
                P.ORGANIZATION_MANAGE,
                "Change settings",
                "Change name, default role and naming pattern.",
            ),
            _organization(
                P.ORGANIZATION_DELETE,
                "Delete the organization",
                "Schedule its deletion and call that off.",
            ),
        ),
    ),
    PermissionGroup(
        "Members",
        (
            _organization(
                P.MEMBERS_READ,
                "See members",
                "See who belongs here, with which role and why.",
            ),
            _organization(
                P.MEMBERS_INVITE,
                "Invite members",
                "Invite people, resend and revoke invitations.",
            ),
            _organization(
                P.MEMBERS_MANAGE,
                "Manage members",
                "Change roles, deactivate and remove members.",
            ),
        ),
    ),
    PermissionGroup(
        "Groups",
        (
            _organization(
                P.GROUPS_READ,
                "See groups",
                "See groups, their members and their roles.",
            ),
            _organization(
                P.GROUPS_MANAGE,
                "Manage groups",
                "Create groups, choose their members and roles.",
            ),
        ),
    ),
    PermissionGroup(
        "Roles",
        (
            _organization(P.ROLES_READ, "See roles", "See what each role allows."),
            _organization(
                P.ROLES_MANAGE,
                "Manage custom roles",
                "Create, change and delete custom roles.",
            ),
        ),
    ),
    PermissionGroup(
        "Projects",
        (
            _organization(
                P.PROJECTS_CREATE,
                "Create projects",
                "Create projects in the organization.",
            ),
            _project(
                P.PROJECTS_READ,
                "See the project",
                "See that the project exists, and its settings.",
            ),
            _project(
                P.PROJECTS_MANAGE,
                "Manage the project",
                "Change its settings and who has which role in it.",
            ),
            _project(
                P.PROJECTS_TRANSFER,
                "Transfer the project",
                "Move it to another organization, or accept one here.",
            ),
            _project(
                P.PROJECTS_DELETE,
                "Delete the project",
                "Schedule its deletion and call that off.",
            ),
        ),
    ),
    PermissionGroup(
        "API keys",
        (
            _project(
                P.API_KEYS_READ,
                "See API keys",
                "See keys by prefix, never their secret.",
            ),
            _project(
                P.API_KEYS_ROTATE,
                "Rotate API keys",
                "Replace a key's secret by a new one.",
            ),
            _project(P.API_KEYS_MANAGE, "Manage API keys", "Create, change and revoke keys."),
            _project(
                P.API_KEYS_INTROSPECT,
                "Verify API keys",
                "Ask whether a key is valid and what it may do (introspection).",
            ),
        ),
    ),
    PermissionGroup(
        "Service accounts",
        (
            _organization(
                P.SERVICE_ACCOUNTS_READ,
                "See service accounts",
                "See the non-human identities.",
            ),
            _organization(
                P.SERVICE_ACCOUNTS_MANAGE,
                "Manage service accounts",
                "Create, change and delete them.",
            ),
        ),
    ),
    PermissionGroup(
        "Domains",
        (
            _organization(
                P.DOMAINS_READ,
                "See domains",
                "See which domains are the organization's, and how each is proven.",
            ),
            _organization(
                P.DOMAINS_MANAGE,
                "Manage domains",
                "Add, verify and remove domains.",
            ),
        ),
    ),
    PermissionGroup(
        "Single sign-on",
        (
            _organization(
                P.SSO_READ,
                "See single sign-on",
                "See the connections to identity providers.",
            ),
            _organization(
                P.SSO_MANAGE,
                "Manage single sign-on",
                "Connect identity providers, which say who people are: it amounts to being anybody but an owner.",
            ),
        ),
    ),
    PermissionGroup(
        "Sign-in policy",
        (
            _organization(
                P.SIGN_IN_POLICY_READ,
                "See the sign-in policy",
                "See what is asked of people who sign in, and who is excepted.",
            ),
            _organization(
                P.SIGN_IN_POLICY_MANAGE,
                "Change the sign-in policy",
                "Require single sign-on or two steps, limit sessions and networks, choose the break-glass owner.",
            ),
        ),
    ),
    PermissionGroup(
        "SCIM provisioning",
        (
            _organization(
                P.SCIM_READ,
                "See provisioning",
                "See SCIM tokens by prefix, and the last requests.",
            ),
            _organization(
                P.SCIM_MANAGE,
                "Manage provisioning",
                "Create and revoke SCIM tokens, map groups.",
            ),
        ),
    ),
    PermissionGroup(
        "Provider credentials",
        (
            _project(
                P.PROVIDER_CREDENTIALS_READ,
                "See credentials",
                "See which LLM provider credentials exist.",
            ),
            _project(
                P.PROVIDER_CREDENTIALS_MANAGE,
                "Manage credentials",
                "Add, rotate and remove them.",
            ),
        ),
    ),
    PermissionGroup(
        "LLM auth proxy",
        (
            _project(
                P.LLM_INVOKE,
                "Call models",
                "Get tokens for the LLM auth proxy and send requests through it.",
            ),
            _organization(
                P.LLM_PROXY_READ,
                "See the proxy",
                "See its settings and which tokens were issued.",
            ),
            _organization(
                P.LLM_PROXY_MANAGE,
                "Manage the proxy",
                "Turn it on and off, change its settings, revoke tokens.",
            ),
            _project(
                P.USAGE_READ,
                "See usage",
                "See requests, tokens, cost and limits.",
            ),
            _organization(
                P.USAGE_LIMITS_MANAGE,
                "Manage limits",
                "Set rate limits and budgets.",
            ),
        ),
    ),
    PermissionGroup(
        "SIEM sinks",
        (
            _organization(
                P.SINKS_READ,
                "See sinks",
                "See where audit events are delivered, and how well.",
            ),
            _organization(P.SINKS_MANAGE, "Manage sinks", "Add, pause and remove destinations."),
        ),
    ),
    PermissionGroup(
        "Audit log",
        (
            _project(
                P.AUDIT_LOG_READ,
                "Read the audit log",
                "See who did what, when and from where.",
            ),
            _project(
                P.AUDIT_LOG_EXPORT,
                "Export the audit log",
                "Take events away as a file.",
            ),
            _organization(
                P.ALERTS_MANAGE,
                "Manage alerts",
                "Acknowledge alerts, change and mute their rules, choose where they are sent.",
            ),
        ),
    ),
    PermissionGroup(
        "Retention of the audit log",
        (
            _organization(
                P.AUDIT_RETENTION_READ,
                "See retention and holds",
                "See how long events are kept, which legal holds are set, who was erased, and receipts.",
            ),
            _organization(
                P.AUDIT_RETENTION_MANAGE,
                "Manage retention and holds",
                "Change how long events are kept, set and release legal holds, erase people from the log.",
            ),
        ),
    ),
    _data_plane("Traces", P.TRACES_READ, P.TRACES_WRITE, P.TRACES_DELETE),
    _data_plane("Prompts", P.PROMPTS_READ, P.PROMPTS_WRITE, P.PROMPTS_DELETE),
    _data_plane("Datasets", P.DATASETS_READ, P.DATASETS_WRITE, P.DATASETS_DELETE),
    _data_plane("Scores", P.SCORES_READ, P.SCORES_WRITE, P.SCORES_DELETE),
    _data_plane("Evaluations", P.EVALUATIONS_READ, P.EVALUATIONS_WRITE, P.EVALUATIONS_DELETE),
    _data_plane("Dashboards", P.DASHBOARDS_READ, P.DASHBOARDS_WRITE, P.DASHBOARDS_DELETE),
)

PERMISSIONS: dict[P, Permission] = {
    permission.name: permission for group in CATALOGUE for permission in group.permissions
}
ALL: frozenset[P] = frozenset(P)
_DATA_RESOURCES = frozenset({"traces", "prompts", "datasets", "scores", "evaluations", "dashboards"})
DATA_PLANE: tuple[P, ...] = tuple(name for name, p in PERMISSIONS.items() if p.resource in _DATA_RESOURCES)
"""Everything on the LLM platform's own data, in the catalogue's order."""


class BuiltinRole(StrEnum):
    """The roles that every organization has; their permissions are fixed here, not in rows."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"
    AUDITOR = "auditor"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class RoleDefinition:
    """A built-in role as people see it."""

    name: str
    description: str
    permissions: frozenset[P]


_DATA_READ = frozenset(name for name in DATA_PLANE if name.endswith(":read"))
_DATA_WRITE = frozenset(name for name in DATA_PLANE if name.endswith(":write"))
_VIEWER = _DATA_READ | {
    P.ORGANIZATION_READ,
    P.MEMBERS_READ,
    P.GROUPS_READ,
    P.ROLES_READ,
    P.PROJECTS_READ,
}
_MEMBER = (
    _VIEWER
    | _DATA_WRITE
    | {P.API_KEYS_READ, P.LLM_INVOKE, P.PROVIDER_CREDENTIALS_READ, P.SERVICE_ACCOUNTS_READ, P.USAGE_READ}
)

BUILTIN_ROLES: dict[BuiltinRole, RoleDefinition] = {
    BuiltinRole.OWNER: RoleDefinition("Owner", "Everything, deleting the organization included.", ALL),
    BuiltinRole.ADMIN: RoleDefinition(
        "Admin",
        "Everything but deleting the organization, moving projects out of it, changing the sign-in policy and what is "
        "kept of the audit log.",
        ALL - {P.AUDIT_RETENTION_MANAGE, P.ORGANIZATION_DELETE, P.PROJECTS_TRANSFER, P.SIGN_IN_POLICY_MANAGE},
    ),
    BuiltinRole.MEMBER: RoleDefinition("Member", "Works in the projects: reads and writes their data.", _MEMBER),
    BuiltinRole.VIEWER: RoleDefinition("Viewer", "Reads, changes nothing.", _VIEWER),
    BuiltinRole.AUDITOR: RoleDefinition(
        "Auditor",
        "Reads and exports the audit log, and nothing else.",
        frozenset({P.AUDIT_LOG_READ, P.AUDIT_LOG_EXPORT, P.AUDIT_RETENTION_READ}),
    ),
    BuiltinRole.NONE: RoleDefinition(
        "None",
        "Nothing by itself: in a project it hides that project, otherwise access comes by project.",
        frozenset(),
    ),
}

SUPPORT: frozenset[P] = frozenset(name for name in P if name.endswith(":read") and name not in DATA_PLANE)
"""What an operator may do inside a tenant: look at the control plane, never at its LLM data, and change nothing."""


def known(names: Iterable[str]) -> frozenset[P]:
    """Return the names as permissions.

    Raises:
        UnknownPermission: one of them is not in the catalogue.
    """
    found = set()
    for name in names:
        try:
            found.add(P(name))
        except ValueError:
            raise UnknownPermission(name) from None
    return frozenset(found)


def still_known(names: Iterable[str]) -> frozenset[P]:
    """Return the permissions among stored names; one that this version no longer has is ignored."""
    return frozenset(P(name) for name in names if name in PERMISSIONS)


def role_permissions(key: str, *, is_builtin: bool, custom: list[str] | None) -> frozenset[P]:
    """Return what a role row allows: built-in roles by their key, custom ones by their list."""
    if is_builtin:
        return BUILTIN_ROLES[BuiltinRole(key)].permissions
    return still_known(custom or ())
