"""The audited actions of this app: the LLM auth proxy."""

from audit.catalogue import Action, catalogue
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

records(
    signals.provider_credential_created,
    "provider_credential.created",
    "Added a provider credential",
    "added the provider credential {target}",
)
records(signals.provider_credential_updated, "provider_credential.updated", "Changed a provider credential")
records(
    signals.provider_credential_rotated,
    "provider_credential.rotated",
    "Rotated a provider credential",
    "rotated the provider credential {target}",
)
records(
    signals.provider_credential_put_back,
    "provider_credential.put_back",
    "Put a provider credential's former secret back",
)
records(
    signals.provider_credential_former_forgotten,
    "provider_credential.former_forgotten",
    "Forgot a provider credential's former secret",
)
records(signals.provider_credential_enabled, "provider_credential.enabled", "Let requests use a provider credential")
records(
    signals.provider_credential_disabled, "provider_credential.disabled", "Let no request use a provider credential"
)
records(
    signals.provider_credential_tested,
    "provider_credential.tested",
    "Tested a provider credential",
    "tested the provider credential {target}",
)
records(
    signals.provider_credential_deleted,
    "provider_credential.deleted",
    "Deleted a provider credential",
    "deleted the provider credential {target}",
)
# Written by the gateway's process (`gateway/hotpath/refusals.py`), which has no signals.
catalogue.add(Action("llm_request.denied", "Was refused an LLM request"))
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
