"""Alerts, what people changed about their rules, where they are sent, and what evaluation remembers.

`organization_id` carries no foreign key (this app lies below the one that has organizations). The nil UUID,
`INSTALLATION`, stands for the installation and its own log.
"""

import json
import uuid
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from isolation.managers import TenantManager
from vault.fields import EncryptedField

EMAIL = "email"
"""Names the one channel that needs no row."""


class Severity(models.TextChoices):
    """How much an alert matters."""

    LOW = "low", "Low"
    MEDIUM = "medium", "Medium"
    HIGH = "high", "High"
    CRITICAL = "critical", "Critical"


class AlertState(models.TextChoices):
    """What became of an alert."""

    OPEN = "open", "Open"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    MUTED = "muted", "Muted"


class AlertRule(models.Model):
    """What an organization changed about a rule; without a row it is what the code says."""

    tenant_column = "organization_id"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = models.UUIDField(editable=False)
    rule = models.CharField(max_length=40, editable=False)
    is_active = models.BooleanField("watches", default=True)
    threshold = models.PositiveIntegerField(null=True)
    window_minutes = models.PositiveIntegerField(null=True)
    muted_until = models.DateTimeField(null=True)
    channels = ArrayField(models.CharField(max_length=36), null=True)
    """`EMAIL`, and ids of channels; None: what the rule says of itself."""

    objects: Any = TenantManager()

    audit_exclude = frozenset({"organization_id"})

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()
        verbose_name = "alert rule"
        ordering: ClassVar[list[str]] = ["rule"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization_id", "rule"], name="audit_alertrule_one"),
        ]

    def __str__(self) -> str:
        from .registry import RULES  # noqa: PLC0415 - the rules look at this module

        return RULES[self.rule].title if self.rule in RULES else self.rule


class AlertChannel(models.Model):
    """Where alerts are sent beside people's mailboxes."""

    tenant_column = "organization_id"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = models.UUIDField(editable=False)
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=24, editable=False)
    options = models.JSONField("settings", default=dict)
    secrets = EncryptedField(null=True)
    """A JSON object: the secret options by their names."""
    created_by = models.CharField(max_length=320, editable=False)
    created_at = models.DateTimeField("created", auto_now_add=True)

    objects: Any = TenantManager()

    audit_exclude = frozenset({"created_at", "created_by", "organization_id"})

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()
        verbose_name = "alert channel"
        ordering: ClassVar[list[str]] = ["name", "id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint("organization_id", models.functions.Lower("name"), name="audit_alertchannel_name"),
            models.UniqueConstraint(fields=["organization_id", "id"], name="audit_alertchannel_same_organization"),
        ]

    def __str__(self) -> str:
        return self.name

    def revealed(self) -> dict[str, str]:
        """Return the secret options, inside the organization's scope."""
        return dict(json.loads(self.secrets.reveal())) if self.secrets is not None else {}


class Alert(models.Model):
    """Something that a rule found. Rule, subject and the window's beginning name it: a replay finds it again."""

    tenant_column = "organization_id"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = models.UUIDField(editable=False)
    rule = models.CharField(max_length=40)
    subject = models.CharField(max_length=320)
    subject_label = models.CharField("about", max_length=320)
    severity = models.CharField(max_length=8, choices=Severity.choices)
    started_at = models.DateTimeField()
    last_time = models.DateTimeField()
    first_seq = models.BigIntegerField()
    last_seq = models.BigIntegerField()
    count = models.BigIntegerField()
    numbers = ArrayField(models.BigIntegerField(), default=list)
    """Of its first events."""
    told = ArrayField(models.TextField(), default=list)
    """Sentences: what exactly happened."""
    state = models.CharField(max_length=12, choices=AlertState.choices, default=AlertState.OPEN)
    raised_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    settled_by = models.CharField(max_length=320, blank=True)
    note = models.CharField(max_length=500, blank=True)

    objects: Any = TenantManager()

    audit_exclude = frozenset({"organization_id", "numbers", "last_time", "last_seq", "count", "raised_at"})

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()
        verbose_name = "alert"
        ordering: ClassVar[list[str]] = ["-raised_at", "-id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["organization_id", "rule", "subject", "started_at"], name="audit_alert_once"
            ),
            models.UniqueConstraint(fields=["organization_id", "id"], name="audit_alert_same_organization"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization_id", "-raised_at", "-id"], name="audit_alert_newest"),
            models.Index(
                fields=["organization_id", "-raised_at"],
                name="audit_alert_open",
                condition=models.Q(state=AlertState.OPEN),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title}: {self.subject_label}" if self.subject_label else self.title

    @property
    def title(self) -> str:
        """Return the rule's title."""
        from .registry import RULES  # noqa: PLC0415 - the rules look at this module

        return RULES[self.rule].title if self.rule in RULES else self.rule


class AlertNotice(models.Model):
    """An alert on its way to one channel."""

    tenant_column = "organization_id"
    audit_exempt = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = models.UUIDField(editable=False)
    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="notices", db_constraint=False)
    channel = models.ForeignKey(
        AlertChannel, on_delete=models.CASCADE, related_name="notices", db_constraint=False, null=True
    )
    """None: by e-mail."""
    attempts = models.PositiveIntegerField(default=0)
    retry_at = models.DateTimeField(null=True)
    """None: it needs no further try."""
    sent_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)
    lease = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)

    objects: Any = TenantManager()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()
        ordering: ClassVar[list[str]] = ["id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["organization_id", "alert", "channel"], name="audit_alertnotice_one", nulls_distinct=False
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["retry_at"], name="audit_alertnotice_due", condition=models.Q(retry_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.alert}: {self.channel or EMAIL}"


class AlertCursor(models.Model):
    """How far a log is evaluated: every event below `next_seq` was looked at."""

    tenant_column = "organization_id"
    audit_exempt = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = models.UUIDField(editable=False)
    next_seq = models.BigIntegerField(default=0)
    head = models.BigIntegerField(default=0)
    """Events that were sealed when it was last woken."""
    waiting_since = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    retry_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)
    served_at = models.DateTimeField(null=True)
    lease = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)

    objects: Any = TenantManager()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()
        ordering: ClassVar[list[str]] = ["organization_id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization_id"], name="audit_alertcursor_one"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                models.F("served_at").asc(nulls_first=True),
                name="audit_alertcursor_turn",
                condition=models.Q(waiting_since__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.next_seq} of {self.head}"


class Sighting(models.Model):
    """An event that counts towards an alert, or a value that a subject is known by; forgotten when it is too old."""

    tenant_column = "organization_id"
    audit_exempt = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = models.UUIDField(editable=False)
    rule = models.CharField(max_length=40)
    subject = models.CharField(max_length=320)
    value = models.CharField(max_length=320, blank=True)
    amount = models.BigIntegerField(default=1)
    seq = models.BigIntegerField()
    time = models.DateTimeField()
    expires_at = models.DateTimeField()

    objects: Any = TenantManager()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()
        ordering: ClassVar[list[str]] = ["time", "seq"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization_id", "rule", "subject", "seq"], name="audit_sighting_once"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization_id", "expires_at"], name="audit_sighting_old"),
        ]

    def __str__(self) -> str:
        return f"{self.rule}: {self.subject} {self.value}"
