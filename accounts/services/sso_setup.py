"""Links by which an IT contact who is no member sets up a single sign-on connection, and nothing else.

Who holds a link is nobody we know: the actor is anonymous, with the link's id and a label that says which link it was.
Its authority is the one connection of the link. A connection that is on, or has been, is out of its reach: otherwise
the holder could turn it to an identity provider of their own, and come in as anybody.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts import signals
from accounts.authority import SetupAuthority
from accounts.lookups import sso_setup_link_by_digest
from accounts.mails import send_setup_finished
from accounts.models import SsoConnection, SsoProtocol, SsoProvider, SsoSetupLink
from accounts.models.sso_setup import LONGEST_RECIPIENT
from audit.redaction import snapshot
from console.links import root_url
from isolation.actor import Actor, ActorKind
from isolation.exceptions import DomainError
from tenants.models import Domain, Organization
from tenants.permissions import P
from tenants.services.domains import prove_domain
from tenants.services.rules import locked_organization, own_row

from .key_rules import check_text
from .sso_connections import (
    create_saml_connection,
    create_sso_connection,
    refresh_sso_connection,
    update_sso_connection,
)

MOST_DAYS = 7
USUAL_DAYS = 3
MOST_OPEN = 20
_TOKEN_BYTES = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_NAMES = frozenset({"provider", "email_claim", "name_claim", "external_id_claim"})
_OIDC = _NAMES | {"issuer", "client_id", "client_secret", "scopes"}
_SAML = _NAMES | {"metadata_url", "metadata_xml", "subject_attribute", "signs_requests"}


@dataclass(frozen=True, slots=True)
class IssuedSetupLink:
    """A link with the token of its address, which exists only here and in the answer that shows it."""

    link: SsoSetupLink
    token: str = field(repr=False)  # never in a log or a traceback

    @property
    def url(self) -> str:
        """Return the address to hand over."""
        return setup_url(self.token)


def new_setup_token() -> str:
    """Return a token for a link that is yet to be made."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def setup_url(token: str) -> str:
    """Return the address that a token makes, to be handed over."""
    return f"{settings.PUBLIC_URL}{root_url(f'sso/setup/{token}/')}"


@transaction.atomic
def create_setup_link(
    *,
    organization: Organization,
    recipient: str,
    actor: Actor,
    days: int = USUAL_DAYS,
    link_id: UUID | None = None,
    token: str = "",
) -> IssuedSetupLink:
    """Make a link for somebody who is no member; whoever holds it can set up one connection.

    Args:
        organization: whose single sign-on.
        recipient: for whom, an e-mail address or a name; nothing is sent there.
        actor: who invites.
        days: how long it counts, 7 at most.
        link_id: the row's id, for a form that counts once.
        token: one of `new_setup_token`, for who has to know the address before; "": a new one.

    Raises:
        MissingPermission: without ``sso:manage``.
        DomainError: a value is refused, the organization is being deleted, or there are too many open links.
    """
    actor.require(P.SSO_MANAGE, organization)
    organization = locked_organization(organization.pk)
    if organization.is_being_deleted:
        raise DomainError("This organization is being deleted; nothing new can be made in it.", code="being_deleted")
    recipient = " ".join(check_text(recipient, field="recipient", longest=LONGEST_RECIPIENT).split())
    if not recipient:
        raise DomainError("Say for whom the link is.", field="recipient", code="required")
    if not 1 <= days <= MOST_DAYS:
        raise DomainError(f"A link counts 1 to {MOST_DAYS} days.", field="days", code="invalid")
    now = timezone.now()
    if SsoSetupLink.objects.filter(finished_at=None, revoked_at=None, expires_at__gt=now).count() >= MOST_OPEN:
        raise DomainError(f"There are {MOST_OPEN} open links at most. Revoke one first.", code="too_many")
    if token and not _TOKEN.fullmatch(token):
        said = "This is no token for a set-up link. `manage.py sso_connection setup-token` makes one."
        raise DomainError(said, field="token", code="invalid")
    token = token or new_setup_token()
    link = SsoSetupLink(
        id=link_id or uuid4(),
        organization=organization,
        recipient=recipient,
        token_digest=_digest(token),
        created_by=actor.label[:320],
        expires_at=now + timedelta(days=days),
    )
    try:
        with transaction.atomic():
            link.save(force_insert=True)
    except IntegrityError as error:
        raise DomainError(
            "This token has made a link already. Make another one.", field="token", code="duplicate"
        ) from error
    signals.sso_setup_link_created.announce(link, actor=actor, after=snapshot(link))
    return IssuedSetupLink(link, token)


