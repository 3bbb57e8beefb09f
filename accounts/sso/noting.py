"""Writing down how a sign-in went, for those who look after the connection."""

from typing import Any
from uuid import UUID

from accounts.audit_events import SSO_LOGOUT_REFUSED, record_refused_sso
from accounts.models import SsoConnection, SsoLogin
from accounts.services.single_sign_on import Person
from accounts.sso_door import SsoDoor
from isolation.context import current_origin
from isolation.scope import tenant_scope

from .checks import Checklist
from .claims import shown_claims
from .exceptions import SignInRefused

LONGEST_REASON = 1_000


def note_login(
    door: SsoDoor,
    refusal: SignInRefused | None,
    *,
    checklist: Checklist,
    claims: dict[str, Any],
    person: Person | None = None,
    is_test: bool = False,
) -> UUID | None:
    """Keep a sign-in among the recent ones; a refusal is an audit event too.

    Args:
        door: the connection's.
        refusal: why nobody was signed in; None: somebody was.
        checklist: what was checked.
        claims: what the provider said.
        person: whom it named, when that is known.
        is_test: somebody tries the connection: no event.

    Returns:
        The stored row's id; None when the connection is gone.
    """
    origin = current_origin()
    who = person.email or person.subject if person else str(claims.get("sub", ""))
    with tenant_scope(door.organization_id):
        connection = SsoConnection.objects.filter(pk=door.connection_id).first()
        if connection is None:
            return None
        login = SsoLogin(
            organization_id=door.organization_id,
            connection=connection,
            succeeded=refusal is None,
            is_test=is_test,
            subject=str(claims.get("sub", ""))[:255],
            email=person.email if person else "",
            checks=checklist.stored(),
            claims=shown_claims(claims),
            reason=refusal.reason[: 2 * LONGEST_REASON] if refusal else "",
            ip=origin.ip,
            user_agent=origin.user_agent[:200],
        )
        login.save(force_insert=True)
        if refusal and not is_test:
            record_refused_sso(connection, who=who[:320], reason=login.reason[:LONGEST_REASON])
        pk: UUID = login.pk
        return pk


def note_refused_logout(door: SsoDoor, refusal: SignInRefused) -> None:
    """Keep a logout request that was refused among the recent sign-ins, and in the audit log."""
    origin = current_origin()
    with tenant_scope(door.organization_id):
        connection = SsoConnection.objects.filter(pk=door.connection_id).first()
        if connection is None:
            return
        reason = f"A logout request was refused: {refusal.reason}"
        SsoLogin.objects.create(
            organization_id=door.organization_id,
            connection=connection,
            succeeded=False,
            reason=reason[: 2 * LONGEST_REASON],
            ip=origin.ip,
            user_agent=origin.user_agent[:200],
        )
        record_refused_sso(connection, who="", reason=reason[:LONGEST_REASON], action=SSO_LOGOUT_REFUSED)
