"""Changes to what is withheld of events that leave."""

import secrets
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from audit import signals
from audit.masking.models import RedactionPolicy
from audit.masking.policies import policy_of
from audit.masking.rules import refuse_missing, rules_of
from audit.querysets import SINKS_MANAGE
from audit.redaction import snapshot
from isolation.actor import Actor

KEY_BYTES = 32


@transaction.atomic
def set_redaction(*, organization_id: UUID, rules: Mapping[str, Any], actor: Actor) -> RedactionPolicy:
    """Set what is withheld of every event that leaves by sinks and by pulling; from the next batch on.

    Args:
        organization_id: whose events; its scope is open.
        rules: ``{"fields": {name: method}, "detectors": {name: method}}``.
        actor: who sets it.

    Raises:
        MissingPermission: without ``sinks:manage``.
        DomainError: a field, a detector or a method is unknown, or a detector is not installed.
    """
    actor.require(SINKS_MANAGE)
    checked = rules_of(rules, b"")
    refuse_missing(checked)
    policy = ensured_policy(organization_id, actor)
    before = snapshot(policy)
    policy.rules = {"fields": dict(checked.fields), "detectors": dict(checked.detectors)}
    if snapshot(policy) == before:
        return policy
    policy.save()
    signals.redaction_changed.announce(policy, actor=actor, before=before, after=snapshot(policy))
    return policy


def ensured_policy(organization_id: UUID, actor: Actor) -> RedactionPolicy:
    """Return the organization's redaction; one that withholds nothing, and holds the key of hashes, is made first."""
    found = policy_of(organization_id)
    if found is not None:
        return found
    policy = RedactionPolicy(organization_id=organization_id, key=secrets.token_hex(KEY_BYTES))
    policy.save(force_insert=True)
    signals.redaction_changed.announce(policy, actor=actor, after=snapshot(policy))
    return policy
