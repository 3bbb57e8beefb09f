"""Ending access tokens before their time: one, or everything of an actor, a key, a project or the organization."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from accounts.models import ApiKey
from audit.redaction import snapshot
from gateway import signals
from gateway.claims import LONGEST_SECONDS, SKEW_SECONDS
from gateway.models import IssuedToken, RevocationKind, TokenRevocation
from isolation.actor import Actor
from isolation.exceptions import DomainError
from isolation.identifiers import is_uuid
from tenants.models import Organization, Project
from tenants.permissions import P
from tenants.services.rules import lock_organization, own_row

from .reasons import checked_reason

_LASTS = timedelta(seconds=LONGEST_SECONDS + 3 * SKEW_SECONDS)


@transaction.atomic
def revoke_token(*, token: IssuedToken, actor: Actor, reason: str = "") -> TokenRevocation:
    """End one token: whoever it was issued to may, and who manages the proxy.

    Args:
        token: which.
        actor: who ends it.
        reason: why, for the list and the log.

    Raises:
        MissingPermission: it is somebody else's, and the actor lacks ``llm_proxy:manage``.
        DomainError: it is over already, or the reason is too long.
    """
    lock_organization(token.organization_id)
    stored: IssuedToken = own_row(IssuedToken, token.pk)
    if not _is_own(stored, actor):
        actor.require(P.LLM_PROXY_MANAGE, stored)
    reason = checked_reason(reason, is_needed=False)
    if stored.revoked_at is not None:
        raise DomainError("This token is revoked already.", code="already_revoked")
    if stored.expires_at <= timezone.now():
        raise DomainError("This token has expired: nothing accepts it any more.", code="expired")
    return _end(
        stored.organization_id,
        RevocationKind.TOKEN,
        stored.jti,
        IssuedToken.objects.filter(pk=stored.pk),
        actor=actor,
        reason=reason,
        project_id=stored.project_id,
    )


@transaction.atomic
def revoke_tokens(
    *, organization: Organization, kind: RevocationKind, subject: str, actor: Actor, reason: str
) -> TokenRevocation:
    """End everything of an actor, a key, a project or the organization that was issued up to now.

    New tokens can be had at once: it takes a right away from nobody.

    Args:
        organization: where.
        kind: of whom; single tokens have a verb of their own.
        subject: the id of a user, service account, key or project, or a key's public id; "" for the organization.
        actor: who ends them.
        reason: why, for the list and the log.

    Raises:
        MissingPermission: without ``llm_proxy:manage``.
        DomainError: there is no such subject here, or no reason was given.
    """
    actor.require(P.LLM_PROXY_MANAGE, organization)
    reason = checked_reason(reason, is_needed=True)
    lock_organization(organization.pk)
    subject = _subject(kind, subject)
    return _end(organization.pk, kind, subject, _meant(kind, subject), actor=actor, reason=reason)


def end_tokens(*, organization_id: UUID, kind: RevocationKind, subject: str, actor: Actor, reason: str) -> None:
    """End the tokens of somebody whose right to them has just ended; nothing is written when there are none.

    It asks for no permission: the change that it follows has done so. The organization's scope is open.
    """
    rows = _meant(kind, subject)
    if rows.exists():
        _end(organization_id, kind, subject, rows, actor=actor, reason=reason)


def _end(
    organization_id: UUID,
    kind: RevocationKind,
    subject: str,
    rows: "QuerySet[Any]",
    *,
    actor: Actor,
    reason: str,
    project_id: UUID | None = None,
) -> TokenRevocation:
    now = timezone.now()
    # A token that followed another revocation may have been issued a moment ahead.
    newest = rows.aggregate(newest=Max("issued_at"))["newest"] or now
    rows.update(revoked_at=now)
    revocation = TokenRevocation(
        organization_id=organization_id,
        kind=kind,
        subject=subject,
        issued_up_to=max(now, newest),
        until=now + _LASTS,
        reason=reason,
        created_by=actor.label[:320],
    )
    revocation.save(force_insert=True)
    if kind is RevocationKind.PROJECT:
        project_id = UUID(subject)
    project = Project.objects.filter(pk=project_id).first() if project_id else None
    signals.tokens_revoked.announce(revocation, actor=actor, after=snapshot(revocation), project=project, reason=reason)
    return revocation


def _meant(kind: RevocationKind, subject: str) -> "QuerySet[Any]":
    """Return the tokens that are still good and would end."""
    rows: QuerySet[Any] = IssuedToken.objects.filter(revoked_at=None, expires_at__gt=timezone.now())
    match kind:
        case RevocationKind.ACTOR:
            return rows.filter(actor_id=subject)
        case RevocationKind.KEY:
            return rows.filter(claims__client_id=subject)
        case RevocationKind.PROJECT:
            return rows.filter(project_id=subject)
        case _:
            return rows


def _subject(kind: RevocationKind, subject: str) -> str:
    """Return the subject in its one form.

    Raises:
        DomainError: there is none like it here.
    """
    match kind:
        case RevocationKind.ORGANIZATION:
            return ""
        case RevocationKind.KEY:
            keys = ApiKey.objects.filter(pk=subject) if is_uuid(subject) else ApiKey.objects.filter(public_id=subject)
            found = keys.values_list("public_id", flat=True).first()
        case RevocationKind.PROJECT:
            projects = Project.objects.filter(pk=subject) if is_uuid(subject) else Project.objects.filter(slug=subject)
            found = projects.values_list("pk", flat=True).first()
        case RevocationKind.ACTOR:
            known = is_uuid(subject) and IssuedToken.objects.filter(actor_id=subject).exists()
            found = UUID(subject) if known else None
        case _:
            raise DomainError(
                "A single token is revoked by its own page, or by its text.", field="kind", code="invalid"
            )
    if found is None:
        raise DomainError(
            "No token was issued to anybody like that here. Check the id.", field="subject", code="unknown"
        )
    return str(found)


def _is_own(token: IssuedToken, actor: Actor) -> bool:
    """Return whether a token was issued to this key, or speaks for this person."""
    return actor.organization_id == token.organization_id and actor.id in {token.api_key_id, token.actor_id}
