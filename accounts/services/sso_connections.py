"""Changes to the connections through which people of an organization sign in."""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID, uuid4

from django.db import models, transaction
from django.utils import timezone

from accounts import signals
from accounts.models import Joining, ScimConnection, SsoConnection, SsoIdentity, SsoProtocol, SsoProvider
from accounts.models.sso import LONGEST_URL
from accounts.saml_providers import saml_claims
from accounts.sso.exceptions import SignInRefused
from accounts.sso.oidc.discovery import discover, fetch_keys
from accounts.sso.saml.certificates import Certificate
from accounts.sso.saml.idp_metadata import IdpMetadata, fetch, parse
from audit.redaction import snapshot
from isolation.actor import SYSTEM, Actor
from isolation.exceptions import DomainError
from outbound.exceptions import OutboundError
from tenants.grantors import who_holds
from tenants.models import Domain, Organization
from tenants.permissions import P
from tenants.services.domains import check_domain_name
from tenants.services.naming import check_name
from tenants.services.rules import lock_organization, one_of_a_kind, own_row

from .key_rules import check_text
from .saml_keys import make_saml_key
from .scim_connections import role_of_new_people
from .sso_requirement import refuse_ending_last_way


@transaction.atomic
def create_sso_connection(
    *,
    organization: Organization,
    name: str,
    issuer: str,
    client_id: str,
    client_secret: str,
    actor: Actor,
    connection_id: UUID | None = None,
    **values: Any,
) -> SsoConnection:
    """Create a connection to an OpenID provider; people sign in through it once it is switched on.

    Args:
        organization: whose people.
        name: what people read.
        issuer: the provider's issuer identifier, an https address; what it says of itself is fetched now.
        client_id: of the client that was registered at the provider.
        client_secret: its secret; "": a client without one.
        actor: who creates it.
        connection_id: the row's id, for a form that shows the redirect URI before the connection is there.
        values: provider, scopes, email_claim, name_claim, external_id_claim, groups_claim, domains, joining, role,
            scim_connection, ends_at_provider.

    Raises:
        MissingPermission: without ``sso:manage``.
        DomainError: a value is refused, or the provider cannot be reached.
    """
    connection = _new(organization, actor, connection_id, SsoProtocol.OIDC)
    _set(connection, {"name": name, "issuer": issuer, "client_id": client_id, **values}, actor)
    connection.client_secret = _checked_secret(client_secret)
    _ask(connection)
    with one_of_a_kind(SsoConnection, field="name"):
        connection.save(force_insert=True)
    signals.sso_connection_created.announce(connection, actor=actor, after=snapshot(connection))
    return connection


@transaction.atomic
def create_saml_connection(
    *,
    organization: Organization,
    name: str,
    actor: Actor,
    metadata_url: str = "",
    metadata_xml: str = "",
    connection_id: UUID | None = None,
    **values: Any,
) -> SsoConnection:
    """Create a connection to a SAML 2.0 identity provider, with a key pair of ours; it is off at first.

    Args:
        organization: whose people.
        name: what people read.
        actor: who creates it.
        metadata_url: where the provider's metadata stand: fetched now, then daily.
        metadata_xml: the metadata themselves, where there is no such address; one of the two.
        connection_id: the row's id, for a form that shows our addresses before the connection is there.
        values: provider, subject_attribute, signs_requests, allows_idp_initiated, email_claim, name_claim,
            external_id_claim, groups_claim, domains, joining, role. Names of attributes that are left out are those
            that the provider sends by itself.

    Raises:
        MissingPermission: without ``sso:manage``.
        DomainError: a value is refused, or the metadata cannot be used.
    """
    connection = _new(organization, actor, connection_id, SsoProtocol.SAML)
    connection.scopes = ""
    defaults = {"signs_requests": True, **saml_claims(values.get("provider", SsoProvider.OTHER))}
    _set(connection, {"name": name, **defaults, **values}, actor)
    _take_metadata(connection, metadata_url, metadata_xml)
    with one_of_a_kind(SsoConnection, field="name"):
        connection.save(force_insert=True)
    signals.sso_connection_created.announce(connection, actor=actor, after=snapshot(connection))
    make_saml_key(connection, actor=actor, is_signing=True)
    return connection


