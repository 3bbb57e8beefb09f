"""Changes to the tokens with which identity providers sign in."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from accounts import key_format, signals
from accounts.key_format import KeyKind
from accounts.models import ScimConnection, ScimToken
from audit.redaction import snapshot
from isolation.actor import Actor
from isolation.exceptions import DomainError
from tenants.models import Environment
from tenants.permissions import P
from tenants.services.naming import check_name
from tenants.services.rules import one_of_a_kind, own_row

from .key_rules import LONGEST_REASON, IssuedKey, check_expiry, check_networks, check_text, make_secret

MOST_TOKENS = 10
"""Tokens of one connection that are in force at the same time: one, and another during a rotation, are usual."""


@transaction.atomic
def create_scim_token(
    *,
    connection: ScimConnection,
    name: str,
    actor: Actor,
    expires_at: datetime | None = None,
    allowed_networks: Iterable[str] = (),
    secret: str | None = None,
    token_id: UUID | None = None,
) -> IssuedKey:
    """Create a token; its secret is in what is returned, and nowhere else afterwards.

    Args:
        connection: whose token.
        name: what people read.
        actor: who creates it.
        expires_at: when it ends, None for never.
        allowed_networks: IP addresses and CIDR networks from which it is accepted; none: from everywhere.
        secret: a predefined secret, for infrastructure as code.
        token_id: the row's id, for a form that may be sent twice and makes one token.

    Raises:
        MissingPermission: without ``scim:manage``.
        DomainError: a value is refused, or the connection has too many tokens.
    """
    actor.require(P.SCIM_MANAGE, connection)
    connection = own_row(ScimConnection, connection.pk)
    if ScimToken.objects.active().filter(connection=connection).count() >= MOST_TOKENS:
        raise DomainError(f"A connection has {MOST_TOKENS} tokens at most. Revoke one first.", code="too_many")
    made = make_secret(KeyKind.SCIM, Environment.PRODUCTION, secret)
    token = ScimToken(
        id=token_id or uuid4(),
        organization_id=connection.organization_id,
        connection=connection,
        name=check_name(name),
        public_id=key_format.new_public_id(KeyKind.SCIM, Environment.PRODUCTION),
        digest=made.digest,
        pepper_id=made.pepper_id,
        last_four=made.last_four,
        allowed_networks=check_networks(allowed_networks),
        expires_at=check_expiry(expires_at, max_days=None),
        created_by=actor.label[:320],
    )
    with one_of_a_kind(ScimToken, field="secret"):
        token.save(force_insert=True)
    signals.scim_token_created.announce(token, actor=actor, after=snapshot(token))
    return IssuedKey(token, made.text)


@transaction.atomic
def revoke_scim_token(*, token: ScimToken, actor: Actor, reason: str = "") -> ScimToken:
    """End a token for good, from its next request on; access tokens that were made with it end too.

    Raises:
        MissingPermission: without ``scim:manage``.
        DomainError: it is revoked already.
    """
    actor.require(P.SCIM_MANAGE, token)
    return end_scim_token(token, actor=actor, reason=reason)


def end_scim_token(token: ScimToken, *, actor: Actor, reason: str, leaked: bool = False) -> ScimToken:
    """Revoke a token in the running transaction; the caller has checked the authority.

    Raises:
        DomainError: it is revoked already.
    """
    stored: ScimToken = own_row(ScimToken, token.pk, related=("connection",))
    if stored.revoked_at:
        raise DomainError("This token is revoked already.", code="already_revoked")
    before = snapshot(stored)
    stored.revoked_at = timezone.now()
    stored.revocation_reason = check_text(reason, field="reason", longest=LONGEST_REASON)
    stored.save(update_fields=["revoked_at", "revocation_reason"])
    signal = signals.scim_token_leaked if leaked else signals.scim_token_revoked
    signal.announce(stored, actor=actor, before=before, after=snapshot(stored), reason=reason)
    return stored