@transaction.atomic
def revoke_setup_link(*, link: SsoSetupLink, actor: Actor) -> SsoSetupLink:
    """Let a link open nothing any more; what was set up by it stays.

    Raises:
        MissingPermission: without ``sso:manage``.
        DomainError: it is not open any more.
    """
    actor.require(P.SSO_MANAGE, link)
    stored: SsoSetupLink = own_row(SsoSetupLink, link.pk)
    if not stored.is_open:
        raise DomainError(f"This link is {stored.state} already.", code="closed")
    before = snapshot(stored)
    stored.revoked_at = timezone.now()
    stored.save(update_fields=["revoked_at"])
    signals.sso_setup_link_revoked.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


def was_made_by(token: str) -> bool:
    """Return whether a token has made a link of the organization whose scope is open."""
    found: bool = SsoSetupLink.objects.filter(token_digest=_digest(token)).exists()
    return found


def find_setup_link(token: str) -> tuple[UUID, UUID] | None:
    """Return (organization id, link id) for the token of a link, or None."""
    found = sso_setup_link_by_digest(_digest(token))
    return (found[1], found[0]) if found else None


@transaction.atomic
def open_setup_link(*, link: SsoSetupLink) -> None:
    """Write that somebody opened a link, and from where.

    Raises:
        DomainError: it is not open any more.
    """
    stored = _held(link)
    signals.sso_setup_link_opened.announce(stored, actor=holder_of(stored))


@transaction.atomic
def set_up_connection(*, link: SsoSetupLink, protocol: str, **values: Any) -> SsoConnection:
    """Make the link's connection, or change it; its id is known before, and so are our addresses.

    Args:
        link: which the holder shows.
        protocol: how the provider is spoken to; it stays so once the connection is there.
        values: provider, the names of claims, and for OpenID Connect issuer, client_id, client_secret, scopes; for
            SAML metadata_url, metadata_xml, subject_attribute, signs_requests. Who comes in, as what, and into which
            groups is not the holder's to say, nor is the name.

    Raises:
        DomainError: the link is not open any more, the connection is or was switched on, or a value is refused.
        TypeError: a value that a holder has nothing to say about.
    """
    stored = _held(link)
    connection = _connection(stored)
    if connection is not None:
        protocol = connection.protocol
    if unknown := set(values) - (_SAML if protocol == SsoProtocol.SAML else _OIDC):
        raise TypeError(f"a set-up link does not set {', '.join(sorted(unknown))}")
    actor = holder_of(stored)
    if connection is not None:
        return update_sso_connection(connection=connection, actor=actor, **values)
    shared: dict[str, Any] = {
        "organization": stored.organization,
        "name": _free_name(values.get("provider", SsoProvider.OTHER)),
        "connection_id": stored.reserved_id,
        "actor": actor,
    }
    if protocol == SsoProtocol.SAML:
        connection = create_saml_connection(**shared, **values)
    else:
        connection = create_sso_connection(**shared, **values)
    stored.connection = connection
    stored.save(update_fields=["connection"])  # its event is that of the new connection
    return connection


def refresh_connection(*, link: SsoSetupLink) -> None:
    """Ask the provider of the link's connection again.

    Raises:
        DomainError: the link is not open any more, there is no connection yet, it is or was switched on, or the
            provider cannot be reached.
    """
    connection = testable(link=link)
    holder_of(link).require(P.SSO_MANAGE, connection)
    refresh_sso_connection(connection=connection)


def waiting_domains(link: SsoSetupLink) -> QuerySet[Domain]:
    """Return the domains that the organization of a link has added and whose record is missing: to be published."""
    rows: QuerySet[Domain] = Domain.objects.filter(organization_id=link.organization_id).order_by("name")
    return rows.filter(Q(verified_at=None) | Q(failing_since__isnull=False))


