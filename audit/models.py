"""The append-only audit event."""

import uuid
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Collate
from django.utils import timezone

from isolation.actor import ActorKind
from isolation.context import Via
from isolation.managers import TenantManager

from .alerts.models import (
    Alert,
    AlertChannel,
    AlertCursor,
    AlertNotice,
    AlertRule,
    AlertState,
    Severity,
    Sighting,
)
from .cosigning.models import Cosignature, Cosigner, Cosigning, CosigningKey, WitnessedLog, WitnessedOrigin
from .exports.models import EvidenceExport, ExportState
from .masking.models import RedactionPolicy
from .querysets import EventQuerySet, SavedSearchQuerySet, UnattributedChangeQuerySet
from .retention.models import DeletedLog, ErasureRequest, LegalHold, RetentionChange, RetirementReceipt
from .sealing.models import Leaf, LeafText, Node, SignedCheckpoint, Verification
from .sinks.models import DeadLetter, DeadLetterState, RecordFormat, Sink, SinkCursor, SinkHour, SinkState

__all__ = [
    "Alert",
    "AlertChannel",
    "AlertCursor",
    "AlertNotice",
    "AlertRule",
    "AlertState",
    "Cosignature",
    "Cosigner",
    "Cosigning",
    "CosigningKey",
    "DeadLetter",
    "DeadLetterState",
    "DeletedLog",
    "ErasureRequest",
    "Event",
    "EvidenceExport",
    "ExportState",
    "Leaf",
    "LeafText",
    "LegalHold",
    "Node",
    "Outcome",
    "RecordFormat",
    "RedactionPolicy",
    "RetentionChange",
    "RetirementReceipt",
    "SavedSearch",
    "Severity",
    "Sighting",
    "SignedCheckpoint",
    "Sink",
    "SinkCursor",
    "SinkHour",
    "SinkState",
    "UnattributedChange",
    "Verification",
    "Why",
    "WitnessedLog",
    "WitnessedOrigin",
]


class Outcome(models.TextChoices):
    """How the action ended."""

    SUCCESS = "success", "Success"
    DENIED = "denied", "Denied"
    FAILED = "failed", "Failed"


