"""The console pages about the LLM auth proxy, one module for each noun."""

from . import proxy_settings, signing_keys, tokens

__all__ = ["proxy_settings", "signing_keys", "tokens"]
