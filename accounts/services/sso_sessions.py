"""Sessions at identity providers, and messages that count once."""

import hashlib
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts import signals
from accounts.models import SamlMessage, SsoConnection, SsoSession
from accounts.sso.exceptions import SignInRefused
from accounts.sso.signed_in import ProviderSession
from tenants.models import Membership

from .connection_actor import provider_actor


def open_sso_session(*, membership: Membership, connection: SsoConnection, session: ProviderSession) -> UUID:
    """Remember somebody's session at the provider; the connection's scope must be open."""
    stored = SsoSession(
        organization_id=connection.organization_id,
        connection=connection,
        membership=membership,
        issuer=connection.issuer,
        name_id=session.name_id,
        name_id_format=session.name_id_format,
        name_qualifier=session.name_qualifier,
        sp_name_qualifier=session.sp_name_qualifier,
        session_index=session.session_index,
        ends_at=session.ends_at,
    )
    stored.save(force_insert=True)
    pk: UUID = stored.pk
    return pk


def end_own_session(session_id: UUID) -> SsoSession | None:
    """End somebody's session because they sign out here.

    Returns:
        The session, None when it had ended or is gone.
    """
    found: SsoSession | None = (
        SsoSession.objects.select_related("connection").filter(pk=session_id, ended_at=None).first()
    )
    if found is not None:
        SsoSession.objects.filter(pk=session_id).update(ended_at=timezone.now())
    return found


@transaction.atomic
def end_sso_sessions(*, connection: SsoConnection, name_id: str, session_indexes: tuple[str, ...]) -> int:
    """End the sessions of somebody whom the provider signs out: with their next request they are out.

    Args:
        connection: the provider's; its scope must be open.
        name_id: whose.
        session_indexes: which; none: all of theirs.

    Returns:
        How many these are.
    """
    rows = SsoSession.objects.select_for_update(of=("self",)).filter(
        connection=connection, issuer=connection.issuer, name_id=name_id, ended_at=None
    )
    if session_indexes:
        rows = rows.filter(session_index__in=session_indexes)
    ended = list(rows.select_related("membership__user"))
    for session in ended:
        signals.sso_session_ended.announce(
            session,
            actor=provider_actor(connection),
            before={"member": str(session.membership), "started_at": session.started_at.isoformat()},
        )
    SsoSession.objects.filter(pk__in=[session.pk for session in ended]).update(ended_at=timezone.now())
    return len(ended)


def use_once(*, connection: SsoConnection, message_id: str, counts_until: datetime) -> None:
    """Remember a message that was accepted; the connection's scope must be open.

    Raises:
        SignInRefused: it was before.
    """
    message = SamlMessage(
        organization_id=connection.organization_id,
        connection=connection,
        digest=hashlib.sha256(message_id.encode()).hexdigest(),
        expires_at=counts_until,
    )
    if not SamlMessage.objects.bulk_create([message], ignore_conflicts=True) or not _is_stored(message):
        raise SignInRefused("The message was used before; each counts once.")


def _is_stored(message: SamlMessage) -> bool:
    return bool(SamlMessage.objects.filter(pk=message.pk).exists())
