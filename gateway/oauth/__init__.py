"""The OAuth 2.0 endpoints: tokens (RFC 6749, RFC 8693) and their revocation (RFC 7009)."""
