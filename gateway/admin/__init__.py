"""The console pages about the LLM auth proxy, one module for each noun."""

from console.sites import tenant_site

from . import credential_buttons, credentials, prices, proxy_settings, signing_keys, tokens
from .usage import UsagePages
from .usage_limits import UsageLimitPages

UsagePages(tenant_site).add_pages()
UsageLimitPages(tenant_site).add_pages()

__all__ = ["credential_buttons", "credentials", "prices", "proxy_settings", "signing_keys", "tokens"]
