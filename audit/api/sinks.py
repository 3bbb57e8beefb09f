"""Sinks of an organization: where its sealed events are delivered, and how well."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework import serializers

from api.operation import Filter, listing, operation
from api.problems import not_found
from api.views import OrganizationView
from audit.models import Sink
from audit.querysets import EXPORT, SINKS_MANAGE, SINKS_READ
from audit.services.sink_delivery import replay_sink, test_sink, try_sink_now
from audit.services.sink_preview import preview_event
from audit.services.sinks import (
    COMMON,
    create_sink,
    delete_sink,
    rotate_sink_secret,
    set_sink_active,
    update_sink,
)
from audit.sinks.base import Destination, Item
from audit.sinks.registry import DESTINATIONS
from isolation.exceptions import DomainError

from .sink_serializers import (
    KINDS,
    CountAnswer,
    DestinationAnswer,
    MadeSinkAnswer,
    NewSink,
    PreviewAnswer,
    Replay,
    SecretAnswer,
    SinkAnswer,
    SinkChange,
    TestAnswer,
)

TAG = "SIEM sinks"

EXAMPLE: dict[str, Any] = {
    "id": "3c4d5e6f-7081-4a92-8b3c-4d5e6f708192",
    "name": "Our SIEM",
    "kind": "webhook",
    "options": {"url": "https://siem.acme.example/events"},
    "has_secrets": True,
    "format": "ndjson",
    "query": "",
    "sent_fields": None,
    "has_proofs": True,
    "sends_checkpoints": True,
    "redaction": {"fields": {"ip": "mask"}, "detectors": {}},
    "batch_events": 500,
    "batch_bytes": 1_000_000,
    "batch_seconds": 1,
    "is_active": True,
    "guarantee": DESTINATIONS["webhook"].guarantee,
    "health": {
        "state": "up_to_date",
        "title": "Up to date",
        "advice": "Every sealed event was acknowledged, or is among those that it refused.",
        "next_seq": 4711,
        "head": 4711,
        "lag_events": 0,
        "lag_seconds": 0,
        "delivered_at": "2026-03-04T10:22:31Z",
        "delivered_time": "2026-03-04T10:22:29Z",
        "failing_since": None,
        "retry_at": None,
        "checkpoint_size": 4711,
        "checkpoint_at": "2026-03-04T10:22:31Z",
        "checkpoint_refusal": "",
        "missed_events": 0,
        "missed_first": None,
        "missed_last": None,
        "last_error": "",
    },
    "created_by": "ada@acme.example",
    "created_at": "2026-03-01T08:00:00Z",
}
_SECRET = "whsec_<44 characters>"  # noqa: S105 - no secret
_NEW = {"kind": "webhook", "name": "Our SIEM", "options": {"url": "https://siem.acme.example/events"}}


class SinkView(OrganizationView):
    """An endpoint of sinks."""

    tag = TAG

    def sinks(self) -> Any:
        """Return the organization's sinks with what is shown of them."""
        return Sink.objects.prefetch_related("cursors")

    def sink(self, pk: UUID) -> Sink:
        """Return one.

        Raises:
            Problem: 404, there is none.
        """
        found: Sink = self.find(Sink.objects.all(), pk=pk)
        return found

    def again(self, sink: Sink) -> Sink:
        """Return a sink as it is stored now."""
        found: Sink = self.sinks().get(pk=sink.pk)
        return found


@contextmanager
def naming_options() -> Iterator[None]:
    """Let errors of a destination's options say where in the body these stand."""
    try:
        yield
    except DomainError as error:
        if not error.field or error.field in {*COMMON, "kind", "seq", "log"}:
            raise
        name = error.field.replace("~", "~0").replace("/", "~1")
        raise DomainError(error.message, field=f"options/{name}", code=error.code) from error


class Destinations(SinkView):
    """What a sink can be."""

    @listing(
        "listSinkDestinations",
        "List the destinations that a sink can have",
        permission=SINKS_READ,
        response=DestinationAnswer,
        ordering={"kind": "kind"},
        default_ordering="kind",
        example={
            "kind": "webhook",
            "title": "Webhook",
            "summary": DESTINATIONS["webhook"].summary,
            "steps": [*DESTINATIONS["webhook"].steps],
            "guarantee": DESTINATIONS["webhook"].guarantee,
            "missing": "",
            "options": [
                {
                    "name": "url",
                    "title": "Address",
                    "description": "Where batches are posted to.",
                    "entry": "url",
                    "is_secret": False,
                    "is_required": True,
                    "default": "",
                    "choices": [],
                }
            ],
            "limits": {"events": 500, "bytes": 1_000_000, "item": None},
        },
    )
    def get(self) -> list[type[Destination]]:
        """With everything that a form needs. One that says what is missing cannot be used until that is installed."""
        return [DESTINATIONS[kind] for kind in KINDS]


class Sinks(SinkView):
    """The sinks of an organization."""

    @listing(
        "listSinks",
        "List sinks",
        permission=SINKS_READ,
        response=SinkAnswer,
        filters={
            "kind": Filter(serializers.ChoiceField(choices=KINDS, help_text="Of this destination."), "kind"),
            "is_active": Filter(serializers.BooleanField(help_text="False: paused ones."), "is_active"),
        },
        ordering={"name": "name", "created_at": "created_at"},
        default_ordering="name",
        example=EXAMPLE,
    )
    def get(self) -> Any:
        """Each with how it stands: from what its receiver has acknowledged, not from what was sent."""
        return self.sinks()

    @operation(
        "createSink",
        "Add a sink",
        permission=SINKS_MANAGE,
        also=[EXPORT],
        request=NewSink,
        response=MadeSinkAnswer,
        status=HTTPStatus.CREATED,
        example=EXAMPLE | {"secret": _SECRET, "public_key": "whpk_<44 characters>"},
        request_example=_NEW,
    )
    def post(self) -> Sink:
        """Delivery begins at once. A signing secret that is made for it is in this answer and in no other.

        With an `Idempotency-Key` it is in the repetitions of this answer for a day, too.
        """
        values = {"options": {}, **self.data}
        with naming_options():
            made = create_sink(organization_id=self.organization.pk, actor=self.actor, **values)
        shown: Any = self.again(made.sink)
        shown.secret = made.secret
        shown.public_key = DESTINATIONS[shown.kind].public_key(shown.revealed())
        found: Sink = shown
        return found


