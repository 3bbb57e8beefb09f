"""What happened to people, service accounts and keys; `audit_events.py` ties each signal to an audited action."""

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

service_account_created = ChangeSignal()
service_account_updated = ChangeSignal()
service_account_deleted = ChangeSignal()
service_account_project_role_set = ChangeSignal()
service_account_project_role_removed = ChangeSignal()

api_key_created = ChangeSignal()
api_key_updated = ChangeSignal()
api_key_rotated = ChangeSignal()
api_key_revoked = ChangeSignal()
api_key_leaked = ChangeSignal()

platform_key_created = ChangeSignal()
platform_key_updated = ChangeSignal()
platform_key_rotated = ChangeSignal()
platform_key_revoked = ChangeSignal()
