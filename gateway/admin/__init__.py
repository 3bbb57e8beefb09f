"""The console pages about the LLM auth proxy, one module for each noun."""

from . import credential_buttons, credentials, proxy_settings, signing_keys, tokens

__all__ = ["credential_buttons", "credentials", "proxy_settings", "signing_keys", "tokens"]
