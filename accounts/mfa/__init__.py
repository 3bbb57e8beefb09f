"""Second factors and passkeys by allauth, with their secrets in the vault and their changes in the audit log."""