@transaction.atomic
def update_sso_connection(
    *,
    connection: SsoConnection,
    actor: Actor,
    client_secret: str | None = None,
    metadata_url: str | None = None,
    metadata_xml: str = "",
    **values: Any,
) -> SsoConnection:
    """Change a connection. With another issuer everybody is somebody new to it: old identities stay behind.

    Where the provider makes owners, that ends with whatever says whose word it is, or of whom: an owner allows it anew.

    Args:
        connection: the connection.
        actor: who changes it.
        client_secret: a new one; None: it stays, "": a client without a secret. Another issuer takes one of the two: it
            never gets the secret that was made by the one before.
        metadata_url: of a SAML connection: where its provider's metadata stand from now on; None: as before.
        metadata_xml: of a SAML connection: new metadata, instead of those at an address.
        values: any of those that `create_sso_connection` takes, or `create_saml_connection`.

    Raises:
        MissingPermission: without ``sso:manage``.
        DomainError: a value is refused, a secret is missing, the provider cannot be reached, or owners come by a SAML
            connection and somebody who is none would change who says that it is them.
    """
    actor.require(P.SSO_MANAGE, connection)
    stored: SsoConnection = own_row(SsoConnection, connection.pk, related=("role", "scim_connection"))
    before, issuer, trusted = snapshot(stored), stored.issuer, _trusted(stored)
    vouching, owner_value = _vouching(stored), stored.owner_value
    _set(stored, values, actor)
    if metadata_xml or (metadata_url is not None and metadata_url != stored.metadata_url):
        _check_is_saml(stored, "metadata_url")
        _take_metadata(stored, "" if metadata_xml else metadata_url or "", metadata_xml)
    if stored.is_saml and _trusted(stored) != trusted:
        _refuse_speaking_for_owners(stored, actor)
    if client_secret is not None and stored.is_saml:
        raise DomainError("A SAML connection has no client secret.", field="client_secret", code="invalid")
    if client_secret is not None:
        stored.client_secret = _checked_secret(client_secret)
    if stored.issuer != issuer:
        refuse_ending_last_way(stored, what=f"{stored} cannot have another issuer, to whom nobody is known yet")
    if stored.issuer != issuer and not stored.is_saml:
        _ask(stored)
        if client_secret is None and stored.client_secret is not None:
            raise DomainError(
                "Enter the client secret of this issuer: the stored one belongs to the issuer before, and is not sent "
                "to another.",
                field="client_secret",
                code="required",
            )
    if _vouching(stored) != vouching:
        stored.owner_value = ""
    with one_of_a_kind(SsoConnection, field="name"):
        stored.save()
    signals.sso_connection_updated.announce(stored, actor=actor, before=before, after=snapshot(stored))
    if stored.owner_value != owner_value:
        _announce_owners_ended(stored, owner_value, actor)
    return stored


@transaction.atomic
def set_sso_enabled(*, connection: SsoConnection, enabled: bool, actor: Actor) -> SsoConnection:
    """Let people sign in through a connection, or end that at once: who came through it is out with the next request.

    Raises:
        MissingPermission: without ``sso:manage``.
    """
    actor.require(P.SSO_MANAGE, connection.organization)
    lock_organization(connection.organization_id)  # the policy may come to require it at this moment
    stored: SsoConnection = own_row(SsoConnection, connection.pk)
    if stored.is_enabled == enabled:
        return stored
    before = snapshot(stored)
    stored.is_enabled = enabled
    if not enabled:
        refuse_ending_last_way(stored, what=f"{stored} cannot be switched off")
        stored.closed_at = timezone.now()
    stored.save(update_fields=["is_enabled", "closed_at"])
    signal = signals.sso_connection_enabled if enabled else signals.sso_connection_disabled
    signal.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


