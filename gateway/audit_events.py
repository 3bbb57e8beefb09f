"""The audited actions of this app: the LLM auth proxy."""

from audit.recorder import records

from . import signals

records(signals.signing_key_published, "signing_key.published", "Published a signing key")
records(signals.signing_key_used, "signing_key.used", "Let a signing key sign tokens")
records(signals.signing_key_retired, "signing_key.retired", "Let a signing key sign no more")
records(signals.signing_key_withdrawn, "signing_key.withdrawn", "Withdrew a signing key")
records(signals.signing_key_revoked, "signing_key.revoked", "Revoked a signing key")
records(signals.signing_key_rewrapped, "signing_key.rewrapped", "Wrapped a signing key anew")

records(
    signals.proxy_settings_updated,
    "llm_proxy.updated",
    "Changed the LLM auth proxy",
    "changed the settings of the LLM auth proxy",
)

records(signals.token_issued, "access_token.issued", "Got an access token", "got an access token for {target}")
records(signals.tokens_revoked, "access_token.revoked", "Revoked access tokens", "revoked access tokens: {target}")
