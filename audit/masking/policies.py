"""Which rules hold: the organization's, and a sink's own on top of them."""

from typing import Any
from uuid import UUID

from .models import RedactionPolicy
from .rules import Rules, rules_of


def policy_of(organization_id: UUID) -> RedactionPolicy | None:
    """Return an organization's redaction, None when it has none; its scope is open."""
    found: RedactionPolicy | None = RedactionPolicy.objects.filter(organization_id=organization_id).first()
    return found


def rules_for(organization_id: UUID, own: dict[str, Any] | None = None) -> Rules:
    """Return the rules for what leaves an organization; its scope is open.

    Args:
        organization_id: whose events.
        own: what a sink withholds besides, as it is stored; it can change a method, and take nothing back.
    """
    policy = policy_of(organization_id)
    stored: dict[str, Any] = policy.rules if policy is not None else {}
    key = bytes.fromhex(policy.key.reveal()) if policy is not None else b""
    merged = {part: {**stored.get(part, {}), **(own or {}).get(part, {})} for part in ("fields", "detectors")}
    return rules_of(merged, key)