def refresh_sso_connection(*, connection: SsoConnection) -> None:
    """Fetch again what a provider says of itself; the daily task calls this. What is stored stays when that fails.

    Raises:
        DomainError: the provider cannot be reached, names another issuer, or gave its metadata as a file.
    """
    if connection.is_saml:
        _refresh_metadata(connection)
        return
    _ask(connection)  # no row is locked while the provider thinks
    fetched = {name: getattr(connection, name) for name in ("metadata", "metadata_at", "keys", "keys_at")}
    SsoConnection.objects.filter(pk=connection.pk, issuer=connection.issuer).update(**fetched)


def _refresh_metadata(connection: SsoConnection) -> None:
    """Take what stands at the metadata's address now; other certificates are an event."""
    if not connection.metadata_url:
        raise DomainError(
            "The metadata of this connection were given as XML. Give new ones, or the address where they stand.",
            field="metadata_url",
            code="required",
        )
    found = _parsed(_fetched(connection.metadata_url), "metadata_url")  # no row is locked while the provider thinks
    if found.entity_id != connection.issuer:
        raise DomainError(
            f"The metadata at this address name another identity provider by now: {found.entity_id[:200]}. Enter the "
            "address again, if that is right: everybody is somebody new to it then.",
            field="metadata_url",
            code="provider_unusable",
        )
    metadata, keys = found.stored()
    with transaction.atomic():
        rows = SsoConnection.objects.select_for_update(of=("self",))
        stored = rows.filter(pk=connection.pk, issuer=connection.issuer, metadata_url=connection.metadata_url).first()
        if stored is None:
            return
        if (stored.metadata, stored.keys) != (metadata, keys):
            signals.sso_metadata_changed.announce(
                stored, actor=SYSTEM, before=_fingerprints(stored), after={"certificates": _listed(found)}
            )
        now = timezone.now()
        changed: dict[str, Any] = {"metadata": metadata, "keys": keys, "metadata_at": now, "keys_at": now}
        if stored.owner_value and stored.keys != keys:
            changed["owner_value"] = ""
            _announce_owners_ended(stored, stored.owner_value, SYSTEM)
        SsoConnection.objects.filter(pk=stored.pk).update(**changed)


@transaction.atomic
def delete_sso_connection(*, connection: SsoConnection, actor: Actor) -> None:
    """Delete a connection with its identities; members stay, and sign in otherwise.

    Raises:
        MissingPermission: without ``sso:manage``.
    """
    actor.require(P.SSO_MANAGE, connection.organization)
    lock_organization(connection.organization_id)
    stored: SsoConnection = own_row(SsoConnection, connection.pk)
    refuse_ending_last_way(stored, what=f"{stored} cannot be deleted")
    signals.sso_connection_deleted.announce(stored, actor=actor, before=snapshot(stored))
    stored.delete()


@transaction.atomic
def unlink_identity(*, identity: SsoIdentity, actor: Actor) -> None:
    """Forget how an issuer knows a member; their next sign-in is recognized by address or externalId again.

    Raises:
        MissingPermission: without ``sso:manage``.
    """
    actor.require(P.SSO_MANAGE, identity)
    stored: SsoIdentity = own_row(SsoIdentity, identity.pk, related=("membership__user", "connection"))
    signals.sso_identity_unlinked.announce(stored, actor=actor, before=snapshot(stored))
    stored.delete()


def _new(organization: Organization, actor: Actor, connection_id: UUID | None, protocol: SsoProtocol) -> SsoConnection:
    actor.require(P.SSO_MANAGE, organization)
    organization = own_row(Organization, organization.pk, lock=False)
    if organization.is_being_deleted:
        raise DomainError("This organization is being deleted; nothing new can be made in it.", code="being_deleted")
    return SsoConnection(
        id=connection_id or uuid4(), organization=organization, protocol=protocol, created_by=actor.label[:320]
    )


