"""The audited actions of this app: logins, service accounts, keys, provisioning, and signing in and out."""

from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.models import SsoConnection, User
from audit.catalogue import Action, catalogue
from audit.models import Outcome
from audit.recorder import record, records
from isolation.actor import ANONYMOUS, Actor
from isolation.scope import tenant_scope
from tenants.lookups import memberships_of

from . import audit_sources, past_readers, signals  # noqa: F401 - registers what the viewer asks

records(signals.user_created, "user.created", "Created a login")
records(signals.user_updated, "user.updated", "Changed a login")
records(signals.user_deactivated, "user.deactivated", "Deactivated a login")
records(signals.user_reactivated, "user.reactivated", "Reactivated a login")
records(signals.user_password_changed, "user.password_changed", "Changed their password")
records(signals.user_email_verified, "user.email_verified", "Confirmed their e-mail address")
records(signals.user_deleted, "user.deleted", "Deleted a login")
records(signals.user_email_added, "user.email_added", "Added an e-mail address")
records(signals.user_email_removed, "user.email_removed", "Removed an e-mail address")
records(signals.user_sessions_ended, "user.sessions_ended", "Ended sessions")
records(signals.user_device_added, "user.device_added", "Signed in with a new browser")
records(signals.user_device_forgotten, "user.device_forgotten", "Forgot a browser")
records(signals.member_sessions_ended, "member.sessions_ended", "Ended a member's sessions in this organization")

records(signals.second_factor_added, "second_factor.added", "Added a second factor")
records(signals.second_factor_renamed, "second_factor.renamed", "Renamed a passkey")
records(signals.second_factor_removed, "second_factor.removed", "Removed a second factor")
records(signals.second_factors_reset, "second_factor.reset", "Removed all of somebody's second factors")
records(signals.recovery_codes_made, "recovery_codes.made", "Made recovery codes")
records(signals.recovery_codes_shown, "recovery_codes.shown", "Saw their recovery codes")
records(signals.recovery_code_used, "recovery_codes.used", "Used a recovery code")

records(
    signals.service_account_created,
    "service_account.created",
    "Created a service account",
    "created the service account {target}",
)
records(signals.service_account_updated, "service_account.updated", "Changed a service account")
records(
    signals.service_account_deleted,
    "service_account.deleted",
    "Deleted a service account",
    "deleted the service account {target}",
)
records(
    signals.service_account_project_role_set,
    "service_account.project_role_set",
    "Set a service account's role in a project",
)
records(
    signals.service_account_project_role_removed,
    "service_account.project_role_removed",
    "Removed a service account's role in a project",
)

records(signals.api_key_created, "api_key.created", "Created an API key", "created the API key {target}")
records(signals.api_key_updated, "api_key.updated", "Changed an API key")
records(signals.api_key_rotated, "api_key.rotated", "Rotated an API key", "rotated the API key {target}")
records(signals.api_key_revoked, "api_key.revoked", "Revoked an API key", "revoked the API key {target}")
records(signals.api_key_leaked, "api_key.leaked", "Revoked a leaked API key")

records(signals.scim_connection_created, "scim_connection.created", "Created a SCIM connection")
records(signals.scim_connection_updated, "scim_connection.updated", "Changed a SCIM connection")
records(signals.scim_connection_deleted, "scim_connection.deleted", "Deleted a SCIM connection")
records(signals.scim_token_created, "scim_token.created", "Created a SCIM token")
records(signals.scim_token_revoked, "scim_token.revoked", "Revoked a SCIM token")
records(signals.scim_token_leaked, "scim_token.leaked", "Revoked a leaked SCIM token")
records(signals.provisioned_user_created, "provisioned_user.created", "Provisioned a user")
records(signals.provisioned_user_updated, "provisioned_user.updated", "Changed a provisioned user")
records(signals.provisioned_user_joined, "provisioned_user.joined", "A provisioned user joined")
records(signals.provisioned_user_deleted, "provisioned_user.deleted", "Deprovisioned a user")
records(signals.provisioned_user_released, "provisioned_user.released", "Stopped provisioning a user")
records(signals.provisioned_group_created, "provisioned_group.created", "Provisioned a group")
records(signals.provisioned_group_updated, "provisioned_group.updated", "Changed a provisioned group")
records(signals.provisioned_group_released, "provisioned_group.released", "Stopped provisioning a group")

records(signals.social_identity_linked, "social_identity.linked", "Connected a social account")
records(signals.social_identity_unlinked, "social_identity.unlinked", "Disconnected a social account")

