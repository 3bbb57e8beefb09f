"""The mails about the audit log: what is not as it was sealed, what carries no event, what is kept, sinks, alerts."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.mail import EmailMultiAlternatives

from audit.models import SinkCursor
from audit.reconciliation import Finding
from tenants.grantors import who_holds
from tenants.models import Membership, Organization
from tenants.permissions import P

from .mailing import operators, owners, portal_link, to_each

_FINDINGS_SHOWN = 20


def audit_log_alerts(organization_id: UUID | None, problems: list[str]) -> list[EmailMultiAlternatives]:
    """Return the mails that tell operators, and the owners of the open scope, that an audit log is not what was sealed.

    Args:
        organization_id: whose log, None for the installation's: then operators alone are told.
        problems: what was found, sentences.
    """
    shown = {"problems": problems[:10], "more": max(0, len(problems) - 10)}
    told = operators()
    log = f"?log={organization_id}" if organization_id else ""
    name = "this installation"
    messages = []
    if organization_id is not None:
        members = Membership.objects.active_owners().select_related("organization", "user")
        name = members[0].organization.name if members else str(organization_id)
        addresses = sorted({member.user.email for member in members}.difference(told))
        context = {"name": name, **shown}
        if addresses:
            context["link"] = portal_link(f"o/{members[0].organization.slug}/audit/checkpoint/")
        messages = to_each(addresses, "audit_log_altered", context)
    context = {"name": name, "link": f"{portal_link('admin/audit/checkpoint/')}{log}", **shown}
    return [*messages, *to_each(told, "audit_log_altered", context)]


def unattributed_change_alerts(
    organization_id: UUID | None, findings: Sequence[Finding]
) -> list[EmailMultiAlternatives]:
    """Return the mails about changes that carry no audit event: to the operators, and to the owners of the open scope.

    Args:
        organization_id: whose log tells of them; None is the installation's.
        findings: what was found.
    """
    organization = Organization.objects.filter(pk=organization_id).first() if organization_id else None
    context: dict[str, Any] = {
        "organization": organization.name if organization else "",
        "findings": findings[:_FINDINGS_SHOWN],
        "more": max(0, len(findings) - _FINDINGS_SHOWN),
    }
    messages = to_each(
        operators(), "unattributed_changes", {**context, "link": portal_link("admin/audit/unattributed/")}
    )
    if organization:
        link = portal_link(f"o/{organization.slug}/audit/unattributed/")
        messages += to_each(owners(), "unattributed_changes", {**context, "link": link})
    return messages


def audit_keeping_notices(organization_id: UUID | None, context: dict[str, Any]) -> list[EmailMultiAlternatives]:
    """Return the mails about what is kept of an audit log: to the owners of the open scope, or to the operators.

    Args:
        organization_id: whose log; None is the installation's.
        context: `title`, and `sentences`: what happened, and what to do about it.
    """
    organization = Organization.objects.filter(pk=organization_id).first() if organization_id else None
    if organization is None:
        link = f"{portal_link('admin/audit/retention/')}{f'?log={organization_id}' if organization_id else ''}"
        return to_each(operators(), "audit_log_kept", {"name": "Gatehouse", "link": link, **context})
    link = portal_link(f"o/{organization.slug}/audit/retention/")
    return to_each(owners(), "audit_log_kept", {"name": organization.name, "link": link, **context})


def sink_alerts(cursor: SinkCursor, reason: str, *, template: str = "sink_failing") -> list[EmailMultiAlternatives]:
    """Return the mails that tell who can mend it what is wrong with a sink; its organization's scope is open.

    Args:
        cursor: how far the sink is, with the sink.
        reason: what is wrong, a sentence or two.
        template: that it receives no events, or that it missed some.
    """
    sink = cursor.sink
    context = {
        "sink": sink.name,
        "since": cursor.failing_since or cursor.waiting_since,
        "reason": reason,
        "waiting": cursor.lag_events,
    }
    if sink.receives_every_log:
        context |= {"name": "this installation", "link": portal_link(f"admin/sinks/{sink.pk}/")}
        return to_each(operators(), template, context)
    organization = Organization.objects.get(pk=sink.organization_id)
    context |= {"name": organization.name, "link": portal_link(f"o/{organization.slug}/sinks/{sink.pk}/")}
    managers = {member.user.email for member in who_holds(P.SINKS_MANAGE)}
    return to_each(sorted({*owners(), *managers}), template, context)


def alert_mails(organization_id: UUID | None, context: dict[str, Any]) -> list[EmailMultiAlternatives]:
    """Return the mails that tell of an alert: to who holds ``alerts:manage`` in the open scope.

    Args:
        organization_id: where, None for the installation: then the operators are told.
        context: the alert in words.
    """
    if organization_id is None:
        people = operators()
    else:
        people = sorted({member.user.email for member in who_holds(P.ALERTS_MANAGE)})
    return to_each(people, "alert", context)
