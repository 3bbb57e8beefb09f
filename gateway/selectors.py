"""What is read of the LLM auth proxy."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Lower

from isolation.actor import Actor
from tenants.models import Project

from .claims import Claims, check, jwk, public_key
from .model_patterns import model_fits
from .models import ProviderCredential, SigningKey
from .upstreams import UnknownUpstream


def published_keys() -> list[dict[str, str]]:
    """Return the public keys by which tokens are checked, as JWKs; the one that signs comes first."""
    rows = SigningKey.objects.published().order_by("retired_at", "signs_from", "kid")
    keys = sorted(rows, key=lambda key: (key.state != "signing", key.state != "next", key.kid))
    return [jwk(key.kid, key.public) for key in keys]


def claims_of(token: str) -> Claims:
    """Return what a token of ours says.

    Raises:
        TokenRefused: it is not valid, or not any more.
    """
    keys = {key.kid: public_key(key.public) for key in SigningKey.objects.published()}
    return check(token, keys=keys, issuer=settings.JWT_ISSUER, now=time.time())


class Use(StrEnum):
    """What becomes of a credential when a request is looking for one."""

    FIRST = "first"
    FALLBACK = "fallback"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Step:
    """One credential in the order in which they are looked at.

    Attributes:
        credential: it.
        use: what becomes of it.
        reason: why, in a sentence.
    """

    credential: ProviderCredential
    use: Use
    reason: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """The order for one project and model.

    Attributes:
        steps: those that the actor may see.
        hidden: how many more take part that they may not see.
    """

    steps: list[Step]
    hidden: int


def resolution_of(*, project: Project, provider: str, model: str, actor: Actor) -> Resolution:
    """Return which credentials a request of a project is tried with, in the order of the hot path, and why others not.

    Args:
        project: whose request; its scope is open.
        provider: one of `Provider`; "": each of them, since the request's path decides.
        model: its name; "": any.
        actor: who asks; of what they may not see only the number is told.
    """
    of_project = F("project_id").asc(nulls_last=True)  # the other one is NULL
    ordered = ProviderCredential.objects.select_related("project").order_by(of_project, "priority", Lower("name"), "pk")
    rows = ordered.filter(project=project) | ordered.filter(project=None)
    rows = rows.filter(provider=provider) if provider else rows
    visible = set(ProviderCredential.objects.visible_to(actor).values_list("pk", flat=True))
    steps = list(_steps(list(rows), model))
    shown = [step for step in steps if step.credential.pk in visible]
    return Resolution(shown, len(steps) - len(shown))


def _steps(rows: list[ProviderCredential], model: str) -> Iterator[Step]:
    found: set[str] = set()
    for credential in rows:
        if reason := _skipped(credential, model):
            yield Step(credential, Use.SKIPPED, reason)
            continue
        whose = "The project's own come first." if credential.project_id else "The project has none before it."
        label = credential.get_provider_display()
        if credential.provider not in found:
            found.add(credential.provider)
            yield Step(credential, Use.FIRST, f"Requests to {label} leave with it. {whose}")
        else:
            yield Step(credential, Use.FALLBACK, f"Requests to {label} leave with it when those before cannot be used.")


def _skipped(credential: ProviderCredential, model: str) -> str:
    """Return why no such request can leave with a credential, "" when it can."""
    if not credential.is_enabled:
        return "It is switched off."
    try:
        credential.upstream()
    except UnknownUpstream:
        return "The operator of this installation does not allow its address any more."
    if model and not model_fits(credential.allowed_models, model):
        return f"It allows {', '.join(credential.allowed_models[:5])}, and {model} is none of these."
    return ""
