"""The LLM auth proxy, in both consoles."""

from console.sites import tenant_site

from . import prices  # noqa: F401 - registers itself
from .usage import UsagePages
from .usage_limits import UsageLimitPages

UsagePages(tenant_site).add_pages()
UsageLimitPages(tenant_site).add_pages()
