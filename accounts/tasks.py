"""Telling people in time that their keys expire, letting in who was provisioned and waits, forgetting what is over."""

import logging
from datetime import timedelta
from uuid import UUID

from celery import shared_task
from django.db import connections, transaction
from django.utils import timezone

from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.exceptions import DomainError
from isolation.scope import APP, operator_scope
from isolation.tasks import TenantTask
from tenants.mails import send_invitation
from tenants.services.invitations import invitations_left

from .lookups import organizations_with_waiting_people
from .mailing import deliver
from .mails import certificate_warnings, expiry_warnings, platform_expiry_warnings, scim_expiry_warnings
from .models import (
    ApiKey,
    PlatformKey,
    ProvisionedUser,
    SamlMessage,
    ScimRequest,
    ScimToken,
    SsoConnection,
    SsoLogin,
    SsoLogout,
    SsoProtocol,
    SsoSession,
)
from .selectors import (
    keys_to_warn_about,
    platform_keys_to_warn_about,
    scim_tokens_to_warn_about,
    waiting_people_to_invite,
    waiting_people_to_let_in,
)
from .services.connection_actor import connection_actor
from .services.devices import forget_old_devices
from .services.provisioned_users import invite_provisioned_user, let_in
from .services.saml_certificates import newly_expiring
from .services.sso_connections import refresh_sso_connection
from .sessions.store import SessionStore
from .sso.confinement import LONGEST

WAITING_BATCH = 200
REQUESTS_KEPT = timedelta(days=14)
SESSIONS_KEPT = timedelta(days=31)
"""Longer than any login lasts (SESSION_HOURS)."""

logger = logging.getLogger("gatehouse.scim")


@shared_task(name="accounts.tasks.warn_of_expiring_keys")
def warn_of_expiring_keys() -> int:
    """Start a task for each key whose people are to be told; a lost start is made up by the next sweep.

    Returns:
        how many keys these are.
    """
    with acting_as(SYSTEM), operator_scope("Sweep for API keys and SCIM tokens that expire soon"):
        keys = list(keys_to_warn_about().values_list("organization_id", "pk"))
        tokens = list(scim_tokens_to_warn_about().values_list("organization_id", "pk"))
    platform_keys = list(platform_keys_to_warn_about().values_list("pk", flat=True))
    for organization_id, key_id in keys:
        warn_of_expiring_key.delay(str(organization_id), str(key_id))
    for key_id in platform_keys:
        warn_of_expiring_platform_key.delay(str(key_id))
    for organization_id, token_id in tokens:
        warn_of_expiring_scim_token.delay(str(organization_id), str(token_id))
    return len(keys) + len(platform_keys) + len(tokens)


@shared_task(base=TenantTask, name="accounts.tasks.warn_of_expiring_key")
def warn_of_expiring_key(organization_id: str, key_id: str) -> None:
    """Mail one key's people, unless that was done.

    The mails go before the transaction commits: when the mail server refuses or the process dies, the next sweep tries
    again. A process that dies between the two repeats this key's mails and no other's.
    """
    if not _claim(key_id):
        return
    key = keys_to_warn_about().filter(pk=key_id).first()
    if key is None:
        return
    deliver(expiry_warnings(key))
    # Not the row that was read: somebody may have changed it, or chosen another expiry, which is warned about anew.
    ApiKey.objects.filter(pk=key.pk, expires_at=key.expires_at).update(expiry_warned_at=timezone.now())


@shared_task(name="accounts.tasks.warn_of_expiring_platform_key")
@transaction.atomic
def warn_of_expiring_platform_key(key_id: str) -> None:
    """Mail the operators about one platform key, unless that was done."""
    if not _claim(key_id):
        return
    key = platform_keys_to_warn_about().filter(pk=key_id).first()
    if key is None:
        return
    deliver(platform_expiry_warnings(key))
    PlatformKey.objects.filter(pk=key.pk, expires_at=key.expires_at).update(expiry_warned_at=timezone.now())


@shared_task(base=TenantTask, name="accounts.tasks.warn_of_expiring_scim_token")
def warn_of_expiring_scim_token(organization_id: str, token_id: str) -> None:
    """Mail the owners about one SCIM token, unless that was done."""
    if not _claim(token_id):
        return
    token = scim_tokens_to_warn_about().filter(pk=token_id).first()
    if token is None:
        return
    deliver(scim_expiry_warnings(token))
    ScimToken.objects.filter(pk=token.pk, expires_at=token.expires_at).update(expiry_warned_at=timezone.now())


@shared_task(name="accounts.tasks.settle_everybody_waiting")
def settle_everybody_waiting() -> int:
    """Start a task for each organization in which provisioned people can be let in, or are to be invited.

    Returns:
        how many organizations these are.
    """
    organizations = organizations_with_waiting_people()
    for organization_id in organizations:
        settle_waiting_people.delay(str(organization_id))
    return len(organizations)


@shared_task(base=TenantTask, name="accounts.tasks.settle_waiting_people")
def settle_waiting_people(organization_id: str) -> None:
    """Let in who waits and may join by now, and invite others as far as today's mails reach; a task for each person."""
    to_let_in = waiting_people_to_let_in().values_list("pk", flat=True)[:WAITING_BATCH]
    to_invite = waiting_people_to_invite().values_list("pk", flat=True)[: min(WAITING_BATCH, invitations_left())]
    for pk in dict.fromkeys([*to_let_in, *to_invite]):
        settle_waiting_person.delay(organization_id, str(pk))


