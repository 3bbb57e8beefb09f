"""Events that receivers refused: what became of each, send it again, dismiss it."""

from typing import Any
from uuid import UUID

from rest_framework import serializers

from api.operation import Filter, listing, operation
from audit.models import DeadLetter, DeadLetterState
from audit.querysets import EXPORT, SINKS_MANAGE, SINKS_READ
from audit.services.sink_delivery import dismiss_dead_letters, retry_dead_letters
from isolation.exceptions import DomainError

from .sink_serializers import CountAnswer, DeadLetterAnswer, Letters
from .sinks import SinkView

EXAMPLE = {
    "id": "9d0e1f2a-3b4c-4d5e-8f60-718293a4b5c6",
    "seq": 4711,
    "event_id": "6f708192-a3b4-4c5d-8e6f-708192a3b4c5",
    "action": "member.role_changed",
    "reason": "The receiver answered with status 400: “field too long”.",
    "state": "open",
    "created_at": "2026-03-04T10:22:31Z",
}
_SOME = {"ids": [EXAMPLE["id"]]}


class DeadLetters(SinkView):
    """The refused events of a sink."""

    @listing(
        "listDeadLetters",
        "List events that a receiver refused",
        permission=SINKS_READ,
        response=DeadLetterAnswer,
        filters={
            "state": Filter(serializers.ChoiceField(choices=DeadLetterState.values, help_text="So far."), "state"),
            "action": Filter(serializers.CharField(max_length=80, help_text="Of this action."), "action"),
        },
        ordering={"created_at": "created_at"},
        default_ordering="-created_at",
        example=EXAMPLE,
    )
    def get(self, sink: UUID) -> Any:
        """Delivery went on without them. Each is in the log, where it says what the receiver did not get."""
        return DeadLetter.objects.filter(sink=self.sink(sink))


class Retry(SinkView):
    """Refused events once more."""

    @operation(
        "retryDeadLetters",
        "Send refused events again",
        permission=SINKS_MANAGE,
        also=[EXPORT],
        request=Letters,
        response=CountAnswer,
        example={"events": 1},
        request_example=_SOME,
    )
    def post(self, sink: UUID) -> dict[str, int]:
        """Of those that are named, the ones that are set aside; each is sent by itself."""
        return {"events": retry_dead_letters(sink=self.sink(sink), letters=_named(self.data), actor=self.actor)}


class Dismissal(SinkView):
    """Refused events that are settled."""

    @operation(
        "dismissDeadLetters",
        "Dismiss refused events",
        permission=SINKS_MANAGE,
        request=Letters,
        response=CountAnswer,
        example={"events": 1},
        request_example=_SOME,
    )
    def post(self, sink: UUID) -> dict[str, int]:
        """They will not be delivered; their numbers stand in the audit log."""
        return {"events": dismiss_dead_letters(sink=self.sink(sink), letters=_named(self.data), actor=self.actor)}


def _named(data: Any) -> list[UUID] | None:
    """Return the ids; None for all of them.

    Raises:
        DomainError: neither or both were given.
    """
    if bool(data.get("everything")) == ("ids" in data):
        raise DomainError("Name refused events by their ids, or say everything.", field="ids", code="invalid")
    found: list[UUID] | None = data.get("ids")
    return found
