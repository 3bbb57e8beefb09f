"""What happened in an organization; `audit_events.py` ties each signal to an action of the audit log."""

from audit.signals import ChangeSignal

organization_created = ChangeSignal()
organization_updated = ChangeSignal()
organization_suspended = ChangeSignal()
organization_resumed = ChangeSignal()
organization_deletion_requested = ChangeSignal()
organization_restored = ChangeSignal()
organization_purged = ChangeSignal()

project_created = ChangeSignal()
project_updated = ChangeSignal()
project_deletion_requested = ChangeSignal()
project_restored = ChangeSignal()
project_purged = ChangeSignal()
project_transferred_away = ChangeSignal()
project_transferred_here = ChangeSignal()

role_created = ChangeSignal()
role_updated = ChangeSignal()
role_deleted = ChangeSignal()

member_added = ChangeSignal()
member_role_changed = ChangeSignal()
owner_kept = ChangeSignal()
member_deactivated = ChangeSignal()
member_reactivated = ChangeSignal()
member_removed = ChangeSignal()
member_left = ChangeSignal()
member_handed_over = ChangeSignal()
member_released = ChangeSignal()

project_role_set = ChangeSignal()
project_role_removed = ChangeSignal()

group_created = ChangeSignal()
group_updated = ChangeSignal()
group_deleted = ChangeSignal()
group_handed_over = ChangeSignal()
group_released = ChangeSignal()
group_member_added = ChangeSignal()
group_member_removed = ChangeSignal()
group_role_set = ChangeSignal()
group_role_removed = ChangeSignal()

invitation_sent = ChangeSignal()
invitation_resent = ChangeSignal()
invitation_revoked = ChangeSignal()
invitation_accepted = ChangeSignal()

domain_claimed = ChangeSignal()
domain_verified = ChangeSignal()
domain_failing = ChangeSignal()
domain_recovered = ChangeSignal()
domain_lost = ChangeSignal()
domain_removed = ChangeSignal()

exception_granted = ChangeSignal()
exception_revoked = ChangeSignal()

support_entered = ChangeSignal()
support_left = ChangeSignal()

installation_settings_updated = ChangeSignal()