records(signals.sso_connection_created, "sso_connection.created", "Created a single sign-on connection")
records(signals.sso_connection_updated, "sso_connection.updated", "Changed a single sign-on connection")
records(
    signals.sso_connection_enabled,
    "sso_connection.enabled",
    "Switched single sign-on on",
    "switched single sign-on on for {target}",
)
records(
    signals.sso_connection_disabled,
    "sso_connection.disabled",
    "Switched single sign-on off",
    "switched single sign-on off for {target}",
)
records(signals.sso_connection_deleted, "sso_connection.deleted", "Deleted a single sign-on connection")
records(signals.sso_metadata_changed, "sso_connection.metadata_changed", "The identity provider changed its metadata")
records(
    signals.sso_certificate_expires, "sso_connection.certificate_expires", "A single sign-on certificate expires soon"
)
records(signals.saml_key_added, "saml_key.added", "Added a SAML key")
records(signals.saml_key_used, "saml_key.used", "Let another SAML key sign")
records(signals.saml_key_rested, "saml_key.disabled", "Let a SAML key sign no more")
records(signals.saml_key_removed, "saml_key.removed", "Removed a SAML key")
records(signals.sso_session_ended, "sso_session.ended", "The identity provider signed somebody out")
records(signals.sso_group_mapping_added, "sso_group_mapping.added", "Let a group follow a claim")
records(signals.sso_group_mapping_removed, "sso_group_mapping.removed", "Let a group follow a claim no more")
records(signals.sso_owners_allowed, "sso_connection.owners_allowed", "Let an identity provider make people owners")
records(
    signals.sso_owners_ended, "sso_connection.owners_ended", "Let an identity provider make nobody an owner any more"
)
records(signals.sso_identity_linked, "sso_identity.linked", "Tied a member to their identity")
records(signals.sso_identity_unlinked, "sso_identity.unlinked", "Forgot a member's identity")
records(signals.sso_sessions_ended, "sso.sessions_ended", "Ended sessions: signed out at the identity provider")

records(signals.sso_setup_link_created, "sso_setup_link.created", "Invited somebody to set up single sign-on")
records(signals.sso_setup_link_opened, "sso_setup_link.opened", "Opened a set-up link")
records(signals.sso_setup_link_finished, "sso_setup_link.finished", "Finished setting up single sign-on")
records(signals.sso_setup_link_revoked, "sso_setup_link.revoked", "Revoked a set-up link")

records(signals.sign_in_policy_updated, "sign_in_policy.updated", "Changed the sign-in policy")
records(signals.sign_in_exception_added, "sign_in_exception.added", "Excepted a member from single sign-on")
records(signals.sign_in_exception_removed, "sign_in_exception.removed", "Held a member to single sign-on again")
records(signals.break_glass_used, "sign_in_policy.break_glass_used", "Came in by break-glass, without single sign-on")

records(signals.platform_key_created, "platform_key.created", "Created a platform key")
records(signals.platform_key_updated, "platform_key.updated", "Changed a platform key")
records(signals.platform_key_rotated, "platform_key.rotated", "Rotated a platform key")
records(signals.platform_key_revoked, "platform_key.revoked", "Revoked a platform key")

SIGNED_IN = catalogue.add(Action("user.signed_in", "Signed in"))
SIGN_IN_FAILED = catalogue.add(Action("user.sign_in_failed", "Failed to sign in"))
SIGNED_OUT = catalogue.add(Action("user.signed_out", "Signed out"))
SSO_REFUSED = catalogue.add(Action("sso.sign_in_refused", "Was refused single sign-on"))
SSO_LOGOUT_REFUSED = catalogue.add(Action("sso.logout_refused", "Was refused to end sessions of single sign-on"))
SOCIAL_REFUSED = catalogue.add(Action("social.sign_in_refused", "Was refused a sign-in with a social account"))
REAUTHENTICATED = catalogue.add(Action("user.reauthenticated", "Confirmed who they are"))


@transaction.atomic
def record_presence(
    action: Action,
    *,
    actor: Actor,
    user: User | None,
    typed_email: str = "",
    after: dict[str, Any] | None = None,
    outcome: Outcome = Outcome.SUCCESS,
    reason: str = "",
    only_organization: UUID | None = None,
) -> None:
    """Write that somebody came, tried to, or left: in the installation's log and in each of their organizations' logs.

    Args:
        action: one of this module's.
        actor: who; anonymous for a failed sign-in, because nobody was recognized.
        user: the login it is about, None for an address without one.
        typed_email: what was typed, when there is no login.
        after: what else there is to say, such as by which methods.
        outcome: success or failed.
        reason: why it failed, or how they came.
        only_organization: the one organization that the session reaches; None: all of theirs.
    """
    organizations: list[UUID | None] = [None]
    if only_organization is not None:
        organizations.append(only_organization)
    elif user is not None:
        organizations += [summary.organization_id for summary in memberships_of(user.pk) if summary.is_active]
    for organization_id in organizations:
        write = partial(
            record,
            action,
            actor=actor,
            organization_id=organization_id,
            outcome=outcome,
            target_type=str(User._meta.verbose_name),
            target_id=str(user.pk) if user else "",
            target_label=user.email if user else typed_email,
            after=after,
            reason=reason,
        )
        if organization_id is None:
            write()
        else:
            with tenant_scope(organization_id):
                write()


def record_refused_sso(connection: SsoConnection, *, who: str, reason: str, action: Action = SSO_REFUSED) -> None:
    """Write that an organization's identity provider let nobody in; the connection's scope must be open.

    Args:
        connection: through which connection.
        who: the e-mail address or subject that it named, "" for none.
        reason: what did not hold.
        action: what was refused.
    """
    record(
        action,
        actor=ANONYMOUS,
        organization_id=connection.organization_id,
        outcome=Outcome.FAILED,
        target_type=str(connection._meta.verbose_name),
        target_id=str(connection.pk),
        target_label=str(connection),
        after={"who": who} if who else {},
        reason=reason,
    )


def record_refused_social(provider: str, *, who: str, reason: str) -> None:
    """Write, in the installation's log, that a social provider let nobody in.

    Args:
        provider: what people read.
        who: the address or account that it named, "" for none.
        reason: what did not hold.
    """
    record(
        SOCIAL_REFUSED,
        actor=ANONYMOUS,
        outcome=Outcome.FAILED,
        target_type="social provider",
        target_label=provider,
        after={"who": who} if who else {},
        reason=reason,
    )
