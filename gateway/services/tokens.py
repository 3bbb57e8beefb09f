"""Issuing access tokens: to whom, for what, and the same one again as long as it is good for a while.

Envoy spends more time on a signature than on all the rest of a request, so that it remembers the tokens that it has
checked: whoever asks for the same thing again gets the same token, byte for byte.
"""

import hashlib
import json
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connections, transaction
from django.utils import timezone

from accounts.key_format import KeyKind
from accounts.key_record import KeyRecord
from accounts.models import ServiceAccount
from audit.redaction import snapshot
from gateway import signals
from gateway.claims import Claims, Revocations, sign
from gateway.models import ActorType, IssuedToken, Provider, ProxySettings
from gateway.signing import Signer, current_signer
from isolation.actor import Actor
from isolation.context import current_origin
from isolation.exceptions import DomainError
from isolation.identifiers import is_uuid
from isolation.scope import APP
from tenants.models import Organization, Project
from tenants.permissions import PERMISSIONS, P
from tenants.services.rules import hold_organization

LONGEST_MODEL = 120
_AGAIN = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_REVOCATIONS = "SELECT gateway_revocations(%s)"


class TokenDenied(DomainError):  # noqa: N818 - reads as the statement it is
    """A token is not issued; `code` is what RFC 6749 section 5.2 and RFC 8693 section 2.2.2 call the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message, code=code)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a token is asked for.

    Attributes:
        project: by id or identifier, "" for the key's own.
        scope: the names, none for ``llm:invoke`` alone.
        audiences: whom it is for, none for all of the organization's.
        model_provider, model_name: what it is to be limited to, "" for nothing.
        streaming: what the caller states, None for nothing.
    """

    project: str = ""
    scope: Collection[str] = ()
    audiences: Collection[str] = ()
    model_provider: str = ""
    model_name: str = ""
    streaming: bool | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """A token.

    Attributes:
        text: the token itself; it is stored nowhere.
        seconds: how long it is still valid.
        scope: what it allows.
        row: what is kept of it.
        is_new: whether it was made now.
    """

    text: str = field(repr=False)
    seconds: int
    scope: tuple[str, ...]
    row: IssuedToken
    is_new: bool


@dataclass(frozen=True, slots=True)
class _Bearer:
    """Whom a token speaks for."""

    actor_type: ActorType
    id: UUID
    label: str
    user_id: UUID | None = None


