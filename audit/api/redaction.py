"""What is withheld of events that leave an organization."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from api.operation import operation
from api.serializers import Answer, Body
from api.views import OrganizationView
from audit.masking.policies import policy_of
from audit.masking.rules import FIELDS, KNOWN, Method
from audit.querysets import SINKS_MANAGE, SINKS_READ
from audit.services.redaction import set_redaction

_METHODS = [method.value for method in Method]
_OF_FIELDS = f"What becomes of whole values, by field ({', '.join(FIELDS)}): drop, mask, hash. Others are sent."
_OF_DETECTORS = f"What becomes of finds in texts, by detector ({', '.join(KNOWN)}): drop, mask, hash."

EXAMPLE = {"fields": {"ip": "mask", "actor_label": "hash"}, "detectors": {"email": "hash", "secret": "drop"}}


class RedactionAnswer(Answer):
    """What is withheld; the key of the hashes is never shown."""

    fields = serializers.DictField(child=serializers.CharField(), help_text=_OF_FIELDS)  # type: ignore[assignment] # DRF has a property of that name
    detectors = serializers.DictField(child=serializers.CharField(), help_text=_OF_DETECTORS)


class NewRedaction(Body):
    """What to withhold."""

    fields = serializers.DictField(  # type: ignore[assignment] # the same
        child=serializers.ChoiceField(choices=_METHODS), required=False, help_text=_OF_FIELDS
    )
    detectors = serializers.DictField(
        child=serializers.ChoiceField(choices=_METHODS), required=False, help_text=_OF_DETECTORS
    )


class Redaction(OrganizationView):
    """The organization's redaction."""

    tag = "SIEM sinks"

    @operation(
        "getRedaction",
        "Return what is withheld of events that leave",
        permission=SINKS_READ,
        response=RedactionAnswer,
        example=EXAMPLE,
    )
    def get(self) -> Mapping[str, Any]:
        """It holds for every sink and for pulling; a sink can withhold more."""
        policy = policy_of(self.organization.pk)
        return _shown(policy.rules if policy is not None else {})

    @operation(
        "setRedaction",
        "Set what is withheld of events that leave",
        permission=SINKS_MANAGE,
        request=NewRedaction,
        response=RedactionAnswer,
        example=EXAMPLE,
        request_example=EXAMPLE,
    )
    def put(self) -> Mapping[str, Any]:
        """It takes the place of what was set before, from the next batch on. Records keep their leaf and hash."""
        policy = set_redaction(organization_id=self.organization.pk, rules=dict(self.data), actor=self.actor)
        return _shown(policy.rules)


def _shown(rules: Mapping[str, Any]) -> dict[str, Any]:
    return {part: rules.get(part, {}) for part in ("fields", "detectors")}
