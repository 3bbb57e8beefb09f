"""The current tenant and actor, scopes, and row-level security."""