@shared_task(base=TenantTask, name="accounts.tasks.settle_waiting_person")
def settle_waiting_person(organization_id: str, user_id: str) -> None:
    """Let one provisioned person in, or send them an invitation unless they have had one."""
    user = ProvisionedUser.objects.waiting().select_related("connection").filter(pk=user_id).first()
    if user is None:
        return
    with acting_as(connection_actor(user.connection)) as actor:
        try:
            with transaction.atomic():
                invitation = None if let_in(user=user, actor=actor) else invite_provisioned_user(user=user, actor=actor)
        except DomainError as error:  # too many invitations today, a suspended organization: the sweep comes again
            logger.info("A provisioned user of %s waits: %s", organization_id, error.message)
            return
        if invitation is not None:
            send_invitation(invitation)


@shared_task(name="accounts.tasks.forget_requests")
def forget_requests() -> None:
    """Start a task for each organization with SCIM requests or sign-ins that are older than a fortnight.

    Messages and sessions of SAML, and sign-outs at a provider, go with them as soon as they say nothing any more.
    """
    now = timezone.now()
    before = now - REQUESTS_KEPT
    with acting_as(SYSTEM), operator_scope("Sweep for old requests of identity providers"):
        organizations = {
            organization_id
            for model in (ScimRequest, SsoLogin)
            for (organization_id,) in model.objects.filter(time__lt=before).values_list("organization_id").distinct()
        }
        organizations |= set(SamlMessage.objects.filter(expires_at__lt=now).values_list("organization_id", flat=True))
        old_sessions = SsoSession.objects.filter(started_at__lt=now - SESSIONS_KEPT)
        organizations |= set(old_sessions.values_list("organization_id", flat=True))
        logouts = SsoLogout.objects.filter(time__lt=now - LONGEST)
        organizations |= set(logouts.values_list("organization_id", flat=True))
    for organization_id in organizations:
        forget_requests_of.delay(str(organization_id))


@shared_task(base=TenantTask, name="accounts.tasks.forget_requests_of")
def forget_requests_of(organization_id: str) -> None:
    """Delete an organization's SCIM requests and sign-ins of a fortnight ago, and what single sign-on needs no more."""
    now = timezone.now()
    before = now - REQUESTS_KEPT
    SamlMessage.objects.filter(expires_at__lt=now).delete()
    SsoSession.objects.filter(started_at__lt=now - SESSIONS_KEPT).delete()
    SsoLogout.objects.filter(time__lt=now - LONGEST).delete()
    ScimRequest.objects.filter(time__lt=before).delete()
    SsoLogin.objects.filter(time__lt=before).delete()


@shared_task(name="accounts.tasks.refresh_sso_connections")
def refresh_sso_connections() -> int:
    """Start a task for each connection that is on, so that what its provider says of itself is a day old at most.

    Returns:
        how many these are.
    """
    with acting_as(SYSTEM), operator_scope("Refresh what OpenID providers say of themselves"):
        asked = SsoConnection.objects.filter(is_enabled=True).exclude(protocol=SsoProtocol.SAML, metadata_url="")
        rows = list(asked.values_list("organization_id", "pk"))
    for organization_id, connection_id in rows:
        refresh_sso_connection_of.delay(str(organization_id), str(connection_id))
    return len(rows)


@shared_task(base=TenantTask, name="accounts.tasks.refresh_sso_connection_of")
def refresh_sso_connection_of(organization_id: str, connection_id: str) -> None:
    """Fetch what one provider says of itself; what is stored stays when that fails."""
    connection = SsoConnection.objects.filter(pk=connection_id).first()
    if connection is None:
        return
    try:
        refresh_sso_connection(connection=connection)
    except DomainError as error:
        logger.warning("The provider of %s could not be asked: %s", connection_id, error.message)


@shared_task(name="accounts.tasks.forget_sessions")
def forget_sessions() -> None:
    """Delete the sessions whose time is over, and the browsers that nobody has signed in with for half a year."""
    SessionStore.clear_expired()
    forget_old_devices()


@shared_task(name="accounts.tasks.watch_certificates")
def watch_certificates() -> int:
    """Start a task for each SAML connection, so that people are told in time that a certificate expires.

    Returns:
        how many these are.
    """
    with acting_as(SYSTEM), operator_scope("Watch the certificates of SAML connections"):
        rows = list(SsoConnection.objects.filter(protocol=SsoProtocol.SAML).values_list("organization_id", "pk"))
    for organization_id, connection_id in rows:
        watch_certificates_of.delay(str(organization_id), str(connection_id))
    return len(rows)


@shared_task(base=TenantTask, name="accounts.tasks.watch_certificates_of")
def watch_certificates_of(organization_id: str, connection_id: str) -> None:
    """Tell the people of one connection, once for each of a few days before; a mail that fails is tried again."""
    connection = SsoConnection.objects.select_related("organization").filter(pk=connection_id).first()
    if connection is None:
        return
    for expiring in newly_expiring(connection):
        deliver(certificate_warnings(connection, expiring))


def _claim(key_id: str) -> bool:
    """Return whether this transaction alone warns about a key; its row stays free to be rotated or revoked."""
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"expiry of key {UUID(key_id)}"])
        return bool(cursor.fetchone()[0])
