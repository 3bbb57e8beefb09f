"""Sinks, how far each is, and what they refused.

`organization_id` carries no foreign key (this app lies below the one that has organizations). The nil UUID,
`INSTALLATION`, stands for the installation, whose sinks receive every log.
"""

import json
import uuid
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from isolation.managers import TenantManager
from isolation.scope import INSTALLATION
from vault.fields import EncryptedField


class RecordFormat(models.TextChoices):
    """What a record looks like."""

    NATIVE = "ndjson", "Gatehouse JSON, which can be verified"
    OCSF = "ocsf", "OCSF 1.7"
    ECS = "ecs", "Elastic Common Schema"
    CLOUDEVENTS = "cloudevents", "CloudEvents 1.0"
    CEF = "cef", "CEF (ArcSight)"
    LEEF = "leef", "LEEF 2.0 (QRadar)"


class SinkState(models.TextChoices):
    """How delivery from one log stands."""

    DELIVERING = "delivering", "Delivering"
    RETRYING = "retrying", "Trying again"
    BLOCKED = "blocked", "Needs you"


class Sink(models.Model):
    """A destination of an organization's events, or of the whole installation's."""

    tenant_column = "organization_id"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = models.UUIDField(editable=False)
    name = models.CharField(max_length=80)
    kind = models.CharField("destination", max_length=24, editable=False)
    options = models.JSONField("settings", default=dict)
    """By the names of the destination's options; secret ones are not among them."""
    secrets = EncryptedField(null=True)
    """A JSON object: the secret options by their names."""
    format = models.CharField(max_length=16, choices=RecordFormat.choices, default=RecordFormat.NATIVE)
    query = models.CharField("only events that match", max_length=500, blank=True)
    redaction = models.JSONField(default=dict)
    """What this sink withholds besides its organization's `RedactionPolicy`, in the same form."""
    sent_fields = ArrayField(models.CharField(max_length=24), null=True, blank=True)
    """Those of `masking.selection.LABELS` that are sent; None: all of them."""
    has_proofs = models.BooleanField("with proofs", default=True)
    sends_checkpoints = models.BooleanField("with checkpoints", default=True)
    """Whether it also receives the log's newest checkpoint, as a record of its own."""
    batch_events = models.PositiveIntegerField("events in a batch", default=500)
    batch_bytes = models.PositiveIntegerField("bytes in a batch", default=1_000_000)
    batch_seconds = models.PositiveIntegerField("seconds that a batch waits", default=1)
    is_active = models.BooleanField("delivers", default=True)
    created_by = models.CharField(max_length=320, editable=False)
    created_at = models.DateTimeField("created", auto_now_add=True)

    objects: Any = TenantManager()

    audit_exclude = frozenset({"created_at", "organization_id"})

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()
        ordering: ClassVar[list[str]] = ["name", "id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint("organization_id", models.functions.Lower("name"), name="audit_sink_name"),
            models.UniqueConstraint(fields=["organization_id", "id"], name="audit_sink_same_organization"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def receives_every_log(self) -> bool:
        """Return whether this is a sink of the installation."""
        return self.organization_id == INSTALLATION

    def revealed(self) -> dict[str, str]:
        """Return the secret options, inside the organization's scope."""
        return dict(json.loads(self.secrets.reveal())) if self.secrets is not None else {}


class SinkCursor(models.Model):
    """How far a sink is in one log: every event below `next_seq` was acknowledged, left out or set aside."""

    tenant_column = "organization_id"
    audit_exempt = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = models.UUIDField(editable=False)
    sink = models.ForeignKey(Sink, on_delete=models.CASCADE, related_name="cursors", db_constraint=False)
    log = models.UUIDField()
    next_seq = models.BigIntegerField(default=0)
    head = models.BigIntegerField(default=0)
    """Events that were sealed in the log when the sink was last woken."""
    waiting_since = models.DateTimeField(null=True)
    """When the oldest event that was not delivered was sealed; None when there is none."""
    replay_from = models.BigIntegerField(null=True)
    """Of a receiver that acknowledges nothing: where delivery begins again when the turn that goes on fails."""
    sent_lately = models.JSONField(null=True)
    """Of the same: [first number, time] of each turn that may be lost when the receiver fails, oldest first."""
    state = models.CharField(max_length=12, choices=SinkState.choices, default=SinkState.DELIVERING)
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    alerted_at = models.DateTimeField(null=True)
    retry_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)
    delivered_at = models.DateTimeField(null=True)
    delivered_time = models.DateTimeField(null=True)
    """The time of the newest event that was acknowledged."""
    checkpoint_size = models.BigIntegerField(db_default=0)
    """Of the newest checkpoint that was sent as a record of its own."""
    checkpoint_at = models.DateTimeField(null=True)
    checkpoint_refusal = models.TextField(db_default="")
    """Why the receiver refused that one; "" when it took it."""
    farthest = models.BigIntegerField(default=0, db_default=0)
    """The highest `next_seq` that there was: what lies below it was dealt with once, also when it comes again."""
    missed_events = models.BigIntegerField(default=0, db_default=0)
    """Events that were gone from the log before they could be sent."""
    missed_first = models.BigIntegerField(null=True)
    missed_last = models.BigIntegerField(null=True)
    """Between which numbers the latest of them are."""
    missed_told = models.BigIntegerField(default=0, db_default=0)
    """Of how many of them people were told."""
    served_at = models.DateTimeField(null=True)
    lease = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)

    objects: Any = TenantManager()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()
        ordering: ClassVar[list[str]] = ["log"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization_id", "sink", "log"], name="audit_sinkcursor_one"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                models.F("served_at").asc(nulls_first=True),
                name="audit_sinkcursor_turn",
                condition=models.Q(waiting_since__isnull=False),
            ),
            models.Index(fields=["log"], name="audit_sinkcursor_log"),
        ]

    def __str__(self) -> str:
        return f"{self.sink}: {self.next_seq} of {self.head}"

    @property
    def lag_events(self) -> int:
        """Return how many sealed events wait."""
        return max(0, self.head - self.next_seq)

    @property
    def lag(self) -> timedelta:
        """Return for how long the oldest of them has waited."""
        return timezone.now() - self.waiting_since if self.waiting_since else timedelta()


