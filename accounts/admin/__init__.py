"""The console pages about people, service accounts, keys and provisioning, one module for each noun."""

from . import (
    api_keys,
    key_figures,
    member_sessions,
    platform_keys,
    project_keys,
    provisioned,
    provisioned_rows,
    provisioning,
    provisioning_drift,
    scim_requests,
    scim_tokens,
    service_accounts,
    sso_connections,
    sso_identities,
    sso_logins,
    users,
)

__all__ = [
    "api_keys",
    "key_figures",
    "member_sessions",
    "platform_keys",
    "project_keys",
    "provisioned",
    "provisioned_rows",
    "provisioning",
    "provisioning_drift",
    "scim_requests",
    "scim_tokens",
    "service_accounts",
    "sso_connections",
    "sso_identities",
    "sso_logins",
    "users",
]
