"""Ends keys and service accounts together with what they hang on, in the transaction of that change."""

from typing import Any

from django.dispatch import receiver

from accounts import signals
from accounts.models import ApiKey, ScimConnection, ServiceAccount, ServiceAccountProjectRole, SsoConnection
from audit.redaction import snapshot
from isolation.actor import Actor
from tenants import signals as tenant_signals
from tenants.models import Membership, Organization, Project


@receiver((tenant_signals.member_removed, tenant_signals.member_left), dispatch_uid="accounts:end_personal_keys")
def end_personal_keys(sender: object, *, target: Membership, actor: Actor, **kwargs: Any) -> None:
    """Delete a former member's personal keys, so that coming back does not bring them back."""
    keys = ApiKey.objects.filter(user_id=target.user_id).select_related("user")
    for key in keys:
        if not key.revoked_at:
            signals.api_key_revoked.announce(
                key, actor=actor, before=snapshot(key), reason="The membership of its owner ended"
            )
    keys.delete()


@receiver(tenant_signals.project_transferred_away, dispatch_uid="accounts:end_project_roles")
def end_project_roles(sender: object, *, target: Project, **kwargs: Any) -> None:
    """Take service accounts out of a project that goes to another organization; its own keys go with it."""
    ServiceAccountProjectRole.objects.filter(project=target).delete()


@receiver(tenant_signals.organization_purged, dispatch_uid="accounts:purge")
def purge_what_protects_roles(sender: object, *, target: Organization, **kwargs: Any) -> None:
    """Delete an organization's keys, service accounts and connections, which would hold on to its roles."""
    for model in (ApiKey, ServiceAccount, ScimConnection, SsoConnection):
        model.objects.all().delete()
