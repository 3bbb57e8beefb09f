"""Changes to provider credentials: with what LLM requests leave."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from audit.redaction import snapshot
from gateway import signals
from gateway.credential_options import (
    LONGEST_OPTION,
    addresses_in,
    checked_options,
    checked_secret,
    is_offered,
    needs_base_url,
    tail_of,
)
from gateway.models import CredentialKind, Provider, ProviderCredential
from gateway.models.provider_credential import MOST_MODELS
from gateway.upstreams import UnknownUpstream
from isolation.actor import Actor, ActorKind
from isolation.exceptions import DomainError
from tenants.models import Organization, Project
from tenants.permissions import P
from tenants.services.naming import check_name
from tenants.services.rules import hold_organization, one_of_a_kind, own_row

LONGEST_OVERLAP = timedelta(days=30)
MOST_CREDENTIALS = 100
"""Of one project, and of the organization as a whole."""
LOWEST_PRIORITY = 1_000
_LONGEST_PATTERN = 120


@transaction.atomic
def create_provider_credential(
    *,
    organization: Organization,
    name: str,
    provider: str,
    secret: str,
    actor: Actor,
    kind: str = CredentialKind.API_KEY,
    project: Project | None = None,
    base_url: str = "",
    options: Mapping[str, Any] | None = None,
    allowed_models: Iterable[str] = (),
    priority: int = 100,
    is_enabled: bool = True,
    credential_id: UUID | None = None,
) -> ProviderCredential:
    """Add a credential; requests use it at once.

    Args:
        organization: whose.
        name: what people read; unique in the project, or among the organization's own.
        provider: one of `Provider`.
        secret: the API key, the client secret, or what opens the external store.
        actor: who adds it.
        kind: one of `CredentialKind`.
        project: whose requests it is for; None: of every project, after those that the project has itself.
        base_url: where the provider's API is; "": at its public address.
        options: by the names of `gateway.credential_options`.
        allowed_models: names or patterns; none: every model.
        priority: the lowest number is tried first.
        is_enabled: whether requests may use it.
        credential_id: the row's id, for a form that may be sent twice and makes one credential.

    Raises:
        MissingPermission: without ``provider_credentials:manage`` in the project, or in the organization.
        DomainError: a value is refused, or there are too many.
    """
    actor.require(P.PROVIDER_CREDENTIALS_MANAGE, project or organization)
    hold_organization(organization.pk)
    organization = own_row(Organization, organization.pk, lock=False)
    project = own_row(Project, project.pk, lock=False) if project is not None else None
    if organization.is_being_deleted or (project is not None and project.is_being_deleted):
        what = "organization" if organization.is_being_deleted else "project"
        raise DomainError(f"This {what} is being deleted; nothing new can be made in it.", code="being_deleted")
    if provider not in Provider.values:
        raise DomainError(f"A provider is one of {', '.join(Provider.values)}.", field="provider", code="invalid")
    if kind not in CredentialKind.values:
        raise DomainError(f"A kind is one of {', '.join(CredentialKind.values)}.", field="kind", code="invalid")
    if not is_offered(provider, kind):
        raise DomainError(
            f"{CredentialKind(kind).label} is for Amazon Bedrock. Choose another kind.", field="kind", code="invalid"
        )
    if ProviderCredential.objects.filter(project=project).count() >= MOST_CREDENTIALS:
        raise DomainError(
            f"There are {MOST_CREDENTIALS} credentials here. Delete one that you do not need.", code="too_many"
        )
    credential = ProviderCredential(
        id=credential_id or uuid4(),
        organization=organization,
        project=project,
        provider=provider,
        kind=kind,
        is_enabled=is_enabled,
        created_by=actor.label[:320],
    )
    _set(
        credential,
        {
            "name": name,
            "base_url": base_url,
            "options": options or {},
            "allowed_models": allowed_models,
            "priority": priority,
        },
    )
    _take_secret(credential, secret)
    with one_of_a_kind(ProviderCredential, field="name"):
        credential.save(force_insert=True)
    signals.provider_credential_created.announce(
        credential, actor=actor, after=snapshot(credential), project=credential.project
    )
    return credential


@transaction.atomic
def update_provider_credential(
    *, credential: ProviderCredential, actor: Actor, secret: str | None = None, **values: Any
) -> ProviderCredential:
    """Change a credential; its project, provider and kind stay what they are.

    Args:
        credential: the credential.
        actor: who changes it.
        secret: a new one, without keeping the former; None: it stays. With another address it is needed: nothing is
            sent to a place for which it was not given.
        values: name, base_url, options (those that are left out stay), allowed_models, priority.

    Raises:
        MissingPermission: without ``provider_credentials:manage`` on it.
        DomainError: a value is refused.
    """
    stored = _changeable(credential, actor)
    before, leads_to = snapshot(stored), _addresses(stored)
    if "options" in values:
        values["options"] = {**stored.options, **values["options"]}
    _set(stored, values)
    if secret is not None:
        _take_secret(stored, secret)
        _forget_former(stored)
    elif _addresses(stored) != leads_to:
        raise DomainError(
            "With another address, give the secret again: it is not sent where it was not meant for.",
            field="secret",
            code="required",
        )
    if secret is None and snapshot(stored) == before:
        return stored
    with one_of_a_kind(ProviderCredential, field="name"):
        stored.save()
    _announce(signals.provider_credential_updated, stored, actor, before)
    return stored


@transaction.atomic
def rotate_provider_credential(
    *, credential: ProviderCredential, secret: str, actor: Actor, overlap: timedelta = timedelta()
) -> ProviderCredential:
    """Give a credential another secret, which requests use at once.

    Args:
        credential: the credential.
        secret: the new one.
        actor: who rotates it.
        overlap: for how long the former one is kept, to be put back if the new one does not work; 30 days at most.

    Raises:
        MissingPermission: without ``provider_credentials:manage`` on it.
        DomainError: the secret is refused, or is the one that is there.
    """
    stored = _changeable(credential, actor)
    if not timedelta() <= overlap <= LONGEST_OVERLAP:
        raise DomainError(
            f"The former secret can be kept for {LONGEST_OVERLAP.days} days at most.", field="overlap", code="invalid"
        )
    before, former = snapshot(stored), stored.secret.reveal()
    _take_secret(stored, secret)
    if stored.secret.reveal() == former:
        raise DomainError("This is the secret that is in use already. Make a new one.", field="secret", code="same")
    if overlap:
        stored.previous_secret, stored.previous_until = former, timezone.now() + overlap
    else:
        _forget_former(stored)
    stored.rotated_at = timezone.now()
    stored.save()
    _announce(signals.provider_credential_rotated, stored, actor, before)
    return stored


@transaction.atomic
def put_back_former_secret(*, credential: ProviderCredential, actor: Actor) -> ProviderCredential:
    """Let requests use the former secret again; the one that it replaces is kept in its place, for as long.

    Raises:
        MissingPermission: without ``provider_credentials:manage`` on it.
        DomainError: no former secret is kept (any more).
    """
    stored = _changeable(credential, actor)
    if stored.previous_secret is None or not stored.keeps_former_secret:
        raise DomainError(
            "No former secret is kept any more. Rotate the credential, and give the secret that should count.",
            code="no_former_secret",
        )
    before = snapshot(stored)
    present, former = stored.secret.reveal(), stored.previous_secret.reveal()
    _take_secret(stored, former)
    stored.previous_secret = present
    stored.rotated_at = timezone.now()
    stored.save()
    _announce(signals.provider_credential_put_back, stored, actor, before)
    return stored


@transaction.atomic
def forget_former_secret(*, credential: ProviderCredential, actor: Actor) -> ProviderCredential:
    """Delete the former secret that a rotation has kept, at once.

    Raises:
        MissingPermission: without ``provider_credentials:manage`` on it.
    """
    stored = _changeable(credential, actor)
    if stored.previous_secret is None:
        return stored
    before = snapshot(stored)
    _forget_former(stored)
    stored.save()
    _announce(signals.provider_credential_former_forgotten, stored, actor, before)
    return stored


@transaction.atomic
def set_provider_credential_enabled(
    *, credential: ProviderCredential, enabled: bool, actor: Actor
) -> ProviderCredential:
    """Let requests use a credential, or none; within a second everywhere.

    Raises:
        MissingPermission: without ``provider_credentials:manage`` on it.
    """
    stored = _changeable(credential, actor)
    if stored.is_enabled == enabled:
        return stored
    before = snapshot(stored)
    stored.is_enabled = enabled
    stored.save(update_fields=["is_enabled"])
    signal = signals.provider_credential_enabled if enabled else signals.provider_credential_disabled
    _announce(signal, stored, actor, before)
    return stored


@transaction.atomic
def delete_provider_credential(*, credential: ProviderCredential, actor: Actor, reason: str = "") -> None:
    """Delete a credential and its secrets for good. At the provider it stays valid until it is ended there.

    Raises:
        MissingPermission: without ``provider_credentials:manage`` on it.
    """
    end_provider_credential(_changeable(credential, actor), actor=actor, reason=reason)


def end_provider_credential(credential: ProviderCredential, *, actor: Actor, reason: str) -> None:
    """Delete a credential in the running transaction; the caller has checked the authority."""
    signals.provider_credential_deleted.announce(
        credential, actor=actor, before=snapshot(credential), project=credential.project, reason=reason
    )
    credential.delete()


def _changeable(credential: ProviderCredential, actor: Actor) -> ProviderCredential:
    """Return the stored credential, locked, when the actor may change it."""
    if actor.kind is not ActorKind.SYSTEM:
        actor.require(P.PROVIDER_CREDENTIALS_MANAGE, credential)
    stored: ProviderCredential = own_row(ProviderCredential, credential.pk, related=("project",))
    return stored


def _announce(signal: Any, stored: ProviderCredential, actor: Actor, before: dict[str, Any]) -> None:
    signal.announce(stored, actor=actor, before=before, after=snapshot(stored), project=stored.project)


def _set(credential: ProviderCredential, values: Mapping[str, Any]) -> None:
    if unknown := values.keys() - {"name", "base_url", "options", "allowed_models", "priority"}:
        raise TypeError(f"a provider credential has no {', '.join(sorted(unknown))}")
    if "name" in values:
        credential.name = check_name(values["name"])
    if "options" in values:
        credential.options = checked_options(credential.provider, credential.kind, values["options"])
    if "base_url" in values:
        credential.base_url = values["base_url"].strip().rstrip("/")
    if "base_url" in values or "options" in values:
        _check_address(credential)
    if "allowed_models" in values:
        credential.allowed_models = _models(values["allowed_models"])
    if "priority" in values:
        if not 0 <= values["priority"] <= LOWEST_PRIORITY:
            raise DomainError(f"A priority is 0 to {LOWEST_PRIORITY:,}.", field="priority", code="out_of_range")
        credential.priority = values["priority"]


def _check_address(credential: ProviderCredential) -> None:
    """Refuse an address that requests may not go to."""
    url = credential.base_url
    if not url and needs_base_url(credential.provider):
        example = " Such as https://name.openai.azure.com." if credential.provider == Provider.AZURE_OPENAI else ""
        raise DomainError(f"Say where its API is.{example}", field="base_url", code="required")
    if len(url) > LONGEST_OPTION or not url.isascii() or (url and not url.isprintable()) or " " in url:
        raise DomainError("This is no address. Write it as https://host.", field="base_url", code="invalid")
    try:
        credential.upstream()
    except UnknownUpstream:
        raise DomainError(
            "Requests may not go there: it is none of the provider's own addresses, and the operator of this "
            "installation does not allow it (PROXY_UPSTREAMS). Ask them, or check how it is written.",
            field="base_url",
            code="upstream_not_allowed",
        ) from None


def _models(given: Iterable[str]) -> list[str]:
    patterns = list(dict.fromkeys(pattern.strip() for pattern in given if pattern.strip()))
    if len(patterns) > MOST_MODELS:
        raise DomainError(f"Name {MOST_MODELS} models at most.", field="allowed_models", code="too_many")
    for pattern in patterns:
        if len(pattern) > _LONGEST_PATTERN or not pattern.isascii() or not pattern.isprintable() or " " in pattern:
            raise DomainError(
                f"A model's name or pattern has {_LONGEST_PATTERN} characters at most, without blanks, such as gpt-4*.",
                field="allowed_models",
                code="invalid",
            )
    return patterns


def _take_secret(credential: ProviderCredential, secret: str) -> None:
    checked = checked_secret(credential.provider, credential.kind, secret)
    credential.secret = checked
    credential.last_four = tail_of(checked)


def _forget_former(credential: ProviderCredential) -> None:
    credential.previous_secret, credential.previous_until = None, None


def _addresses(credential: ProviderCredential) -> tuple[Any, ...]:
    """Return everything that says where the secret goes."""
    return credential.base_url, addresses_in(credential.options, credential.provider, credential.kind)
