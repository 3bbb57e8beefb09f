"""Changes to how the LLM auth proxy works for an organization."""

import re
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from audit.masking.detectors import DETECTORS
from audit.redaction import snapshot
from gateway import signals
from gateway.models import ProxySettings
from isolation.actor import Actor
from isolation.exceptions import DomainError
from tenants.models import Organization
from tenants.permissions import P
from tenants.services.rules import locked_organization

FIELDS = (
    "is_enabled",
    "audiences",
    "token_seconds",
    "accepts_api_keys",
    "emits_langsmith_names",
    "masked",
    "on_counter_outage",
)
MOST_AUDIENCES = 10
_AUDIENCE = re.compile(r"[!-~]{1,200}")


@transaction.atomic
def update_proxy_settings(*, organization: Organization, actor: Actor, **values: Any) -> ProxySettings:
    """Change an organization's settings of the proxy; they count within a second, for tokens that are out as well.

    Args:
        organization: whose.
        actor: who changes them.
        values: any of `FIELDS`; those left out stay as they are.

    Raises:
        MissingPermission: without ``llm_proxy:manage``.
        DomainError: a value is refused.
    """
    actor.require(P.LLM_PROXY_MANAGE, organization)
    if unknown := set(values) - set(FIELDS):
        raise TypeError(f"the proxy has no setting {', '.join(sorted(unknown))}")
    stored = ProxySettings.of(locked_organization(organization.pk).pk)
    is_new = stored._state.adding
    before = snapshot(stored)
    for field, value in values.items():
        setattr(stored, field, value)
    if "audiences" in values:
        stored.audiences = check_audiences(values["audiences"])
    if "masked" in values:
        stored.masked = check_detectors(values["masked"])
    try:
        stored.clean_fields(exclude={"id", "organization"})
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise DomainError(messages[0], field=field, code="invalid") from error
    stored.save(force_insert=is_new)
    signals.proxy_settings_updated.announce(
        stored, actor=actor, before=None if is_new else before, after=snapshot(stored)
    )
    return stored


def check_audiences(given: Iterable[str]) -> list[str]:
    """Return the audiences without blanks and repetitions.

    Raises:
        DomainError: there is none, there are too many, or one is no plain text.
    """
    audiences = list(dict.fromkeys(text for each in given if (text := str(each).strip())))
    if not 1 <= len(audiences) <= MOST_AUDIENCES:
        raise DomainError(
            f"Name one to {MOST_AUDIENCES} audiences, such as gatehouse-llm: the Envoy accepts tokens for one of them.",
            field="audiences",
            code="invalid",
        )
    for audience in audiences:
        if not _AUDIENCE.fullmatch(audience):
            raise DomainError(
                "An audience is a name or URL of at most 200 characters, without blanks, in ASCII.",
                field="audiences",
                code="invalid",
            )
    return audiences


def check_detectors(given: Iterable[str]) -> list[str]:
    """Return the detectors' names in their usual order.

    Raises:
        DomainError: there is none of that name.
    """
    wanted = set(given)
    if unknown := sorted(wanted - DETECTORS.keys()):
        raise DomainError(
            f"There is no detector “{unknown[0]}”. These exist: {', '.join(DETECTORS)}.", field="masked", code="invalid"
        )
    return [name for name in DETECTORS if name in wanted]