@transaction.atomic
def issue_token(*, organization: Organization, actor: Actor, key: KeyRecord | None, asked: Asked) -> Issued:
    """Return a token with which an actor calls models in one project; the organization's scope is open.

    Args:
        organization: where.
        actor: who asks, with the authority of now; a person by their session, or a key.
        key: the key that asks, None for a session.
        asked: what for.

    Raises:
        TokenDenied: the proxy is off, the project is not theirs or is being deleted, or they ask for more than they
            hold.
        MissingPermission: they see the project and may not call models there.
        NoSigningKey: nothing can be signed now.
        VaultError: the key that signs cannot be unwrapped.
    """
    chosen = ProxySettings.of(organization.pk)
    if organization.is_being_deleted:
        raise TokenDenied("unauthorized_client", "The organization is being deleted. Its owners can call that off.")
    if not chosen.is_enabled:
        raise TokenDenied(
            "unauthorized_client",
            "The LLM auth proxy is off in this organization. Who may change its settings switches it on, on the page "
            "“LLM auth proxy”.",
        )
    project = _project(actor, key, asked.project)
    bearer = _bearer(actor, key)
    signer, now = current_signer(), time.time()
    ends = now + chosen.token_seconds
    if key is not None and key.ends_at is not None:
        ends = min(ends, key.ends_at.timestamp())
    claims = Claims(
        issuer=settings.JWT_ISSUER,
        audiences=_audiences(chosen, asked.audiences),
        subject=str(bearer.id),
        issued_at=int(now),
        not_before=int(now),
        expires_at=int(ends),
        id=secrets.token_urlsafe(18),
        actor_type=str(bearer.actor_type),
        organization_id=str(organization.pk),
        project_id=str(project.pk),
        environment=project.environment,
        request_id=current_origin().request_id,
        scope=_scope(actor, project, asked.scope),
        user_id=str(bearer.user_id) if bearer.user_id else None,
        client_id=key.public_id if key is not None else None,
        model_provider=_provider(asked.model_provider),
        model_name=_model(asked.model_name),
        streaming=asked.streaming,
    )
    digest = _digest(claims, chosen, signer)
    known = _alive(organization.pk, digest, now)
    if known is not None:
        return _given_again(known, signer, now)
    hold_organization(organization.pk)
    with connections[APP].cursor() as cursor:
        cursor.execute(_AGAIN, [f"token {digest.hex()}"])
        cursor.execute(_REVOCATIONS, [organization.pk])
        revocations = Revocations((kind, subject, last) for kind, subject, last in _json(cursor.fetchone()[0]))
    known = _alive(organization.pk, digest, now)
    if known is not None:
        return _given_again(known, signer, now)
    # What was revoked ends with a second: a token of that same second would be refused with them.
    claims = replace(claims, issued_at=max(claims.issued_at, revocations.last(claims) + 1))
    if claims.expires_at <= claims.issued_at:
        raise TokenDenied("unauthorized_client", "The key ends in this very second.")
    document = claims.document(langsmith=chosen.emits_langsmith_names)
    row = IssuedToken(
        organization_id=organization.pk,
        jti=claims.id,
        project_id=project.pk,
        actor_type=bearer.actor_type,
        actor_id=bearer.id,
        actor_label=bearer.label[:320],
        api_key_id=key.key_id if key is not None else None,
        digest=digest,
        claims=document,
        kid=signer.kid,
        issued_at=_moment(claims.issued_at),
        expires_at=_moment(claims.expires_at),
    )
    row.save(force_insert=True)
    signals.token_issued.announce(row, actor=actor, after=snapshot(row) | _told(claims), project=project)
    return Issued(_text(row, signer), int(claims.expires_at - now), tuple(sorted(claims.scope)), row, is_new=True)


def forget_expired_tokens(*, kept: timedelta, most: int) -> int:
    """Delete what is kept of tokens that expired long ago, in the organization whose scope is open.

    Args:
        kept: how long after its end a token still stands in the list.
        most: how many at once.

    Returns:
        How many went.
    """
    over = IssuedToken.objects.filter(expires_at__lt=timezone.now() - kept).values("pk")[:most]
    gone: int = IssuedToken.objects.filter(pk__in=over).delete()[0]
    return gone


def _project(actor: Actor, key: KeyRecord | None, reference: str) -> Project:
    """Return the project that a token is for.

    Raises:
        TokenDenied: none is named, the actor has none of that name, or it is being deleted.
        MissingPermission: they may call models nowhere, or see the project and may not do so there.
    """
    if not actor.authority.allows_somewhere(P.LLM_INVOKE):
        actor.require(P.LLM_INVOKE)
    if not reference:
        if key is None or key.project_id is None:
            raise TokenDenied(
                "invalid_request",
                "Name the project in the parameter “project”, by its identifier or id: this credential is for several.",
            )
        lookup: dict[str, Any] = {"pk": key.project_id}
    else:
        lookup = {"pk": reference} if is_uuid(reference) else {"slug": reference}
    project: Project | None = Project.objects.filter(**lookup).first()
    if project is None or not (actor.can(P.LLM_INVOKE, project) or actor.can(P.PROJECTS_READ, project)):
        raise TokenDenied(
            "invalid_target",
            "There is no such project for this credential. Check the identifier, and which project the key belongs to.",
        )
    actor.require(P.LLM_INVOKE, project)
    if project.is_being_deleted:
        raise TokenDenied("invalid_target", "The project is being deleted. Who may delete it can call that off.")
    return project


