"""The audited actions of this app itself."""

from vault import signals as vault

from .catalogue import Action, catalogue
from .recorder import attribute_to_data_key, records

AUDIT_LOG_EXPORTED = catalogue.add(Action("audit_log.exported", "Exported the audit log"))

# The vault lies below this app, so that its data keys are governed from here.
records(vault.data_key_created, "data_key.created", "Made the organization's first data key")
records(vault.data_keys_rewrapped, "data_key.rewrapped", "Wrapped the data keys under another key-encryption key")
records(vault.data_key_rotated, "data_key.rotated", "Changed the data key and encrypted all secrets again")
records(vault.data_key_destroyed, "data_key.destroyed", "Destroyed a data key")
vault.rows_reencrypted.connect(attribute_to_data_key, dispatch_uid="audit:rows_reencrypted")
