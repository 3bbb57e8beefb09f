"""The mails about keys and sign-ins; none shows a secret, each leads to the page on which to do something.

Those about an organization's keys are rendered inside its scope.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.utils import timezone

from isolation.context import current_origin
from tenants.access import user_actor
from tenants.grantors import who_holds
from tenants.models import Domain, Membership, Organization
from tenants.permissions import P

from .mailing import operators, owners, portal_link, to_each
from .models import ApiKey, PlatformKey, ScimToken, SsoConnection, SsoLogin, SsoSetupLink, User
from .services.saml_certificates import Expiring
from .sessions.words import place_of
from .sso_door import SsoDoor

logger = logging.getLogger("gatehouse.mail")


def send_leak_notice(key: ApiKey, *, source_url: str) -> None:
    """Tell the people of a key, once the transaction has committed, that it leaked and was revoked.

    Args:
        key: the key; its organization's scope must be open.
        source_url: where it was found, "" when nobody said. It is shown as text: a stranger wrote it.
    """
    found_at = " ".join(source_url.split())[:1_000]
    for message in to_each(_people_of(key), "key_leak", {**_facts(key), "source_url": found_at}):
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
    for message in to_each(owners(), "scim_token_leak", context):
        transaction.on_commit(message.send, robust=True)


def send_platform_leak_notice(key: PlatformKey, *, source_url: str) -> None:
    """Tell the operators, once the transaction has committed, that a platform key leaked and was revoked.

    Args:
        key: the key.
        source_url: as for `send_leak_notice`.
    """
    context = {
        "name": key.name,
        "public_id": key.public_id,
        "source_url": " ".join(source_url.split())[:1_000],
        "link": portal_link(f"admin/accounts/platformkey/{key.pk}/change/"),
    }
    for message in to_each(operators(), "platform_key_leak", context):
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
        "sessions_link": portal_link("accounts/sessions/"),
        "password_link": portal_link("accounts/password/change/"),
    }
    for message in to_each([user.email], "new_sign_in", context):
        transaction.on_commit(message.send, robust=True)


def send_second_factors_removed(user: User) -> None:
    """Tell somebody, once the transaction has committed, that an operator removed their second factors."""
    context = {"email": user.email, "link": portal_link("accounts/2fa/")}
    for message in to_each([user.email], "second_factors_removed", context):
        transaction.on_commit(message.send, robust=True)


def expiry_warnings(key: ApiKey) -> list[EmailMultiAlternatives]:
    """Return the mails that tell a key's people when it expires; the scope of its organization must be open.

    Args:
        key: a row of `selectors.keys_with_secret` that expires.
    """
    return to_each(_people_of(key), "key_expiry", {**_facts(key), "left": _left(key)})


def platform_expiry_warnings(key: PlatformKey) -> list[EmailMultiAlternatives]:
    """Return the mails that tell the operators when a platform key expires."""
    context = {
        "name": key.name,
        "public_id": key.public_id,
        "last_four": key.last_four,
        "expires_at": key.expires_at,
        "left": _left(key),
        "link": portal_link(f"admin/accounts/platformkey/{key.pk}/change/"),
    }
    return to_each(operators(), "platform_key_expiry", context)


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
    return to_each(owners(), "scim_token_expiry", context)


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
        "link": portal_link(f"o/{organization.slug}/accounts/ssoconnection/{connection.pk}/change/"),
    }
    return to_each(_who_manage_single_sign_on(), "certificate_expiry", context)


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
        "link": portal_link(f"o/{organization.slug}/accounts/ssoconnection/{connection.pk}/change/"),
    }
    for message in to_each(_who_manage_single_sign_on(), "sso_setup_finished", context):
        transaction.on_commit(message.send, robust=True)


def last_owner_alerts(connection: str, detail: str) -> list[EmailMultiAlternatives]:
    """Return the mails that tell the owners of the open scope that the last of them was not deprovisioned.

    Args:
        connection: the name of the identity provider's connection.
        detail: what it was told.
    """
    members = Membership.objects.active_owners().select_related("organization", "user")
    if not members:
        return []
    organization = members[0].organization
    context = {
        "organization": organization.name,
        "connection": connection,
        "detail": detail,
        "link": portal_link(f"o/{organization.slug}/"),
    }
    return to_each(sorted({member.user.email for member in members}), "last_owner", context)


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
        "link": portal_link(f"o/{organization.slug}/tenants/domain/{domain.pk}/change/"),
    }
    people = [member.user.email for member in who_holds(P.SSO_MANAGE)]
    for message in to_each(people, "sso_domain", context):
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
        "link": portal_link(f"o/{organization.slug}/sign-in-policy/"),
    }
    for message in to_each(owners(), "break_glass", context):
        transaction.on_commit(message.send, robust=True)


def send_sso_instead_of_password(email: str, doors: Sequence[SsoDoor]) -> None:
    """Tell somebody who forgot their password that they come in by single sign-on, once the transaction has committed.

    Args:
        email: where to.
        doors: the connections through which they come, one at least.
    """
    link = portal_link(f"sso/{doors[0].connection_id}/start/") if len(doors) == 1 else portal_link("sso/")
    context = {"organization": doors[0].organization, "link": link}
    for message in to_each([email], "sso_instead_of_password", context):
        transaction.on_commit(message.send, robust=True)


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
        "link": portal_link(f"o/{organization.slug}/accounts/apikey/{key.pk}/change/"),
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


def _connection_link(token: ScimToken) -> str:
    return portal_link(f"o/{token.organization.slug}/accounts/scimconnection/{token.connection_id}/change/")
