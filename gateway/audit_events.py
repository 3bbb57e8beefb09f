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

records(signals.usage_limit_created, "usage_limit.created", "Created a usage limit", "created the usage limit {target}")
records(signals.usage_limit_updated, "usage_limit.updated", "Changed a usage limit", "changed the usage limit {target}")
records(signals.usage_limit_deleted, "usage_limit.deleted", "Deleted a usage limit", "deleted the usage limit {target}")
records(
    signals.usage_limit_reached, "usage_limit.reached", "Saw a usage limit reached", "saw a limit reached: {target}"
)
records(
    signals.usage_exported, "usage.exported", "Downloaded usage figures", "downloaded the usage figures of {target}"
)
records(signals.price_added, "price.added", "Added a model's price", "added a price of {target}")
records(signals.price_deleted, "price.deleted", "Deleted a model's price", "deleted a price of {target}")
