"""Base classes of serializers: unknown members of a body are refused, never ignored."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from rest_framework import serializers

if TYPE_CHECKING:  # DRF's classes take type arguments in the stubs only
    BaseSerializer = serializers.Serializer[Any]
else:
    BaseSerializer = serializers.Serializer


class Answer(BaseSerializer):
    """What is sent: made from model instances or dataclasses, never validated.

    Attributes:
        unversioned: fields that change by themselves, such as when a key was last used. They are no part of the ETag,
            so that they refuse nobody's change.
    """

    unversioned: ClassVar[frozenset[str]] = frozenset()


class Body(BaseSerializer):
    """What a client sends. The checked values are in `view.data`; with PATCH only those that were sent."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the checked values.

        Raises:
            ValidationError: a value is refused, or a member is unknown.
        """
        if isinstance(data, Mapping) and (unknown := sorted(set(data) - set(self.fields))):
            taken = ", ".join(self.fields) or "none"
            problem = serializers.ErrorDetail(f"Unknown member. Those that are taken: {taken}.", code="unknown")
            raise serializers.ValidationError({str(name): [problem] for name in unknown})
        return super().to_internal_value(data)


class Change(Body):
    """The body of a PATCH: each member may be left out, and then stays as it is."""

    @classmethod
    def completed(cls, stored: Any, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return every value for a service that takes them all: what was sent, and the rest as it is stored."""
        return {name: getattr(stored, name) for name in cls._declared_fields} | dict(data)


class Nothing(Body):
    """No members at all."""