def _set(connection: SsoConnection, values: dict[str, Any], actor: Actor) -> None:
    if unknown := set(values) - _CHECKS.keys():
        raise TypeError(f"a connection has no {', '.join(sorted(unknown))}")
    for field, value in values.items():
        _check_belongs(connection, field)
        if field == "scim_connection":
            connection.scim_connection = value and own_row(ScimConnection, value.pk, lock=False)
        elif field == "domains":
            connection.domains = _domains(value, kept=connection.domains)
        elif field == "role":
            if value != connection.role:
                connection.role = role_of_new_people(value, actor)
        else:
            setattr(connection, field, _CHECKS[field](value))


def _check_belongs(connection: SsoConnection, field: str) -> None:
    """Refuse a value of the other protocol."""
    if field in _SAML_ONLY:
        _check_is_saml(connection, field)
    if field in _OIDC_ONLY and connection.is_saml:
        reason = "comes with the metadata" if field == "issuer" else "belongs to OpenID Connect"
        raise DomainError(f"This is a SAML connection: {field} {reason}.", field=field, code="invalid")


def _check_is_saml(connection: SsoConnection, field: str) -> None:
    if not connection.is_saml:
        raise DomainError(
            f"This connection speaks OpenID Connect: {field} belongs to SAML.", field=field, code="invalid"
        )


def _text(field: str, what: str, longest: int) -> Callable[[str], str]:
    def check(value: str) -> str:
        text = check_text(value, field=field, longest=longest)
        if not text:
            raise DomainError(f"Enter {what}.", field=field, code="required")
        return text

    return check


def _choice(field: str, choices: type[models.TextChoices]) -> Callable[[str], str]:
    def check(value: str) -> str:
        if value not in choices.values:
            raise DomainError(f"Choose one of {', '.join(choices.values)}.", field=field, code="invalid")
        return value

    return check


def _scopes(text: str) -> str:
    scopes = check_text(text, field="scopes", longest=200).split()
    if "openid" not in scopes:
        said = "Keep the scope openid: without it the provider does not say who somebody is."
        raise DomainError(said, field="scopes", code="required")
    return " ".join(dict.fromkeys(scopes))


def _domains(names: Iterable[str], *, kept: Iterable[str]) -> list[str]:
    """Return names of the organization's own domains, each once, in order; their verification may be still to come.

    Args:
        names: as people write them.
        kept: those of before, which may have been removed since: they count for nothing, and stand in no change's way.
    """
    checked = sorted({check_domain_name(name) for name in names})
    known = {*kept, *Domain.objects.filter(name__in=checked).values_list("name", flat=True)}
    for name in checked:
        if name not in known:
            raise DomainError(
                f"{name} is no domain of this organization. Add it first.", field="domains", code="unknown"
            )
    return checked


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "name": check_name,
    "provider": _choice("provider", SsoProvider),
    "issuer": _text("issuer", "the issuer", LONGEST_URL),
    "client_id": _text("client_id", "the client ID", 255),
    "email_claim": _text("email_claim", "the claim with the e-mail address", 120),
    "name_claim": _text("name_claim", "the claim with the name", 120),
    "external_id_claim": _text("external_id_claim", "the claim with the externalId", 120),
    "domains": lambda names: names,
    "groups_claim": lambda text: check_text(text, field="groups_claim", longest=120),
    "scopes": _scopes,
    "subject_attribute": lambda text: check_text(text, field="subject_attribute", longest=120),
    "signs_requests": bool,
    "allows_idp_initiated": bool,
    "joining": _choice("joining", Joining),
    "role": lambda role: role,
    "scim_connection": lambda connection: connection,
    "ends_at_provider": bool,
}
_OIDC_ONLY = frozenset({"issuer", "client_id", "scopes"})
_SAML_ONLY = frozenset({"subject_attribute", "signs_requests", "allows_idp_initiated"})


