"""The console pages about people, service accounts and keys, one module for each noun."""

from . import api_keys, key_figures, platform_keys, project_keys, scim_connections, service_accounts, users

__all__ = ["api_keys", "key_figures", "platform_keys", "project_keys", "scim_connections", "service_accounts", "users"]
