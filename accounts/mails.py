"""The mails about keys and sign-ins; none shows a secret, each leads to the page on which to do something.

Those about an organization's keys are rendered inside its scope.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from audit.models import SinkCursor
from audit.reconciliation import Finding
from console.links import root_url
from isolation.context import current_origin
from tenants.access import user_actor
from tenants.grantors import who_holds
from tenants.models import Domain, Membership, Organization
from tenants.permissions import P

from .models import ApiKey, PlatformKey, ScimToken, SsoConnection, SsoLogin, SsoSetupLink, User
from .services.saml_certificates import Expiring
from .sessions.words import place_of
from .sso_door import SsoDoor

logger = logging.getLogger("gatehouse.mail")

_FINDINGS_SHOWN = 20


def send_leak_notice(key: ApiKey, *, source_url: str) -> None:
    """Tell the people of a key, once the transaction has committed, that it leaked and was revoked.

    Args:
        key: the key; its organization's scope must be open.
        source_url: where it was found, "" when nobody said. It is shown as text: a stranger wrote it.
    """
    found_at = " ".join(source_url.split())[:1_000]
    for message in _to_each(_people_of(key), "key_leak", {**_facts(key), "source_url": found_at}):
        transaction.on_commit(message.send, robust=True)


def send_scim_leak_notice(token: ScimToken, *, source_url: str) -> None:
    """Tell the owners, once the transaction has committed, that a SCIM token leaked and was revoked.

    Args:
        token: the token; its organization's scope must be open.
        source_url: as for `send_leak_notice`.
    """
    organization = token.organization
    context = {
        "organization": organization.name,
        "name": token.name,
        "connection": token.connection.name,
        "public_id": token.public_id,
        "source_url": " ".join(source_url.split())[:1_000],
        "link": _connection_link(token),
    }
    for message in _to_each(_owners(), "scim_token_leak", context):
        transaction.on_commit(message.send, robust=True)


def send_platform_leak_notice(key: PlatformKey, *, source_url: str) -> None:
    """Tell the operators, once the transaction has committed, that a platform key leaked and was revoked.

    Args:
        key: the key.
        source_url: as for `send_leak_notice`.
    """
    operators = User.objects.filter(is_operator=True, is_active=True).values_list("email", flat=True)
    context = {
        "name": key.name,
        "public_id": key.public_id,
        "source_url": " ".join(source_url.split())[:1_000],
        "link": _link(f"admin/accounts/platformkey/{key.pk}/change/"),
    }
    for message in _to_each(operators, "platform_key_leak", context):
        transaction.on_commit(message.send, robust=True)


def send_new_sign_in(user: User, *, browser: str, ip: str | None, at: datetime) -> None:
    """Tell somebody, once the transaction has committed, that they signed in with a browser that is new.

    Args:
        user: who signed in.
        browser: in words; they are the client's own and shown as text.
        ip: from where, None when there was no address.
        at: when.
    """
    context = {
        "browser": browser,
        "place": place_of(ip),
        "at": at,
        "sessions_link": _link("accounts/sessions/"),
        "password_link": _link("accounts/password/change/"),
    }
    for message in _to_each([user.email], "new_sign_in", context):
        transaction.on_commit(message.send, robust=True)


def send_second_factors_removed(user: User) -> None:
    """Tell somebody, once the transaction has committed, that an operator removed their second factors."""
    context = {"email": user.email, "link": _link("accounts/2fa/")}
    for message in _to_each([user.email], "second_factors_removed", context):
        transaction.on_commit(message.send, robust=True)


def expiry_warnings(key: ApiKey) -> list[EmailMultiAlternatives]:
    """Return the mails that tell a key's people when it expires; the scope of its organization must be open.

    Args:
        key: a row of `selectors.keys_with_secret` that expires.
    """
    return _to_each(_people_of(key), "key_expiry", {**_facts(key), "left": _left(key)})


def platform_expiry_warnings(key: PlatformKey) -> list[EmailMultiAlternatives]:
    """Return the mails that tell the operators when a platform key expires."""
    operators = User.objects.filter(is_operator=True, is_active=True).values_list("email", flat=True)
    context = {
        "name": key.name,
        "public_id": key.public_id,
        "last_four": key.last_four,
        "expires_at": key.expires_at,
        "left": _left(key),
        "link": _link(f"admin/accounts/platformkey/{key.pk}/change/"),
    }
    return _to_each(operators, "platform_key_expiry", context)


def scim_expiry_warnings(token: ScimToken) -> list[EmailMultiAlternatives]:
    """Return the mails that tell the owners when a SCIM token expires; the scope of its organization must be open.

    Args:
        token: a row of `selectors.scim_tokens_to_warn_about`.
    """
    context = {
        "organization": token.organization.name,
        "name": token.name,
        "connection": token.connection.name,
        "public_id": token.public_id,
        "last_four": token.last_four,
        "expires_at": token.expires_at,
        "left": _left(token),
        "link": _connection_link(token),
    }
    return _to_each(_owners(), "scim_token_expiry", context)


def certificate_warnings(connection: SsoConnection, expiring: Expiring) -> list[EmailMultiAlternatives]:
    """Return the mails that tell who manages single sign-on when a certificate expires; the scope must be open."""
    organization = connection.organization
    context = {
        "organization": organization.name,
        "connection": connection.name,
        "whose": expiring.whose,
        "fingerprint": expiring.fingerprint,
        "expires_at": expiring.expires_at,
        "left": f"in {expiring.days_left} days" if expiring.days_left > 1 else "within a day",
        "ended": expiring.days_left < 0,
        "follows": bool(connection.metadata_url),
        "link": _link(f"o/{organization.slug}/accounts/ssoconnection/{connection.pk}/change/"),
    }
    return _to_each(_who_manage_single_sign_on(), "certificate_expiry", context)


def send_setup_finished(link: SsoSetupLink) -> None:
    """Tell who manages single sign-on, once the transaction has committed, that a connection waits to be switched on.

    Args:
        link: the finished link; its organization's scope must be open.
    """
    organization, connection = link.organization, link.connection
    tests = SsoLogin.objects.filter(connection=connection, is_test=True).order_by("-time", "-pk")
    test = tests.first()
    context = {
        "organization": organization.name,
        "recipient": link.recipient,
        "connection": connection.name,
        "issuer": connection.issuer,
        "tested": "Nobody has tested it yet." if test is None else f"Its last {test.outcome.lower()}.",
        "link": _link(f"o/{organization.slug}/accounts/ssoconnection/{connection.pk}/change/"),
    }
    for message in _to_each(_who_manage_single_sign_on(), "sso_setup_finished", context):
        transaction.on_commit(message.send, robust=True)


def last_owner_alerts(connection: str, detail: str) -> list[EmailMultiAlternatives]:
    """Return the mails that tell the owners of the open scope that the last of them was not deprovisioned.

    Args:
        connection: the name of the identity provider's connection.
        detail: what it was told.
    """
    owners = Membership.objects.active_owners().select_related("organization", "user")
    if not owners:
        return []
    organization = owners[0].organization
    context = {
        "organization": organization.name,
        "connection": connection,
        "detail": detail,
        "link": _link(f"o/{organization.slug}/"),
    }
    return _to_each(sorted({owner.user.email for owner in owners}), "last_owner", context)


def send_sso_domain_notice(domain: Domain, *, connections: list[str], holds: bool, days: int) -> None:
    """Tell who manages single sign-on, once the transaction has committed, what rests on a domain.

    Args:
        domain: one that fails its check, or was lost; its organization's scope must be open.
        connections: the names of those that are on.
        holds: whether the sign-in policy requires single sign-on of verified domains.
        days: how many are left until it is lost, 0 when it is.
    """
    organization = domain.organization
    context = {
        "organization": organization.name,
        "domain": domain.name,
        "connections": connections,
        "holds": holds,
        "days": days,
        "link": _link(f"o/{organization.slug}/tenants/domain/{domain.pk}/change/"),
    }
    people = [member.user.email for member in who_holds(P.SSO_MANAGE)]
    for message in _to_each(people, "sso_domain", context):
        transaction.on_commit(message.send, robust=True)


def send_break_glass_notice(organization: Organization, user: User) -> None:
    """Tell the owners, once the transaction has committed, that one of them came in without single sign-on.

    Args:
        organization: whose scope is open.
        user: who came in.
    """
    origin = current_origin()
    context = {
        "organization": organization.name,
        "person": user.email,
        "time": timezone.now(),
        "address": origin.ip or "an unknown address",
        "link": _link(f"o/{organization.slug}/sign-in-policy/"),
    }
    for message in _to_each(_owners(), "break_glass", context):
        transaction.on_commit(message.send, robust=True)


def send_sso_instead_of_password(email: str, doors: Sequence[SsoDoor]) -> None:
    """Tell somebody who forgot their password that they come in by single sign-on, once the transaction has committed.

    Args:
        email: where to.
        doors: the connections through which they come, one at least.
    """
    link = _link(f"sso/{doors[0].connection_id}/start/") if len(doors) == 1 else _link("sso/")
    context = {"organization": doors[0].organization, "link": link}
    for message in _to_each([email], "sso_instead_of_password", context):
        transaction.on_commit(message.send, robust=True)


def audit_log_alerts(organization_id: UUID | None, problems: list[str]) -> list[EmailMultiAlternatives]:
    """Return the mails that tell operators, and the owners of the open scope, that an audit log is not what was sealed.

    Args:
        organization_id: whose log, None for the installation's: then operators alone are told.
        problems: what was found, sentences.
    """
    shown = {"problems": problems[:10], "more": max(0, len(problems) - 10)}
    operators = set(User.objects.filter(is_operator=True, is_active=True).values_list("email", flat=True))
    log = f"?log={organization_id}" if organization_id else ""
    name = "this installation"
    messages = []
    if organization_id is not None:
        owners = Membership.objects.active_owners().select_related("organization", "user")
        name = owners[0].organization.name if owners else str(organization_id)
        addresses = sorted({owner.user.email for owner in owners} - operators)
        context = {"name": name, **shown}
        if addresses:
            context["link"] = _link(f"o/{owners[0].organization.slug}/audit/checkpoint/")
        messages = _to_each(addresses, "audit_log_altered", context)
    context = {"name": name, "link": f"{_link('admin/audit/checkpoint/')}{log}", **shown}
    return [*messages, *_to_each(sorted(operators), "audit_log_altered", context)]


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
    operators = set(User.objects.filter(is_operator=True, is_active=True).values_list("email", flat=True))
    messages = _to_each(
        sorted(operators), "unattributed_changes", {**context, "link": _link("admin/audit/unattributed/")}
    )
    if organization:
        link = _link(f"o/{organization.slug}/audit/unattributed/")
        messages += _to_each(_owners(), "unattributed_changes", {**context, "link": link})
    return messages


def audit_keeping_notices(organization_id: UUID | None, context: dict[str, Any]) -> list[EmailMultiAlternatives]:
    """Return the mails about what is kept of an audit log: to the owners of the open scope, or to the operators.

    Args:
        organization_id: whose log; None is the installation's.
        context: `title`, and `sentences`: what happened, and what to do about it.
    """
    organization = Organization.objects.filter(pk=organization_id).first() if organization_id else None
    if organization is None:
        operators = User.objects.filter(is_operator=True, is_active=True).values_list("email", flat=True)
        link = f"{_link('admin/audit/retention/')}{f'?log={organization_id}' if organization_id else ''}"
        return _to_each(sorted(operators), "audit_log_kept", {"name": "Gatehouse", "link": link, **context})
    link = _link(f"o/{organization.slug}/audit/retention/")
    return _to_each(_owners(), "audit_log_kept", {"name": organization.name, "link": link, **context})


def sink_alerts(cursor: SinkCursor, reason: str) -> list[EmailMultiAlternatives]:
    """Return the mails that tell who can mend it that a sink receives no events; its organization's scope is open.

    Args:
        cursor: how far the sink is, with the sink.
        reason: what is wrong, a sentence or two.
    """
    sink = cursor.sink
    context = {
        "sink": sink.name,
        "since": cursor.failing_since or cursor.waiting_since,
        "reason": reason,
        "waiting": cursor.lag_events,
    }
    if sink.receives_every_log:
        operators = User.objects.filter(is_operator=True, is_active=True).values_list("email", flat=True)
        context |= {"name": "this installation", "link": _link(f"admin/sinks/{sink.pk}/")}
        return _to_each(sorted(operators), "sink_failing", context)
    organization = Organization.objects.get(pk=sink.organization_id)
    context |= {"name": organization.name, "link": _link(f"o/{organization.slug}/sinks/{sink.pk}/")}
    managers = {member.user.email for member in who_holds(P.SINKS_MANAGE)}
    return _to_each(sorted({*_owners(), *managers}), "sink_failing", context)


def alert_mails(organization_id: UUID | None, context: dict[str, Any]) -> list[EmailMultiAlternatives]:
    """Return the mails that tell of an alert: to who holds ``alerts:manage`` in the open scope.

    Args:
        organization_id: where, None for the installation: then the operators are told.
        context: the alert in words.
    """
    if organization_id is None:
        people = list(User.objects.filter(is_operator=True, is_active=True).values_list("email", flat=True))
    else:
        people = [member.user.email for member in who_holds(P.ALERTS_MANAGE)]
    return _to_each(sorted(set(people)), "alert", context)


def deliver(messages: Iterable[EmailMessage]) -> None:
    """Send several mails now; one address that is refused keeps no other waiting.

    Raises:
        Exception: what the mail server said, when it took not one of them.
    """
    sent, failure = 0, None
    for message in messages:
        try:
            message.send()
            sent += 1
        except Exception as error:  # noqa: BLE001 - backends raise what they like
            logger.warning("A mail was not sent: %s", error)
            failure = error
    if failure is not None and not sent:
        raise failure


def _owners() -> list[str]:
    """Return the addresses of the owners of the open scope."""
    return sorted(set(Membership.objects.active_owners().values_list("user__email", flat=True)))


def _who_manage_single_sign_on() -> list[str]:
    """Return the addresses of the members of the open scope who may manage single sign-on."""
    members = Membership.objects.filter(is_active=True, user__is_active=True).select_related("user")
    return sorted(
        {member.user.email for member in members if user_actor(member.user, member.organization_id).can(P.SSO_MANAGE)}
    )


def _people_of(key: ApiKey) -> list[str]:
    """Return the addresses of the organization's owners, of the key's person and of the member who made it."""
    members = Membership.objects.filter(is_active=True, user__is_active=True)
    made_it = members.filter(user__email=key.created_by)
    whose_it_is = members.filter(user_id=key.user_id)
    people = Membership.objects.active_owners() | made_it | (whose_it_is if key.user_id else members.none())
    return sorted(set(people.values_list("user__email", flat=True)))


def _facts(key: ApiKey) -> dict[str, Any]:
    organization = key.organization
    return {
        "organization": organization.name,
        "name": key.name,
        "kind": key.get_kind_display(),
        "owner": key.owner,
        "environment": key.get_environment_display(),
        "public_id": key.public_id,
        "last_four": getattr(key, "last_four", ""),
        "expires_at": key.expires_at,
        "link": _link(f"o/{organization.slug}/accounts/apikey/{key.pk}/change/"),
    }


def _left(key: ApiKey | PlatformKey | ScimToken) -> str:
    """Return how long a key still lives, in words."""
    if key.expires_at is None:
        raise ValueError(f"{key} does not expire")
    hours = max(1, round((key.expires_at - timezone.now()).total_seconds() / 3600))
    one_day = 24
    if hours > 2 * one_day:
        return f"{round(hours / one_day)} days"
    return f"{hours} hours" if hours > 1 else "an hour"


def _to_each(addresses: Iterable[str], template: str, context: dict[str, Any]) -> list[EmailMultiAlternatives]:
    """Return one mail for each address: not everybody may see who the others are."""
    subject = " ".join(render_to_string(f"emails/{template}_subject.txt", context).split())
    text, html = (render_to_string(f"emails/{template}.{form}", context) for form in ("txt", "html"))
    messages = []
    for address in addresses:
        message = EmailMultiAlternatives(subject, text, to=[address])
        message.attach_alternative(html, "text/html")
        messages.append(message)
    return messages


def _connection_link(token: ScimToken) -> str:
    return _link(f"o/{token.organization.slug}/accounts/scimconnection/{token.connection_id}/change/")


def _link(path: str) -> str:
    return f"{settings.PUBLIC_URL}{root_url(path)}"
