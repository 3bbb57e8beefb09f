"""Which class and activity of OCSF each action of the catalogue is.

Actions about people's access are named one by one; everything else that is made, changed and deleted is of *Entity
Management*, by the verb after the dot. A test fails for an action that neither covers.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Class:
    """A class of the schema.

    Attributes:
        uid: its number.
        name: its caption.
        category: the number of its category.
        category_name: that one's caption.
        activities: captions by number.
    """

    uid: int
    name: str
    category: int
    category_name: str
    activities: dict[int, str]


@dataclass(frozen=True, slots=True)
class Kind:
    """What an action is in OCSF: class, activity."""

    of: Class
    activity: int
    activity_name: str


OTHER = 99
_IAM = (3, "Identity & Access Management")
_APPLICATION = (6, "Application Activity")

ACCOUNT_CHANGE = Class(
    3001,
    "Account Change",
    *_IAM,
    {
        1: "Create",
        2: "Enable",
        3: "Password Change",
        4: "Password Reset",
        5: "Disable",
        6: "Delete",
        7: "Attach Policy",
        8: "Detach Policy",
        9: "Lock",
        10: "MFA Factor Enable",
        11: "MFA Factor Disable",
        12: "Unlock",
        OTHER: "Other",
    },
)
AUTHENTICATION = Class(
    3002,
    "Authentication",
    *_IAM,
    {1: "Logon", 2: "Logoff", 6: "Preauth", 7: "Account Switch", OTHER: "Other"},
)
ENTITY_MANAGEMENT = Class(
    3004,
    "Entity Management",
    *_IAM,
    {
        1: "Create",
        2: "Read",
        3: "Update",
        4: "Delete",
        5: "Move",
        6: "Enroll",
        7: "Unenroll",
        8: "Enable",
        9: "Disable",
        10: "Activate",
        11: "Deactivate",
        12: "Suspend",
        13: "Resume",
        OTHER: "Other",
    },
)
USER_ACCESS = Class(
    3005, "User Access Management", *_IAM, {1: "Assign Privileges", 2: "Revoke Privileges", OTHER: "Other"}
)
GROUP_MANAGEMENT = Class(
    3006,
    "Group Management",
    *_IAM,
    {
        1: "Assign Privileges",
        2: "Revoke Privileges",
        3: "Add User",
        4: "Remove User",
        5: "Delete",
        6: "Create",
        OTHER: "Other",
    },
)
API_ACTIVITY = Class(
    6003, "API Activity", *_APPLICATION, {1: "Create", 2: "Read", 3: "Update", 4: "Delete", OTHER: "Other"}
)

_NAMED: dict[str, tuple[Class, int]] = {
    "access.denied": (API_ACTIVITY, OTHER),
    "access_token.issued": (AUTHENTICATION, OTHER),
    "access_token.revoked": (AUTHENTICATION, OTHER),
    "llm_request.denied": (API_ACTIVITY, OTHER),
    "audit_log.exported": (API_ACTIVITY, 2),
    "audit_log.pulled": (API_ACTIVITY, 2),
    "evidence_export.downloaded": (API_ACTIVITY, 2),
    "exception.granted": (USER_ACCESS, 1),
    "exception.revoked": (USER_ACCESS, 2),
    "group.created": (GROUP_MANAGEMENT, 6),
    "group.deleted": (GROUP_MANAGEMENT, 5),
    "group.handed_over": (GROUP_MANAGEMENT, OTHER),
    "group.member_added": (GROUP_MANAGEMENT, 3),
    "group.member_removed": (GROUP_MANAGEMENT, 4),
    "group.released": (GROUP_MANAGEMENT, OTHER),
    "group.role_removed": (GROUP_MANAGEMENT, 2),
    "group.role_set": (GROUP_MANAGEMENT, 1),
    "group.updated": (GROUP_MANAGEMENT, OTHER),
    "invitation.accepted": (USER_ACCESS, 1),
    "member.added": (USER_ACCESS, 1),
    "member.deactivated": (ACCOUNT_CHANGE, 5),
    "member.handed_over": (ACCOUNT_CHANGE, OTHER),
    "member.left": (USER_ACCESS, 2),
    "member.owner_kept": (ACCOUNT_CHANGE, OTHER),
    "member.reactivated": (ACCOUNT_CHANGE, 2),
    "member.released": (ACCOUNT_CHANGE, OTHER),
    "member.removed": (USER_ACCESS, 2),
    "member.role_changed": (USER_ACCESS, 1),
    "member.sessions_ended": (AUTHENTICATION, 2),
    "operator.scope_entered": (API_ACTIVITY, 2),
    "project_role.removed": (USER_ACCESS, 2),
    "project_role.set": (USER_ACCESS, 1),
    "provisioned_group.created": (GROUP_MANAGEMENT, 6),
    "provisioned_group.released": (GROUP_MANAGEMENT, OTHER),
    "provisioned_group.updated": (GROUP_MANAGEMENT, OTHER),
    "provisioned_user.created": (ACCOUNT_CHANGE, 1),
    "provisioned_user.deleted": (ACCOUNT_CHANGE, 6),
    "provisioned_user.joined": (ACCOUNT_CHANGE, 2),
    "provisioned_user.released": (ACCOUNT_CHANGE, OTHER),
    "provisioned_user.updated": (ACCOUNT_CHANGE, OTHER),
    "recovery_codes.made": (ACCOUNT_CHANGE, OTHER),
    "recovery_codes.shown": (ACCOUNT_CHANGE, OTHER),
    "recovery_codes.used": (AUTHENTICATION, OTHER),
    "second_factor.added": (ACCOUNT_CHANGE, 10),
    "second_factor.removed": (ACCOUNT_CHANGE, 11),
    "second_factor.renamed": (ACCOUNT_CHANGE, OTHER),
    "second_factor.reset": (ACCOUNT_CHANGE, 11),
    "service_account.created": (ACCOUNT_CHANGE, 1),
    "service_account.deleted": (ACCOUNT_CHANGE, 6),
    "service_account.project_role_removed": (USER_ACCESS, 2),
    "service_account.project_role_set": (USER_ACCESS, 1),
    "service_account.updated": (ACCOUNT_CHANGE, OTHER),
    "sign_in_exception.added": (ACCOUNT_CHANGE, 8),
    "sign_in_exception.removed": (ACCOUNT_CHANGE, 7),
    "sign_in_policy.break_glass_used": (AUTHENTICATION, 1),
    "social.sign_in_refused": (AUTHENTICATION, 1),
    "sso.logout_refused": (AUTHENTICATION, 2),
    "sso.sessions_ended": (AUTHENTICATION, 2),
    "sso.sign_in_refused": (AUTHENTICATION, 1),
    "sso_session.ended": (AUTHENTICATION, 2),
    "support.entered": (AUTHENTICATION, 7),
    "support.left": (AUTHENTICATION, 2),
    "usage.exported": (API_ACTIVITY, 2),
    "usage_limit.reached": (API_ACTIVITY, OTHER),
    "user.created": (ACCOUNT_CHANGE, 1),
    "user.deactivated": (ACCOUNT_CHANGE, 5),
    "user.deleted": (ACCOUNT_CHANGE, 6),
    "user.device_added": (AUTHENTICATION, OTHER),
    "user.device_forgotten": (ACCOUNT_CHANGE, OTHER),
    "user.email_added": (ACCOUNT_CHANGE, OTHER),
    "user.email_removed": (ACCOUNT_CHANGE, OTHER),
    "user.email_verified": (ACCOUNT_CHANGE, OTHER),
    "user.password_changed": (ACCOUNT_CHANGE, 3),
    "user.reactivated": (ACCOUNT_CHANGE, 2),
    "user.reauthenticated": (AUTHENTICATION, OTHER),
    "user.sessions_ended": (AUTHENTICATION, 2),
    "user.sign_in_failed": (AUTHENTICATION, 1),
    "user.signed_in": (AUTHENTICATION, 1),
    "user.signed_out": (AUTHENTICATION, 2),
    "user.updated": (ACCOUNT_CHANGE, OTHER),
}

_BY_NAME_ONLY = frozenset(name.partition(".")[0] for name in _NAMED) - {
    "audit_log",
    "evidence_export",
    "invitation",
    "sign_in_policy",
    "usage_limit",
}
"""What these actions are about is no entity: each is named above."""

_VERBS = {
    "acknowledged": 3,
    "added": 1,
    "announced": 3,
    "canceled": 4,
    "cancelled": 4,
    "carried_out": 4,
    "certificate_expires": OTHER,
    "changed": 3,
    "claimed": 1,
    "completed": 3,
    "created": 1,
    "dead_letters_dismissed": 3,
    "dead_letters_retried": 3,
    "deleted": 4,
    "deletion_requested": 3,
    "destroyed": 4,
    "disabled": 9,
    "enabled": 8,
    "expired": 4,
    "failed": OTHER,
    "failing": OTHER,
    "finished": 3,
    "former_forgotten": 4,
    "found": OTHER,
    "leaked": 4,
    "linked": 6,
    "lost": 11,
    "metadata_changed": 3,
    "missed_events": OTHER,
    "muted": 12,
    "opened": 2,
    "partition_dropped": 4,
    "owners_allowed": 3,
    "owners_ended": 3,
    "paused": 12,
    "purged": 4,
    "published": 1,
    "put_back": 3,
    "raised": 1,
    "recovered": 10,
    "reencrypted": 3,
    "refused": OTHER,
    "released": 4,
    "removed": 4,
    "replayed": 3,
    "requested": 1,
    "resent": 3,
    "reset": 3,
    "restored": 13,
    "resumed": 13,
    "retired": 4,
    "revoked": 4,
    "rewrapped": 3,
    "rotated": 3,
    "secret_rotated": 3,
    "sent": 1,
    "set": 1,
    "suspended": 12,
    "tested": 2,
    "transferred_away": 5,
    "transferred_here": 5,
    "unlinked": 7,
    "unmuted": 13,
    "updated": 3,
    "used": 3,
    "verification_failed": OTHER,
    "verification_passed": OTHER,
    "verified": 10,
    "withdrawn": 4,
}

_INFORMATIONAL, _LOW, _MEDIUM, _HIGH, _CRITICAL = (
    (1, "Informational"),
    (2, "Low"),
    (3, "Medium"),
    (4, "High"),
    (5, "Critical"),
)
_SEVERITIES = {
    "api_key.leaked": _HIGH,
    "alert.raised": _MEDIUM,
    "audit_log.verification_failed": _CRITICAL,
    "domain.lost": _MEDIUM,
    "scim_token.leaked": _HIGH,
    "second_factor.reset": _MEDIUM,
    "sign_in_policy.break_glass_used": _HIGH,
    "sink.failing": _MEDIUM,
    "sink.missed_events": _MEDIUM,
    "support.entered": _MEDIUM,
    "unattributed_change.found": _HIGH,
    "witnessed_log.refused": _CRITICAL,
}


def kind_of(action: str) -> Kind | None:
    """Return what an action is in OCSF; None when nothing here says it."""
    if action in _NAMED:
        one, activity = _NAMED[action]
        return Kind(one, activity, one.activities[activity])
    resource, _, verb = action.partition(".")
    if resource in _BY_NAME_ONLY or verb not in _VERBS:
        return None
    return Kind(ENTITY_MANAGEMENT, _VERBS[verb], ENTITY_MANAGEMENT.activities[_VERBS[verb]])


def severity_of(action: str, outcome: str) -> tuple[int, str]:
    """Return (number, caption) of how much an event matters."""
    if action in _SEVERITIES:
        return _SEVERITIES[action]
    return _INFORMATIONAL if outcome == "success" else _LOW
