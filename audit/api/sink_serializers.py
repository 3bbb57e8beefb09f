"""What the API shows of sinks and takes for them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api.serializers import Answer, Body
from audit.masking.selection import LABELS
from audit.models import RecordFormat
from audit.services.sinks import LONGEST_NAME
from audit.sinks.base import Destination, Entry
from audit.sinks.health import Standing, health_of
from audit.sinks.registry import DESTINATIONS

KINDS = sorted(kind for kind, each in DESTINATIONS.items() if not each.for_operators)
_OPTIONS = "By the names under `sink-destinations`. Secret ones are kept encrypted and never returned."
_QUERY = "Only events that match, in the language of the log's search field, without a time. Empty: every event."
_PROOFS = "Whether each record carries what proves that the copy is complete."
_CHECKPOINTS = (
    "Whether it also receives the newest signed checkpoint as a record of its own, where records are JSON. Kept there, "
    "it proves that the log was not rewritten since."
)
_REDACTION = "What it withholds besides the organization's `redaction`, in the same form."
_FIELDS = (
    "The fields that are sent besides what every record has (id, time, organization, action, outcome, kind of actor, "
    "via); null: all of them. With proofs, only what the leaf commits to can be left out."
)
_LIMIT = "A receiver has a limit of its own, which stands under `sink-destinations`."


class HealthAnswer(Answer):
    """How a sink stands, from what its receiver has acknowledged."""

    state = serializers.ChoiceField(source="standing", choices=[each.value for each in Standing])
    title = serializers.CharField(source="label", help_text="The state in a word or two.")
    advice = serializers.CharField(help_text="What it means, and what to do.")
    next_seq = serializers.IntegerField(help_text="Every event with a lower number was acknowledged or set aside.")
    head = serializers.IntegerField(help_text="How many events are sealed.")
    lag_events = serializers.IntegerField(help_text="Sealed events that wait.")
    lag_seconds = serializers.IntegerField(help_text="How long the oldest of them has waited.")
    delivered_at = serializers.DateTimeField(allow_null=True, help_text="The last acknowledgement.")
    delivered_time = serializers.DateTimeField(
        allow_null=True, help_text="When the newest event that was acknowledged had happened."
    )
    failing_since = serializers.DateTimeField(allow_null=True)
    retry_at = serializers.DateTimeField(allow_null=True, help_text="When it is tried next, after a failure.")
    checkpoint_size = serializers.IntegerField(help_text="Events under the newest checkpoint that was sent.")
    checkpoint_at = serializers.DateTimeField(allow_null=True, help_text="When it was sent.")
    checkpoint_refusal = serializers.CharField(help_text="Why it refused that one; empty when it took it.")
    missed_events = serializers.IntegerField(
        help_text="Events that were retired from the log before they could be sent. `audit/receipts` explains the gap."
    )
    missed_first = serializers.IntegerField(allow_null=True, help_text="The first number of the latest of them.")
    missed_last = serializers.IntegerField(allow_null=True, help_text="The last number of the latest of them.")
    last_error = serializers.CharField(help_text="What went wrong last, in words; empty when nothing does.")


class SinkAnswer(Answer):
    """A sink, without its secrets."""

    unversioned = frozenset({"health"})

    id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.CharField(help_text="The destination; it never changes.")
    options = serializers.DictField(help_text="What the destination was told, without secrets.")
    has_secrets = serializers.SerializerMethodField(help_text="Whether secrets are stored.")
    format = serializers.ChoiceField(choices=RecordFormat.values, help_text="What a record looks like.")
    query = serializers.CharField(help_text=_QUERY)
    has_proofs = serializers.BooleanField(help_text=_PROOFS)
    sends_checkpoints = serializers.BooleanField(help_text=_CHECKPOINTS)
    redaction = serializers.DictField(help_text=_REDACTION)
    sent_fields = serializers.ListField(
        child=serializers.ChoiceField(choices=[*LABELS]), allow_null=True, help_text=_FIELDS
    )
    batch_events = serializers.IntegerField(help_text="Events in a batch, at most.")
    batch_bytes = serializers.IntegerField(help_text="Bytes in a batch, at most.")
    batch_seconds = serializers.IntegerField(help_text="How long a batch waits for more.")
    is_active = serializers.BooleanField(help_text="False: it is paused.")
    guarantee = serializers.SerializerMethodField(help_text="What an acknowledgement of this destination is worth.")
    health = serializers.SerializerMethodField()
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()

    def get_has_secrets(self, sink: Any) -> bool:
        """Return whether secrets are stored."""
        return sink.secrets is not None

    def get_guarantee(self, sink: Any) -> str:
        """Return what its acknowledgement is worth; "" for a destination that this version does not know."""
        found = DESTINATIONS.get(sink.kind)
        return found.guarantee if found else ""

    @extend_schema_field(HealthAnswer)
    def get_health(self, sink: Any) -> Any:
        """Return how it stands."""
        return HealthAnswer(health_of(sink)).data


class MadeSinkAnswer(SinkAnswer):
    """A new sink."""

    secret = serializers.CharField(help_text="The signing secret that was made; empty where there is none of ours.")
    public_key = serializers.CharField(help_text="What verifies its signatures; empty where there are none.")


class _Settings(Body):
    """What every destination has."""

    name = serializers.CharField(max_length=LONGEST_NAME)
    options = serializers.DictField(required=False, help_text=_OPTIONS)
    format = serializers.ChoiceField(choices=RecordFormat.values, required=False)
    query = serializers.CharField(required=False, allow_blank=True, max_length=500, help_text=_QUERY)
    has_proofs = serializers.BooleanField(required=False, help_text=_PROOFS)
    sends_checkpoints = serializers.BooleanField(required=False, help_text=_CHECKPOINTS)
    redaction = serializers.DictField(child=serializers.DictField(), required=False, help_text=_REDACTION)
    sent_fields = serializers.ListField(
        child=serializers.ChoiceField(choices=[*LABELS]),
        required=False,
        allow_null=True,
        max_length=len(LABELS),
        help_text=_FIELDS,
    )
    batch_events = serializers.IntegerField(required=False, min_value=1, max_value=10_000, help_text=_LIMIT)
    batch_bytes = serializers.IntegerField(required=False, min_value=1_000, max_value=100_000_000, help_text=_LIMIT)
    batch_seconds = serializers.IntegerField(required=False, min_value=0, max_value=3_600)


class NewSink(_Settings):
    """What a new sink needs."""

    kind = serializers.ChoiceField(choices=KINDS)
    from_beginning = serializers.BooleanField(
        required=False, help_text="Whether it receives what is in the log already. Without it: from now on."
    )


class SinkChange(_Settings):
    """What changes. Of `options`, those that are left out stay; so does a secret one that is empty."""

    name = serializers.CharField(max_length=LONGEST_NAME, required=False)


class TestAnswer(Answer):
    """What the receiver said to a test event."""

    accepted = serializers.BooleanField()
    answer = serializers.CharField(help_text="Why not; empty when it was accepted.")


class Replay(Body):
    """From where events are sent again: one of the two."""

    seq = serializers.IntegerField(required=False, min_value=0, max_value=2**63 - 1, help_text="An event's number.")
    since = serializers.DateTimeField(required=False, help_text="When events were sealed.")


class CountAnswer(Answer):
    """How many events it is about."""

    events = serializers.IntegerField()


class SecretAnswer(Answer):
    """A new signing secret."""

    secret = serializers.CharField(help_text="It is in this answer and in no other.")


class PreviewAnswer(Answer):
    """A real event as it would be sent."""

    seq = serializers.IntegerField()
    id = serializers.CharField(help_text="The event's id.")
    text = serializers.CharField(help_text="The record.")


class ChoiceAnswer(Answer):
    """One choice of an option."""

    value = serializers.CharField()
    title = serializers.CharField()


class OptionAnswer(Answer):
    """Something that a destination has to be told."""

    name = serializers.CharField()
    title = serializers.CharField(source="label")
    description = serializers.CharField(source="help")
    entry = serializers.ChoiceField(choices=[each.value for each in Entry], help_text="How it is typed in.")
    is_secret = serializers.BooleanField(source="secret", help_text="Kept encrypted, never shown again.")
    is_required = serializers.BooleanField(source="required")
    default = serializers.JSONField(help_text="What a new sink starts with.")
    choices = serializers.SerializerMethodField()

    @extend_schema_field(ChoiceAnswer(many=True))
    def get_choices(self, option: Any) -> Any:
        """Return what may be chosen."""
        return [{"value": value, "title": label} for value, label in option.choices]


class LimitsAnswer(Answer):
    """What a receiver takes at once."""

    events = serializers.IntegerField()
    bytes = serializers.IntegerField()
    item = serializers.IntegerField(allow_null=True, help_text="Bytes of one event.")


class DestinationAnswer(Answer):
    """A kind of destination."""

    kind = serializers.CharField()
    title = serializers.CharField(source="label")
    summary = serializers.CharField()
    steps = serializers.ListField(child=serializers.CharField(), help_text="How it is set up, there and here.")
    guarantee = serializers.CharField(help_text="What an acknowledgement is worth.")
    missing = serializers.SerializerMethodField(help_text="What has to be installed first; empty when nothing is.")
    options = OptionAnswer(many=True)
    limits = LimitsAnswer()

    def get_missing(self, destination: type[Destination]) -> str:
        """Return what has to be installed first."""
        return destination.missing()


class DeadLetterAnswer(Answer):
    """An event that a receiver refused."""

    id = serializers.UUIDField()
    seq = serializers.IntegerField(help_text="Its number in the log.")
    event_id = serializers.UUIDField()
    action = serializers.CharField()
    reason = serializers.CharField(help_text="In the receiver's words, shortened.")
    state = serializers.CharField(help_text="open, retry, delivered or dismissed.")
    created_at = serializers.DateTimeField()


class Letters(Body):
    """Which refused events: some by their ids, or all that are set aside."""

    ids = serializers.ListField(
        child=serializers.UUIDField(), required=False, min_length=1, max_length=1_000, help_text="Of refused events."
    )
    everything = serializers.BooleanField(required=False, help_text="All that are set aside.")
