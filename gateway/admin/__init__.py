"""The console pages about the LLM auth proxy, one module for each noun."""

from . import (
    credential_buttons,
    credentials,
    prices,
    proxy_settings,
    signing_keys,
    suggestions,
    tokens,
    usage,
    usage_limits,
)

__all__ = [
    "credential_buttons",
    "credentials",
    "prices",
    "proxy_settings",
    "signing_keys",
    "suggestions",
    "tokens",
    "usage",
    "usage_limits",
]
