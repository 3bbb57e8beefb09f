"""Retention, legal holds, erasures, receipts, and the names of deleted organizations."""

import uuid
from pathlib import Path
from typing import Any

import django.contrib.postgres.fields
import django.core.validators
import django.utils.timezone
from django.db import migrations, models

from audit.operations import AsAuditOwner, RequireAuditEvent
from isolation.operations import CreatingTenantTables, ForceRowLevelSecurity

HERE = Path(__file__).parent
TABLES = ("audit_retentionchange", "audit_legalhold", "audit_erasurerequest", "audit_deletedlog")
_APPEND_ONLY, _, _REST = (HERE / "events.sql").read_text().partition("CREATE FUNCTION audit_refuse_rewrite()")
UNRETIRE = f"""
DROP FUNCTION audit_erase(uuid);
DROP FUNCTION audit_without(jsonb, text, text[]);
DROP FUNCTION audit_hold_against_erasure(uuid, uuid, text[]);
DROP FUNCTION audit_erasure_plan(uuid, uuid, text[]);
DROP FUNCTION audit_mentions(jsonb, text[]);
DROP FUNCTION audit_drop_empty_partitions();
DROP FUNCTION audit_retire(uuid, date, integer, integer, text);
DROP FUNCTION audit_tell_of_itself(uuid, text, text, jsonb);
DROP FUNCTION audit_retirable(uuid, date, integer, integer);
DROP FUNCTION audit_months_kept(uuid, integer);
DROP TABLE audit_receipt;
CREATE OR REPLACE FUNCTION audit_refuse_rewrite(){_REST.partition("CREATE TRIGGER")[0]}
"""
UNRULE = """
DROP TRIGGER audit_announced ON audit_retentionchange;
DROP TRIGGER audit_kept ON audit_legalhold;
DROP TRIGGER audit_kept ON audit_erasurerequest;
DROP FUNCTION audit_announce_retention();
DROP FUNCTION audit_keep_hold();
DROP FUNCTION audit_keep_erasure();
DROP FUNCTION audit_refuse_held();
DROP FUNCTION audit_holds_lock(boolean);
DROP FUNCTION audit_holds_on(timestamptz);
"""
KEPT = {"base_manager_name": "objects", "default_permissions": (), "abstract": False}


def identity() -> list[tuple[str, Any]]:
    """Return the columns that every kept row has."""
    return [
        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
        ("organization_id", models.UUIDField(editable=False)),
    ]


class Migration(migrations.Migration):
    dependencies = [("audit", "0006_capture")]

    operations = [
        CreatingTenantTables(),
        migrations.CreateModel(
            name="RetentionChange",
            fields=[
                *identity(),
                (
                    "months",
                    models.PositiveSmallIntegerField(
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(1200),
                        ],
                    ),
                ),
                ("notice_days", models.PositiveSmallIntegerField()),
                ("changed_by", models.CharField(max_length=320)),
                ("announced_at", models.DateTimeField(null=True)),
                ("effective_at", models.DateTimeField(null=True)),
            ],
            options={
                **KEPT,
                "verbose_name": "retention",
                "verbose_name_plural": "retention",
                "ordering": ["-announced_at", "-id"],
                "indexes": [
                    models.Index(fields=["organization_id", "-announced_at", "-id"], name="audit_retention_newest")
                ],
            },
        ),
        migrations.CreateModel(
            name="LegalHold",
            fields=[
                *identity(),
                ("name", models.CharField(max_length=120)),
                ("reason", models.CharField(max_length=1000)),
                ("actor_id", models.UUIDField(null=True)),
                ("actor_label", models.CharField(blank=True, max_length=320)),
                ("since", models.DateTimeField(null=True)),
                ("until", models.DateTimeField(null=True)),
                ("by_operator", models.BooleanField(default=False)),
                ("set_by", models.CharField(max_length=320)),
                ("set_at", models.DateTimeField(null=True)),
                ("released_at", models.DateTimeField(null=True)),
                ("released_by", models.CharField(blank=True, max_length=320)),
                ("release_reason", models.CharField(blank=True, max_length=1000)),
            ],
            options={
                **KEPT,
                "verbose_name": "legal hold",
                "ordering": ["-set_at", "-id"],
                "indexes": [models.Index(fields=["organization_id", "-set_at", "-id"], name="audit_legalhold_newest")],
            },
        ),
        migrations.CreateModel(
            name="ErasureRequest",
            fields=[
                *identity(),
                ("person_id", models.UUIDField()),
                (
                    "names",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=320), size=None),
                ),
                ("reason", models.CharField(max_length=1000)),
                ("notice_days", models.PositiveSmallIntegerField()),
                ("by_operator", models.BooleanField(default=False)),
                ("requested_by", models.CharField(max_length=320)),
                ("requested_at", models.DateTimeField(null=True)),
                ("due_at", models.DateTimeField(null=True)),
                ("cancelled_at", models.DateTimeField(null=True)),
                ("cancelled_by", models.CharField(blank=True, max_length=320)),
                ("done_at", models.DateTimeField(null=True)),
                ("events", models.PositiveIntegerField(default=0)),
                ("fields", models.PositiveIntegerField(default=0)),
            ],
            options={
                **KEPT,
                "verbose_name": "erasure",
                "ordering": ["-requested_at", "-id"],
                "indexes": [
                    models.Index(fields=["organization_id", "-requested_at", "-id"], name="audit_erasure_newest")
                ],
            },
        ),
        migrations.CreateModel(
            name="DeletedLog",
            fields=[
                *identity(),
                ("slug", models.CharField(max_length=63)),
                ("name", models.CharField(max_length=200)),
                ("deleted_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                **KEPT,
                "verbose_name": "log of a deleted organization",
                "verbose_name_plural": "logs of deleted organizations",
                "ordering": ["-deleted_at", "-id"],
                "constraints": [models.UniqueConstraint(fields=["organization_id"], name="audit_deletedlog_once")],
            },
        ),
        migrations.CreateModel(
            name="RetirementReceipt",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField()),
                ("month", models.DateField()),
                ("first", models.BigIntegerField()),
                ("last", models.BigIntegerField()),
                ("events", models.BigIntegerField()),
                ("note", models.TextField()),
                ("time", models.DateTimeField()),
            ],
            options={
                "db_table": "audit_receipt",
                "ordering": ["-id"],
                "managed": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        *[ForceRowLevelSecurity(table) for table in TABLES],
        *[RequireAuditEvent(table) for table in TABLES],
        migrations.RunSQL((HERE / "retention_rules.sql").read_text(), UNRULE),
        AsAuditOwner([migrations.RunSQL((HERE / "retention.sql").read_text(), UNRETIRE)]),
    ]