def _checked_secret(secret: str) -> str | None:
    return check_text(secret, field="client_secret", longest=2_000) or None


def _ask(connection: SsoConnection) -> None:
    """Fetch what the provider says of itself, and its keys.

    Raises:
        DomainError: that fails.
    """
    try:
        connection.metadata = discover(connection.issuer)
        connection.keys = fetch_keys(connection.metadata["jwks_uri"])
    except OutboundError as error:
        raise DomainError(error.detail, field="issuer", code="provider_unusable") from error
    connection.metadata_at = connection.keys_at = timezone.now()


def _take_metadata(connection: SsoConnection, url: str, xml: str) -> None:
    """Take over a SAML provider's metadata, from an address or as they are.

    Raises:
        DomainError: they cannot be fetched or used, or there are none.
    """
    url = check_text(url, field="metadata_url", longest=LONGEST_URL)
    field = "metadata_url" if url else "metadata_xml"
    if bool(url) == bool(xml.strip()):
        raise DomainError(
            "Give the address of the provider's metadata, or the metadata themselves: one of the two.",
            field="metadata_url",
            code="required",
        )
    found = _parsed(_fetched(url) if url else xml.encode(errors="replace"), field)
    connection.issuer, connection.metadata_url = found.entity_id, url
    connection.metadata, connection.keys = found.stored()
    connection.metadata_at = connection.keys_at = timezone.now()


def _fetched(url: str) -> bytes:
    try:
        return fetch(url)
    except OutboundError as error:
        raise DomainError(error.detail, field="metadata_url", code="provider_unusable") from error


def _parsed(content: bytes, field: str) -> IdpMetadata:
    try:
        return parse(content)
    except SignInRefused as error:
        raise DomainError(error.reason, field=field, code="provider_unusable") from error
    except OutboundError as error:
        raise DomainError(error.detail, field=field, code="provider_unusable") from error


def _trusted(connection: SsoConnection) -> tuple[Any, ...]:
    """Return what makes a SAML provider's word count: whoever signs as this entity ID says who everybody is."""
    return connection.issuer, connection.metadata_url, connection.keys, connection.subject_attribute


def _vouching(connection: SsoConnection) -> tuple[Any, ...]:
    """Return what an owner relied on who let the provider make owners: who speaks, about whom, and in which claim."""
    return (
        *_trusted(connection),
        connection.client_id,
        connection.scopes,
        connection.email_claim,
        connection.external_id_claim,
        connection.groups_claim,
        connection.scim_connection_id,
    )


def _announce_owners_ended(connection: SsoConnection, value: str, actor: Actor) -> None:
    signals.sso_owners_ended.announce(
        connection,
        actor=actor,
        before={"owner_value": value},
        after={"owner_value": ""},
        reason="What the owner relied on who allowed it has changed",
    )


def _refuse_speaking_for_owners(connection: SsoConnection, actor: Actor) -> None:
    """Refuse that somebody who is no owner has owners named by another key, or by another attribute.

    Anybody can write metadata with the same entity ID and a certificate of their own.

    Raises:
        DomainError: with code ``above_own_permissions``.
    """
    if actor.can(P.ORGANIZATION_DELETE, connection.organization):
        return
    owners = who_holds(P.ORGANIZATION_DELETE)
    known = SsoIdentity.objects.filter(connection=connection, issuer=connection.issuer, membership__in=owners)
    if known.exists():
        raise DomainError(
            f"Owners come in through {connection}. An owner has to change its metadata, and what says who somebody is: "
            "with a key of somebody else's, that would speak for them.",
            code="above_own_permissions",
        )


def _fingerprints(connection: SsoConnection) -> dict[str, Any]:
    bodies = connection.keys.get("certificates", [])
    return {"certificates": [Certificate.of(body).fingerprint for body in bodies]}


def _listed(found: IdpMetadata) -> list[str]:
    return [certificate.fingerprint for certificate in found.certificates]