class DeadLetterState(models.TextChoices):
    """What becomes of an event that a receiver refused."""

    OPEN = "open", "Set aside"
    RETRY = "retry", "Is sent again"
    DELIVERED = "delivered", "Delivered"
    DISMISSED = "dismissed", "Dismissed"


class DeadLetter(models.Model):
    """An event that a sink's receiver refused; delivery went on without it."""

    tenant_column = "organization_id"
    audit_exempt = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = models.UUIDField(editable=False)
    sink = models.ForeignKey(Sink, on_delete=models.CASCADE, related_name="dead_letters", db_constraint=False)
    log = models.UUIDField()
    seq = models.BigIntegerField()
    event_id = models.UUIDField()
    action = models.CharField(max_length=80)
    reason = models.TextField()
    state = models.CharField(max_length=12, choices=DeadLetterState.choices, default=DeadLetterState.OPEN)
    created_at = models.DateTimeField("set aside", auto_now_add=True)

    objects: Any = TenantManager()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()
        ordering: ClassVar[list[str]] = ["-created_at", "-id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization_id", "sink", "log", "seq"], name="audit_deadletter_one"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization_id", "sink", "-created_at", "-id"], name="audit_deadletter_newest"),
        ]

    def __str__(self) -> str:
        return f"Event {self.seq}"


class SinkHour(models.Model):
    """What a sink delivered in one hour: the line on its page."""

    tenant_column = "organization_id"
    audit_exempt = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = models.UUIDField(editable=False)
    sink = models.ForeignKey(Sink, on_delete=models.CASCADE, related_name="hours", db_constraint=False)
    hour = models.DateTimeField()
    delivered = models.PositiveBigIntegerField(default=0)
    refused = models.PositiveBigIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)

    objects: Any = TenantManager()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()
        ordering: ClassVar[list[str]] = ["-hour"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization_id", "sink", "hour"], name="audit_sinkhour_one"),
        ]

    def __str__(self) -> str:
        return f"{self.sink} at {self.hour:%Y-%m-%d %H:00}"
