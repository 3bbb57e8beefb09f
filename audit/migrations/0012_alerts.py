"""Alerts: what rules found, what people changed about them, where they are sent, how far each log is evaluated."""

import uuid
from pathlib import Path

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.text
from django.db import migrations, models

import vault.fields
from audit.operations import RequireAuditEvent
from isolation.operations import CompositeForeignKey, CreatingTenantTables, ForceRowLevelSecurity, LookupFunctions

SQL = Path(__file__).with_name("alerts.sql")
TABLES = (
    "audit_alert",
    "audit_alertchannel",
    "audit_alertcursor",
    "audit_alertnotice",
    "audit_alertrule",
    "audit_sighting",
)
FUNCTIONS = ["audit_wake_alerts()", "audit_claim_alerts(integer)", "audit_claim_alertnotice(integer)"]
WAKING = """
-- How far evaluation has been woken: one row; -1 before the first call.
CREATE TABLE audit_alertwaking (
    id smallint PRIMARY KEY CHECK (id = 1),
    checkpoint_id bigint NOT NULL
);
INSERT INTO audit_alertwaking (id, checkpoint_id) VALUES (1, -1);
REVOKE ALL ON audit_alertwaking FROM gatehouse_app, gatehouse_operator;
GRANT SELECT, UPDATE (checkpoint_id) ON audit_alertwaking TO gatehouse_lookup;
GRANT SELECT, INSERT ON audit_alertcursor TO gatehouse_lookup;
GRANT UPDATE (head, waiting_since, lease, leased_until, served_at) ON audit_alertcursor TO gatehouse_lookup;
GRANT SELECT, UPDATE (lease, leased_until) ON audit_alertnotice TO gatehouse_lookup;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0011_sink_window"),
    ]

    operations = [
        CreatingTenantTables(),
        migrations.CreateModel(
            name="Alert",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField(editable=False)),
                ("rule", models.CharField(max_length=40)),
                ("subject", models.CharField(max_length=320)),
                ("subject_label", models.CharField(max_length=320, verbose_name="about")),
                (
                    "severity",
                    models.CharField(
                        choices=[("low", "Low"), ("medium", "Medium"), ("high", "High"), ("critical", "Critical")],
                        max_length=8,
                    ),
                ),
                ("started_at", models.DateTimeField()),
                ("last_time", models.DateTimeField()),
                ("first_seq", models.BigIntegerField()),
                ("last_seq", models.BigIntegerField()),
                ("count", models.BigIntegerField()),
                (
                    "numbers",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), default=list, size=None
                    ),
                ),
                (
                    "told",
                    django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "Open"), ("acknowledged", "Acknowledged"), ("muted", "Muted")],
                        default="open",
                        max_length=12,
                    ),
                ),
                ("raised_at", models.DateTimeField()),
                ("settled_at", models.DateTimeField(null=True)),
                ("settled_by", models.CharField(blank=True, max_length=320)),
                ("note", models.CharField(blank=True, max_length=500)),
            ],
            options={
                "verbose_name": "alert",
                "ordering": ["-raised_at", "-id"],
                "default_permissions": (),
                "base_manager_name": "objects",
                "indexes": [
                    models.Index(fields=["organization_id", "-raised_at", "-id"], name="audit_alert_newest"),
                    models.Index(
                        condition=models.Q(("state", "open")),
                        fields=["organization_id", "-raised_at"],
                        name="audit_alert_open",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization_id", "rule", "subject", "started_at"), name="audit_alert_once"
                    ),
                    models.UniqueConstraint(fields=("organization_id", "id"), name="audit_alert_same_organization"),
                ],
            },
        ),
        migrations.CreateModel(
            name="AlertChannel",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField(editable=False)),
                ("name", models.CharField(max_length=80)),
                ("kind", models.CharField(editable=False, max_length=24)),
                ("options", models.JSONField(default=dict, verbose_name="settings")),
                ("secrets", vault.fields.EncryptedField(null=True)),
                ("created_by", models.CharField(editable=False, max_length=320)),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
            ],
            options={
                "verbose_name": "alert channel",
                "ordering": ["name", "id"],
                "default_permissions": (),
                "base_manager_name": "objects",
                "constraints": [
                    models.UniqueConstraint(
                        models.F("organization_id"),
                        django.db.models.functions.text.Lower("name"),
                        name="audit_alertchannel_name",
                    ),
                    models.UniqueConstraint(
                        fields=("organization_id", "id"), name="audit_alertchannel_same_organization"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AlertCursor",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField(editable=False)),
                ("next_seq", models.BigIntegerField(default=0)),
                ("head", models.BigIntegerField(default=0)),
                ("waiting_since", models.DateTimeField(null=True)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("retry_at", models.DateTimeField(null=True)),
                ("last_error", models.TextField(blank=True)),
                ("served_at", models.DateTimeField(null=True)),
                ("lease", models.UUIDField(null=True)),
                ("leased_until", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["organization_id"],
                "default_permissions": (),
                "base_manager_name": "objects",
                "indexes": [
                    models.Index(
                        models.OrderBy(models.F("served_at"), nulls_first=True),
                        condition=models.Q(("waiting_since__isnull", False)),
                        name="audit_alertcursor_turn",
                    )
                ],
                "constraints": [models.UniqueConstraint(fields=("organization_id",), name="audit_alertcursor_one")],
            },
        ),
        migrations.CreateModel(
            name="AlertRule",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField(editable=False)),
                ("rule", models.CharField(editable=False, max_length=40)),
                ("is_active", models.BooleanField(default=True, verbose_name="watches")),
                ("threshold", models.PositiveIntegerField(null=True)),
                ("window_minutes", models.PositiveIntegerField(null=True)),
                ("muted_until", models.DateTimeField(null=True)),
                (
                    "channels",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=36), null=True, size=None
                    ),
                ),
            ],
            options={
                "verbose_name": "alert rule",
                "ordering": ["rule"],
                "default_permissions": (),
                "base_manager_name": "objects",
                "constraints": [
                    models.UniqueConstraint(fields=("organization_id", "rule"), name="audit_alertrule_one")
                ],
            },
        ),
        migrations.CreateModel(
            name="Sighting",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField(editable=False)),
                ("rule", models.CharField(max_length=40)),
                ("subject", models.CharField(max_length=320)),
                ("value", models.CharField(blank=True, max_length=320)),
                ("amount", models.BigIntegerField(default=1)),
                ("seq", models.BigIntegerField()),
                ("time", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["time", "seq"],
                "default_permissions": (),
                "base_manager_name": "objects",
                "indexes": [models.Index(fields=["organization_id", "expires_at"], name="audit_sighting_old")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization_id", "rule", "subject", "seq"), name="audit_sighting_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AlertNotice",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField(editable=False)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("retry_at", models.DateTimeField(null=True)),
                ("sent_at", models.DateTimeField(null=True)),
                ("last_error", models.TextField(blank=True)),
                ("lease", models.UUIDField(null=True)),
                ("leased_until", models.DateTimeField(null=True)),
                (
                    "alert",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notices",
                        to="audit.alert",
                    ),
                ),
                (
                    "channel",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notices",
                        to="audit.alertchannel",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "default_permissions": (),
                "base_manager_name": "objects",
                "indexes": [
                    models.Index(
                        condition=models.Q(("retry_at__isnull", False)),
                        fields=["retry_at"],
                        name="audit_alertnotice_due",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization_id", "alert", "channel"),
                        name="audit_alertnotice_one",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        CompositeForeignKey("audit_alertnotice", "alert_id", "audit_alert"),
        CompositeForeignKey("audit_alertnotice", "channel_id", "audit_alertchannel"),
        *(ForceRowLevelSecurity(table) for table in TABLES),
        # Further events join an alert without an event of their own.
        RequireAuditEvent("audit_alert", watched="organization_id, state, settled_at, settled_by, note"),
        RequireAuditEvent("audit_alertchannel"),
        RequireAuditEvent("audit_alertrule"),
        migrations.RunSQL(WAKING, "DROP TABLE audit_alertwaking;"),
        LookupFunctions(SQL.read_text(), FUNCTIONS),
    ]
