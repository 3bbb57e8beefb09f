"""What the log tells of its own sealing and verification."""

from audit.catalogue import Action, catalogue

KEY_CREATED = catalogue.add(Action("audit_key.created", "Made the key that signs the audit log"))
KEY_ROTATED = catalogue.add(Action("audit_key.rotated", "Changed the key that signs the audit log"))
VERIFICATION_FAILED = catalogue.add(Action("audit_log.verification_failed", "Found the audit log altered"))
VERIFICATION_PASSED = catalogue.add(Action("audit_log.verification_passed", "Found the audit log in order again"))