def _bearer(actor: Actor, key: KeyRecord | None) -> _Bearer:
    """Return whom the token speaks for: the owner of a personal or service-account key, otherwise the key itself."""
    if key is None:
        assert actor.id is not None  # noqa: S101 - a session is somebody's
        return _Bearer(ActorType.USER, actor.id, actor.label, actor.id)
    if key.kind == KeyKind.PERSONAL and key.user_id is not None:
        return _Bearer(ActorType.USER, key.user_id, key.user_email or "", key.user_id)
    if key.kind == KeyKind.SERVICE_ACCOUNT and key.service_account_id is not None:
        kind = ServiceAccount.objects.values_list("kind", flat=True).get(pk=key.service_account_id)
        return _Bearer(ActorType(kind), key.service_account_id, key.service_account or "")
    return _Bearer(ActorType.API_KEY, key.key_id, key.name)


def _scope(actor: Actor, project: Project, names: Collection[str]) -> frozenset[str]:
    """Return the scope of a token.

    Raises:
        TokenDenied: a name is unknown, is not held in the project, or ``llm:invoke`` is not among them.
    """
    if not names:
        return frozenset({str(P.LLM_INVOKE)})
    if unknown := sorted(set(names) - PERMISSIONS.keys()):
        raise TokenDenied("invalid_scope", f"There is no scope {unknown[0]}. GET /api/v1/permissions lists them all.")
    if P.LLM_INVOKE not in names:
        raise TokenDenied("invalid_scope", "The scope has to have llm:invoke: tokens are for calling models.")
    if missing := sorted(name for name in names if not actor.can(name, project)):
        raise TokenDenied(
            "invalid_scope",
            f"This credential does not hold {missing[0]} in the project, and gives no more than it has.",
        )
    return frozenset(str(name) for name in names)


def _audiences(chosen: ProxySettings, asked: Collection[str]) -> tuple[str, ...]:
    if foreign := sorted(set(asked) - set(chosen.audiences)):
        raise TokenDenied(
            "invalid_target",
            f"The organization issues no tokens for {foreign[0][:200]}. Its audiences: {', '.join(chosen.audiences)}.",
        )
    return tuple(audience for audience in chosen.audiences if not asked or audience in asked)


def _provider(name: str) -> str:
    if name and name not in Provider.values:
        raise TokenDenied("invalid_request", f"model_provider is one of {', '.join(Provider.values)}.")
    return name


def _model(name: str) -> str:
    if len(name) > LONGEST_MODEL or not name.isprintable():
        raise TokenDenied(
            "invalid_request", f"model_name has at most {LONGEST_MODEL} characters, all of them printable."
        )
    return name


def _digest(claims: Claims, chosen: ProxySettings, signer: Signer) -> bytes:
    """Return what is the same for requests that get the same token: everything but moments and ids of their own."""
    same = replace(claims, issued_at=0, not_before=0, expires_at=0, id="", request_id="")
    deciding = [same.document(langsmith=chosen.emits_langsmith_names), chosen.token_seconds, signer.kid]
    return hashlib.sha256(json.dumps(deciding, sort_keys=True, separators=(",", ":")).encode()).digest()


def _alive(organization_id: UUID, digest: bytes, now: float) -> IssuedToken | None:
    """Return the newest such token, if at least half of its life is left."""
    rows = IssuedToken.objects.filter(organization_id=organization_id, digest=digest, revoked_at=None)
    row: IssuedToken | None = rows.order_by("-expires_at").first()
    if row is None or row.expires_at.timestamp() - now < (row.expires_at - row.issued_at).total_seconds() / 2:
        return None
    return row


def _given_again(row: IssuedToken, signer: Signer, now: float) -> Issued:
    scope = tuple(row.claims["scope"].split())
    return Issued(_text(row, signer), int(row.expires_at.timestamp() - now), scope, row, is_new=False)


def _text(row: IssuedToken, signer: Signer) -> str:
    return sign(row.claims, kid=signer.kid, key=signer.private)


def _told(claims: Claims) -> dict[str, Any]:
    """Return what the event tells besides the row."""
    told: dict[str, Any] = {"scope": " ".join(sorted(claims.scope)), "audiences": sorted(claims.audiences)}
    stated = {"model_provider": claims.model_provider, "model_name": claims.model_name}
    return told | {name: value for name, value in stated.items() if value}


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
