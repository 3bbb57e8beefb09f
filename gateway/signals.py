"""What happened to the LLM auth proxy; `audit_events.py` ties each signal to an action of the audit log."""

from audit.signals import ChangeSignal

signing_key_published = ChangeSignal()
signing_key_used = ChangeSignal()
signing_key_retired = ChangeSignal()
signing_key_withdrawn = ChangeSignal()
signing_key_revoked = ChangeSignal()
signing_key_rewrapped = ChangeSignal()

proxy_settings_updated = ChangeSignal()

token_issued = ChangeSignal()
tokens_revoked = ChangeSignal()

provider_credential_created = ChangeSignal()
provider_credential_updated = ChangeSignal()
provider_credential_rotated = ChangeSignal()
provider_credential_put_back = ChangeSignal()
provider_credential_former_forgotten = ChangeSignal()
provider_credential_enabled = ChangeSignal()
provider_credential_disabled = ChangeSignal()
provider_credential_tested = ChangeSignal()
provider_credential_deleted = ChangeSignal()
usage_limit_created = ChangeSignal()
usage_limit_updated = ChangeSignal()
usage_limit_deleted = ChangeSignal()
usage_limit_reached = ChangeSignal()
usage_exported = ChangeSignal()
price_added = ChangeSignal()
price_deleted = ChangeSignal()
