"""What happened to people; `audit_events.py` ties each signal to an action of the audit log."""

from audit.signals import ChangeSignal

user_created = ChangeSignal()
user_updated = ChangeSignal()
user_deactivated = ChangeSignal()
user_reactivated = ChangeSignal()
user_password_changed = ChangeSignal()
user_email_verified = ChangeSignal()
user_deleted = ChangeSignal()
user_email_added = ChangeSignal()
user_email_removed = ChangeSignal()
