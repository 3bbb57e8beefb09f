"""The audited actions of this app itself."""

from .catalogue import Action, catalogue

AUDIT_LOG_EXPORTED = catalogue.add(Action("audit_log.exported", "Exported the audit log"))