class Event(models.Model):
    """One thing that happened, frozen: actor and target are kept as text and outlive their rows.

    `organization_id` carries no foreign key (the log outlives the organization); None means the installation itself.
    The table is partitioned by month of `time`; its hidden column `xid` names the transaction that wrote the event.
    """

    tenant_column = "organization_id"
    audit_exempt = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    time = models.DateTimeField(default=timezone.now)
    organization_id = models.UUIDField(null=True)
    actor_kind = models.CharField(
        "kind of actor",
        max_length=24,
        choices=[(k.value, k.value.replace("_", " ")) for k in ActorKind],
    )
    actor_id = models.UUIDField(null=True)
    actor_label = models.CharField("actor", max_length=320)
    via = models.CharField(max_length=12, choices=[(v.value, v.value) for v in Via])
    action = models.CharField(max_length=80)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, default=Outcome.SUCCESS)
    target_type = models.CharField(max_length=60, blank=True)
    target_id = models.CharField(max_length=64, blank=True)
    target_label = models.CharField("target", max_length=320, blank=True)
    project_id = models.UUIDField(null=True)
    project_label = models.CharField("project", max_length=200, blank=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    reason = models.TextField(blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    session = models.CharField(max_length=64, blank=True)
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=400, blank=True)

    objects: Any = TenantManager.from_queryset(EventQuerySet)()

    class Meta:
        default_permissions = ()
        ordering: ClassVar[list[str]] = ["-time", "-id"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization_id", "-time", "-id"], name="audit_event_newest"),
            models.Index(
                fields=["organization_id", "action", "-time", "-id"],
                name="audit_event_action",
            ),
            models.Index(
                fields=["organization_id", "actor_id", "-time", "-id"],
                name="audit_event_actor",
            ),
            models.Index(
                fields=["organization_id", "target_id", "-time", "-id"],
                name="audit_event_target",
            ),
            models.Index(
                fields=["organization_id", "project_id", "-time", "-id"],
                name="audit_event_project",
            ),
            # Bytewise, so that the beginning of an address is a range.
            models.Index(
                "organization_id",
                Collate("actor_label", "C"),
                models.F("time").desc(),
                models.F("id").desc(),
                name="audit_event_actor_label",
            ),
            models.Index(
                "organization_id",
                Collate("target_label", "C"),
                models.F("time").desc(),
                models.F("id").desc(),
                name="audit_event_target_name",
            ),
            models.Index(
                fields=["organization_id", "ip", "-time", "-id"],
                name="audit_event_ip",
                condition=models.Q(ip__isnull=False),
            ),
            # Few events share a request or a session: these serve tenants and operators alike.
            models.Index(
                fields=["request_id", "-time", "-id"], name="audit_event_request", condition=~models.Q(request_id="")
            ),
            models.Index(
                fields=["session", "-time", "-id"], name="audit_event_session", condition=~models.Q(session="")
            ),
            models.Index(
                fields=["organization_id", "outcome", "-time", "-id"],
                name="audit_event_trouble",
                condition=models.Q(outcome__in=["denied", "failed"]),
            ),
            # Operators page through all organizations.
            models.Index(fields=["-time", "-id"], name="audit_event_everywhere"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_label}: {self.action_label}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert the event; an event that exists is never written again."""
        kwargs["force_insert"] = True
        super().save(*args, **kwargs)

    @property
    def action_label(self) -> str:
        """Return the words for the action."""
        from .catalogue import catalogue  # noqa: PLC0415 - the catalogue fills after the models are loaded

        return catalogue.label(self.action)

    @property
    def diff(self) -> list[tuple[str, Any, Any]]:
        """Return (field, before, after) for each changed field; None where the field was or is absent."""
        return [(name, self.before.get(name), self.after.get(name)) for name in {**self.before, **self.after}]


class SavedSearch(models.Model):
    """A query of the log that somebody keeps under a name, for themselves or for everybody who reads the whole log.

    `organization_id` carries no foreign key: this app lies below the one that has organizations.
    """

    tenant_column = "organization_id"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = models.UUIDField(editable=False)
    maker_id = models.UUIDField(editable=False)
    # Its maker's text: people leave.
    maker = models.CharField("made by", max_length=320, editable=False)
    name = models.CharField(max_length=80)
    query = models.CharField(max_length=500)
    is_shared = models.BooleanField("shared", default=False)
    created_at = models.DateTimeField("created", auto_now_add=True)

    objects: Any = TenantManager.from_queryset(SavedSearchQuerySet)()

    audit_exclude = frozenset({"created_at", "maker_id", "organization_id"})

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()
        verbose_name = "saved search"
        verbose_name_plural = "saved searches"
        ordering: ClassVar[list[str]] = ["name", "id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                "organization_id",
                "maker_id",
                models.functions.Lower("name"),
                name="audit_savedsearch_name",
                violation_error_message="You have a saved search with this name already.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Why(models.TextChoices):
    """Why a change counts as unattributed."""

    NO_EVENT = "no_event", "The transaction wrote no event"
    NOT_NAMED = "not_named", "No event of the transaction names it"
    SCHEMA = "schema", "The schema was changed outside a migration"


class UnattributedChange(models.Model):
    """A write that committed without an event that names it, as the database itself noted it.

    Only the database writes these rows; nobody changes one. `event_id` is the event that tells of it in the log.
    """

    tenant_column = "organization_id"
    audit_exempt = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    time = models.DateTimeField(default=timezone.now)
    organization_id = models.UUIDField(null=True)
    why = models.CharField(max_length=12, choices=Why.choices)
    table_name = models.CharField("table", max_length=200)
    operation = models.CharField(max_length=40)
    rows = models.BigIntegerField(null=True)
    keys = ArrayField(models.TextField())
    database_user = models.CharField(max_length=63)
    database_role = models.CharField(max_length=63)
    application_name = models.CharField(max_length=200)
    client_address = models.GenericIPAddressField(null=True)
    transaction_id = models.BigIntegerField("transaction")
    event_id = models.UUIDField(null=True)

    objects: Any = TenantManager.from_queryset(UnattributedChangeQuerySet)()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()
        ordering: ClassVar[list[str]] = ["-time", "-id"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization_id", "-time", "-id"], name="audit_unattributed_newest"),
            models.Index(fields=["-time", "-id"], name="audit_unattributed_anywhere"),
            models.Index(fields=["organization_id"], name="audit_unattributed_new", condition=models.Q(event_id=None)),
        ]

    def __str__(self) -> str:
        return f"{self.operation} on {self.table_name} by {self.database_user}"