def look_for_domain(*, link: SsoSetupLink, domain_id: UUID) -> Domain:
    """Look for the record of a domain that the organization has named; who has published it proves the domain.

    Raises:
        DomainError: the link is not open any more, no such domain waits, or its record is not there.
    """
    _refuse_closed(link)
    domain = waiting_domains(link).filter(pk=domain_id).first()
    if domain is None:
        raise DomainError("This domain waits for no record any more.", code="gone")
    return prove_domain(domain=domain, actor=holder_of(link))


def testable(*, link: SsoSetupLink) -> SsoConnection:
    """Return the connection with which the holder may begin a test.

    Raises:
        DomainError: the link is not open any more, there is no connection yet, or it is or was switched on.
    """
    _refuse_closed(link)
    connection = _connection(link, lock=False)
    if connection is None:
        raise DomainError("There is no connection yet. Enter what the identity provider gave you first.", code="early")
    return connection


@transaction.atomic
def finish_setup(*, link: SsoSetupLink) -> None:
    """End a link, and tell who manages single sign-on that the connection can be looked at and switched on.

    Raises:
        DomainError: the link is not open any more, or nothing was set up by it yet.
    """
    stored = _held(link)
    if stored.connection_id is None:
        raise DomainError("Nothing is set up yet. Enter what the identity provider gave you first.", code="early")
    before = snapshot(stored)
    stored.finished_at = timezone.now()
    stored.save(update_fields=["finished_at"])
    signals.sso_setup_link_finished.announce(stored, actor=holder_of(stored), before=before, after=snapshot(stored))
    send_setup_finished(stored)


def why_closed(link: SsoSetupLink) -> str:
    """Return why a link opens nothing: its state, "closed" with its organization, or "over"; "" when it is open.

    It is over as soon as its connection has been switched on.
    """
    if not link.is_open:
        return link.state
    if link.organization.is_suspended or link.organization.is_being_deleted:
        return "closed"
    return "over" if link.connection is not None and _was_on(link.connection) else ""


def holder_of(link: SsoSetupLink) -> Actor:
    """Return the actor for whoever holds a link: nobody we know, with the authority of the link alone."""
    return Actor(
        kind=ActorKind.ANONYMOUS,
        id=link.pk,
        label=f"Set-up link for {link.recipient}",
        organization_id=link.organization_id,
        authority=SetupAuthority(link.organization_id, link.reserved_id, is_made=link.connection_id is not None),
    )


def _held(link: SsoSetupLink) -> SsoSetupLink:
    """Return the link, locked, while it is open."""
    stored: SsoSetupLink = own_row(SsoSetupLink, link.pk, related=("organization", "connection"))
    _refuse_closed(stored)
    return stored


def _refuse_closed(link: SsoSetupLink) -> None:
    state = why_closed(link)
    if state == "over":
        raise _over()
    if state:
        raise DomainError(f"This link is {state}. Ask whoever gave it to you for a new one.", code="closed")


def _connection(link: SsoSetupLink, *, lock: bool = True) -> SsoConnection | None:
    """Return the connection that was made by the link, while it was never switched on.

    Raises:
        DomainError: it was.
    """
    if link.connection_id is None:
        return None
    connection: SsoConnection = own_row(SsoConnection, link.connection_id, lock=lock)
    if _was_on(connection):
        raise _over()
    return connection


def _over() -> DomainError:
    return DomainError(
        "The connection has been switched on: from now on the organization's own people change it.", code="closed"
    )


def _was_on(connection: SsoConnection) -> bool:
    return connection.is_enabled or connection.closed_at is not None


def _free_name(provider: str) -> str:
    """Return a name that no connection has: the holder does not hear which others there are."""
    label = str(SsoProvider(provider).label) if provider in SsoProvider.values else "Identity provider"
    taken = {name.lower() for name in SsoConnection.objects.values_list("name", flat=True)}
    names = [label, *(f"{label} {number}" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name.lower() not in taken)


def _digest(token: str) -> bytes:
    """Return the SHA-256 of a link's token; the token has 256 random bits, so that no salt is needed."""
    return hashlib.sha256(token.encode(errors="replace")).digest()
