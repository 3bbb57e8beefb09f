"""Sinks: definitions, how far each is, and what receivers refused."""

import uuid
from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.text
from django.db import migrations, models

import vault.fields
from audit.operations import AsAuditOwner, RequireAuditEvent
from isolation.operations import CompositeForeignKey, CreatingTenantTables, ForceRowLevelSecurity, LookupFunctions

SQL = Path(__file__).with_name("sinks.sql")
SHOWN = "GRANT SELECT ON audit_checkpoint TO gatehouse_lookup"
HIDDEN = "REVOKE SELECT ON audit_checkpoint FROM gatehouse_lookup"

WAKING = """
-- How far the sinks have been woken: one row.
CREATE TABLE audit_sinkwaking (
    id smallint PRIMARY KEY CHECK (id = 1),
    checkpoint_id bigint NOT NULL
);
INSERT INTO audit_sinkwaking (id, checkpoint_id) VALUES (1, 0);
REVOKE ALL ON audit_sinkwaking FROM gatehouse_app, gatehouse_operator;
GRANT SELECT, UPDATE (checkpoint_id) ON audit_sinkwaking TO gatehouse_lookup;
GRANT SELECT ON audit_sink TO gatehouse_lookup;
GRANT SELECT, INSERT ON audit_sinkcursor TO gatehouse_lookup;
GRANT UPDATE (head, waiting_since, lease, leased_until, served_at) ON audit_sinkcursor TO gatehouse_lookup;

-- A sink of the installation receives every log, any other its own organization's alone.
ALTER TABLE audit_sinkcursor ADD CONSTRAINT audit_sinkcursor_own_log
    CHECK (organization_id IN (log, '00000000-0000-0000-0000-000000000000'));
"""
NO_WAKING = "DROP TABLE audit_sinkwaking"


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0008_evidence_exports"),
    ]

    operations = [
        CreatingTenantTables(),
        migrations.CreateModel(
            name="Sink",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField(editable=False)),
                ("name", models.CharField(max_length=80)),
                ("kind", models.CharField(editable=False, max_length=24, verbose_name="destination")),
                ("options", models.JSONField(default=dict, verbose_name="settings")),
                ("secrets", vault.fields.EncryptedField(null=True)),
                (
                    "format",
                    models.CharField(
                        choices=[
                            ("ndjson", "Gatehouse JSON, which can be verified"),
                            ("ocsf", "OCSF 1.7"),
                            ("ecs", "Elastic Common Schema"),
                            ("cloudevents", "CloudEvents 1.0"),
                            ("cef", "CEF (ArcSight)"),
                            ("leef", "LEEF 2.0 (QRadar)"),
                        ],
                        default="ndjson",
                        max_length=16,
                    ),
                ),
                ("query", models.CharField(blank=True, max_length=500, verbose_name="only events that match")),
                ("has_proofs", models.BooleanField(default=True, verbose_name="with proofs")),
                ("batch_events", models.PositiveIntegerField(default=500, verbose_name="events in a batch")),
                ("batch_bytes", models.PositiveIntegerField(default=1000000, verbose_name="bytes in a batch")),
                ("batch_seconds", models.PositiveIntegerField(default=1, verbose_name="seconds that a batch waits")),
                ("is_active", models.BooleanField(default=True, verbose_name="delivers")),
                ("created_by", models.CharField(editable=False, max_length=320)),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
            ],
            options={
                "ordering": ["name", "id"],
                "default_permissions": (),
                "base_manager_name": "objects",
                "constraints": [
                    models.UniqueConstraint(
                        models.F("organization_id"),
                        django.db.models.functions.text.Lower("name"),
                        name="audit_sink_name",
                    ),
                    models.UniqueConstraint(fields=("organization_id", "id"), name="audit_sink_same_organization"),
                ],
            },
        ),
        migrations.CreateModel(
            name="DeadLetter",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField(editable=False)),
                ("log", models.UUIDField()),
                ("seq", models.BigIntegerField()),
                ("event_id", models.UUIDField()),
                ("action", models.CharField(max_length=80)),
                ("reason", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Set aside"),
                            ("retry", "Is sent again"),
                            ("delivered", "Delivered"),
                            ("dismissed", "Dismissed"),
                        ],
                        default="open",
                        max_length=12,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="set aside")),
                (
                    "sink",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="dead_letters",
                        to="audit.sink",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "default_permissions": (),
                "base_manager_name": "objects",
                "indexes": [
                    models.Index(
                        fields=["organization_id", "sink", "-created_at", "-id"], name="audit_deadletter_newest"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization_id", "sink", "log", "seq"), name="audit_deadletter_one"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SinkCursor",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField(editable=False)),
                ("log", models.UUIDField()),
                ("next_seq", models.BigIntegerField(default=0)),
                ("head", models.BigIntegerField(default=0)),
                ("waiting_since", models.DateTimeField(null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[("delivering", "Delivering"), ("retrying", "Trying again"), ("blocked", "Needs you")],
                        default="delivering",
                        max_length=12,
                    ),
                ),
                ("failures", models.PositiveIntegerField(default=0)),
                ("failing_since", models.DateTimeField(null=True)),
                ("alerted_at", models.DateTimeField(null=True)),
                ("retry_at", models.DateTimeField(null=True)),
                ("last_error", models.TextField(blank=True)),
                ("delivered_at", models.DateTimeField(null=True)),
                ("delivered_time", models.DateTimeField(null=True)),
                ("served_at", models.DateTimeField(null=True)),
                ("lease", models.UUIDField(null=True)),
                ("leased_until", models.DateTimeField(null=True)),
                (
                    "sink",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="cursors",
                        to="audit.sink",
                    ),
                ),
            ],
            options={
                "ordering": ["log"],
                "default_permissions": (),
                "base_manager_name": "objects",
                "indexes": [
                    models.Index(
                        models.OrderBy(models.F("served_at"), nulls_first=True),
                        condition=models.Q(("waiting_since__isnull", False)),
                        name="audit_sinkcursor_turn",
                    ),
                    models.Index(fields=["log"], name="audit_sinkcursor_log"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("organization_id", "sink", "log"), name="audit_sinkcursor_one")
                ],
            },
        ),
        migrations.CreateModel(
            name="SinkHour",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField(editable=False)),
                ("hour", models.DateTimeField()),
                ("delivered", models.PositiveBigIntegerField(default=0)),
                ("refused", models.PositiveBigIntegerField(default=0)),
                ("failures", models.PositiveIntegerField(default=0)),
                (
                    "sink",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="hours",
                        to="audit.sink",
                    ),
                ),
            ],
            options={
                "ordering": ["-hour"],
                "default_permissions": (),
                "base_manager_name": "objects",
                "constraints": [
                    models.UniqueConstraint(fields=("organization_id", "sink", "hour"), name="audit_sinkhour_one")
                ],
            },
        ),
        CompositeForeignKey("audit_sinkcursor", "sink_id", "audit_sink"),
        CompositeForeignKey("audit_deadletter", "sink_id", "audit_sink"),
        CompositeForeignKey("audit_sinkhour", "sink_id", "audit_sink"),
        ForceRowLevelSecurity("audit_sink"),
        ForceRowLevelSecurity("audit_sinkcursor"),
        ForceRowLevelSecurity("audit_deadletter"),
        ForceRowLevelSecurity("audit_sinkhour"),
        RequireAuditEvent("audit_sink"),
        AsAuditOwner([migrations.RunSQL(SHOWN, HIDDEN)]),
        migrations.RunSQL(WAKING, NO_WAKING),
        LookupFunctions(
            SQL.read_text(),
            ["audit_wake_sinks()", "audit_claim_sink(integer)", "audit_add_sink_logs(uuid,boolean)"],
        ),
    ]
