"""The audited actions of this app. Names are for ever: programs filter by them."""

from audit import directory
from audit.recorder import records

from . import audit_sources, past_readers, signals  # noqa: F401 - registers what the viewer asks
from .audit_directory import TenantDirectory

directory.register(TenantDirectory())

records(signals.organization_created, "organization.created", "Created the organization")
records(signals.organization_updated, "organization.updated", "Changed the organization's settings")
records(signals.organization_suspended, "organization.suspended", "Suspended the organization")
records(signals.organization_resumed, "organization.resumed", "Lifted the organization's suspension")
records(
    signals.organization_deletion_requested, "organization.deletion_requested", "Scheduled the organization's deletion"
)
records(signals.organization_restored, "organization.restored", "Called off the organization's deletion")
records(signals.organization_purged, "organization.purged", "Deleted the organization for good")

records(signals.project_created, "project.created", "Created a project", "created the project {target}")
records(signals.project_updated, "project.updated", "Changed a project")
records(
    signals.project_deletion_requested,
    "project.deletion_requested",
    "Scheduled a project's deletion",
    "scheduled the deletion of the project {target}",
)
records(signals.project_restored, "project.restored", "Called off a project's deletion")
records(signals.project_purged, "project.purged", "Deleted a project for good")
records(signals.project_transferred_away, "project.transferred_away", "Moved a project to another organization")
records(signals.project_transferred_here, "project.transferred_here", "Took over a project from another organization")

records(signals.role_created, "role.created", "Created a role", "created the role {target}")
records(signals.role_updated, "role.updated", "Changed a role")
records(signals.role_deleted, "role.deleted", "Deleted a role", "deleted the role {target}")

records(signals.member_added, "member.added", "Added a member", "added {target} with the role {after.role}")
records(
    signals.member_role_changed,
    "member.role_changed",
    "Changed a member's role",
    "gave {target} the role {after.role}, which was {before.role}",
)
records(
    signals.owner_kept,
    "member.owner_kept",
    "Left an owner in place",
    "left {target} an owner, whom it names no more",
)
records(signals.member_deactivated, "member.deactivated", "Deactivated a member", "deactivated the member {target}")
records(signals.member_reactivated, "member.reactivated", "Reactivated a member", "reactivated the member {target}")
records(signals.member_removed, "member.removed", "Removed a member", "removed {target} from the organization")
records(signals.member_left, "member.left", "Left the organization")
records(signals.member_handed_over, "member.handed_over", "Handed a member over to the identity provider")
records(signals.member_released, "member.released", "Manages a member by hand again")

records(signals.project_role_set, "project_role.set", "Set a member's role in a project")
records(signals.project_role_removed, "project_role.removed", "Removed a member's role in a project")

records(signals.group_created, "group.created", "Created a group", "created the group {target}")
records(signals.group_updated, "group.updated", "Changed a group")
records(signals.group_deleted, "group.deleted", "Deleted a group", "deleted the group {target}")
records(signals.group_handed_over, "group.handed_over", "Handed a group over to the identity provider")
records(signals.group_released, "group.released", "Manages a group by hand again")
records(
    signals.group_member_added,
    "group.member_added",
    "Added a member to a group",
    "put {after.membership} into the group {after.group}",
)
records(
    signals.group_member_removed,
    "group.member_removed",
    "Removed a member from a group",
    "took {before.membership} out of the group {before.group}",
)
records(signals.group_role_set, "group.role_set", "Set a group's role")
records(signals.group_role_removed, "group.role_removed", "Removed a group's role")

records(signals.invitation_sent, "invitation.sent", "Invited somebody", "invited {target} as {after.role}")
records(signals.invitation_resent, "invitation.resent", "Sent an invitation again")
records(signals.invitation_revoked, "invitation.revoked", "Revoked an invitation", "revoked the invitation of {target}")
records(signals.invitation_accepted, "invitation.accepted", "Accepted an invitation")

records(signals.domain_claimed, "domain.claimed", "Added a domain")
records(signals.domain_verified, "domain.verified", "Verified a domain", "verified the domain {target}")
records(signals.domain_failing, "domain.failing", "Found a domain's record missing")
records(signals.domain_recovered, "domain.recovered", "Found a domain's record again")
records(signals.domain_lost, "domain.lost", "Took a domain's verification back")
records(signals.domain_removed, "domain.removed", "Removed a domain")

records(signals.exception_granted, "exception.granted", "Granted an exception")
records(signals.exception_revoked, "exception.revoked", "Revoked an exception")

records(signals.support_entered, "support.entered", "Entered the organization as an operator")
records(signals.support_left, "support.left", "Left the organization as an operator")

records(signals.installation_settings_updated, "installation.updated", "Changed the installation's settings")