class OneSink(SinkView):
    """One sink."""

    @operation("getSink", "Return a sink", permission=SINKS_READ, response=SinkAnswer, example=EXAMPLE)
    def get(self, sink: UUID) -> Sink:
        """Without its secrets, which nobody can read again. The ETag leaves its health out."""
        found: Sink = self.find(self.sinks(), pk=sink)
        return found

    @operation(
        "updateSink",
        "Change a sink",
        permission=SINKS_MANAGE,
        also=[EXPORT],
        request=SinkChange,
        response=SinkAnswer,
        example=EXAMPLE,
        request_example={"query": "outcome:denied"},
    )
    def patch(self, sink: UUID) -> Sink:
        """What is left out stays. With another address, secrets that somebody typed in have to be given again."""
        stored = self.locked(self.sinks(), pk=sink)
        with naming_options():
            return self.again(update_sink(sink=stored, actor=self.actor, **self.data))

    @operation("deleteSink", "Remove a sink", permission=SINKS_MANAGE, status=HTTPStatus.NO_CONTENT)
    def delete(self, sink: UUID) -> None:
        """What it has received stays where it is. To send nothing for a while, pause it instead."""
        delete_sink(sink=self.locked(self.sinks(), pk=sink), actor=self.actor)


class SinkTest(SinkView):
    """A test event."""

    @operation(
        "testSink",
        "Send a test event",
        permission=SINKS_MANAGE,
        response=TestAnswer,
        example={
            "accepted": False,
            "answer": "The receiver answered with status 401. Check the secret.",
        },
    )
    def post(self, sink: UUID) -> dict[str, Any]:
        """One event that says it is a test goes to the receiver; this answer comes when the receiver has answered."""
        answer = test_sink(sink=self.sink(sink), actor=self.actor)
        return {"accepted": not answer, "answer": answer}


class SinkPause(SinkView):
    """The switch of a sink, off."""

    @operation(
        "pauseSink",
        "Pause a sink",
        permission=SINKS_MANAGE,
        response=SinkAnswer,
        example=EXAMPLE | {"is_active": False},
    )
    def post(self, sink: UUID) -> Sink:
        """Nothing is sent until it is resumed; nothing is lost."""
        return self.again(set_sink_active(sink=self.sink(sink), is_active=False, actor=self.actor))


class SinkResumption(SinkView):
    """The switch of a sink, on."""

    @operation(
        "resumeSink",
        "Resume a sink",
        permission=SINKS_MANAGE,
        also=[EXPORT],
        response=SinkAnswer,
        example=EXAMPLE,
    )
    def post(self, sink: UUID) -> Sink:
        """It goes on where it stopped."""
        return self.again(set_sink_active(sink=self.sink(sink), is_active=True, actor=self.actor))


class SinkTry(SinkView):
    """A try before its time."""

    @operation(
        "trySinkNow",
        "Let a sink that waits after a failure try now",
        permission=SINKS_MANAGE,
        response=SinkAnswer,
        example=EXAMPLE,
    )
    def post(self, sink: UUID) -> Sink:
        """A worker takes it up within seconds."""
        found = self.sink(sink)
        try_sink_now(sink=found, actor=self.actor)
        return self.again(found)


class SinkReplay(SinkView):
    """Events once more."""

    @operation(
        "replaySink",
        "Send events again",
        permission=SINKS_MANAGE,
        also=[EXPORT],
        request=Replay,
        response=CountAnswer,
        example={"events": 1200},
        request_example={"since": "2026-03-01T00:00:00Z"},
    )
    def post(self, sink: UUID) -> dict[str, int]:
        """From a number or a time on, each with the id that it had: a receiver that knows ids keeps one of each."""
        return {"events": replay_sink(sink=self.sink(sink), actor=self.actor, **self.data)}


class SinkRotation(SinkView):
    """A new signing secret."""

    @operation(
        "rotateSinkSecret",
        "Change a sink's signing secret",
        permission=SINKS_MANAGE,
        response=SecretAnswer,
        example={"secret": _SECRET},
    )
    def post(self, sink: UUID) -> dict[str, str]:
        """The old one signs as well for a day. The new one is in this answer and in no other."""
        return {"secret": rotate_sink_secret(sink=self.sink(sink), actor=self.actor)}


class SinkPreview(SinkView):
    """What is sent."""

    @operation(
        "previewSink",
        "Return a real event as a sink sends it",
        permission=SINKS_READ,
        also=[EXPORT],
        response=PreviewAnswer,
        example={
            "seq": 4710,
            "id": EXAMPLE["id"],
            "text": '{"seq":4710,"event":{"action":"member.invited"}}',
        },
    )
    def get(self, sink: UUID) -> Item:
        """The newest event that it receives, of the last 200; 404 when there is none among them."""
        found = preview_event(sink=self.sink(sink), actor=self.actor)
        if found is None:
            raise not_found()
        return found
