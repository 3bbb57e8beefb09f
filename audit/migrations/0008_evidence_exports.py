"""Evidence exports."""

import uuid
from pathlib import Path

from django.db import migrations, models

import vault.fields
from audit.operations import RequireAuditEvent
from isolation.operations import CreatingTenantTables, ForceRowLevelSecurity, LookupFunctions

SQL = Path(__file__).with_name("exports.sql")
TABLE = "audit_evidenceexport"
# How far it has come is no change.
CHANGING = (
    "organization_id, requester_kind, requester_id, requester, log_name, reason, format, query, since, until, days, as_of, created_at,"
    " state, problem, size, sha256, completed_at, expires_at, file_key"
)


class Migration(migrations.Migration):
    dependencies = [("audit", "0007_retention"), ("vault", "0001_initial")]

    operations = [
        CreatingTenantTables(),
        migrations.CreateModel(
            name="EvidenceExport",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField(editable=False)),
                (
                    "requester_kind",
                    models.CharField(
                        choices=[
                            ("anonymous", "anonymous"),
                            ("api_key", "api key"),
                            ("identity_provider", "identity provider"),
                            ("operator", "operator"),
                            ("scim_connection", "scim connection"),
                            ("service_account", "service account"),
                            ("system", "system"),
                            ("user", "user"),
                        ],
                        max_length=24,
                    ),
                ),
                ("requester_id", models.UUIDField(null=True)),
                ("requester", models.CharField(max_length=320, verbose_name="requested by")),
                ("log_name", models.CharField(blank=True, max_length=63, verbose_name="log")),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("format", models.CharField(max_length=16)),
                ("query", models.CharField(blank=True, max_length=500)),
                ("since", models.DateTimeField(null=True, verbose_name="from")),
                ("until", models.DateTimeField(null=True)),
                ("days", models.PositiveSmallIntegerField(verbose_name="days kept")),
                ("as_of", models.BigIntegerField(verbose_name="sealed events")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="requested")),
                ("first", models.BigIntegerField(null=True)),
                ("end", models.BigIntegerField(null=True)),
                ("position", models.BigIntegerField(default=0)),
                ("events", models.BigIntegerField(default=0)),
                ("stored", models.BigIntegerField(default=0)),
                ("chunks", models.BigIntegerField(default=0)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                (
                    "state",
                    models.CharField(
                        choices=[("running", "Running"), ("completed", "Completed"), ("failed", "Failed")],
                        default="running",
                        max_length=12,
                    ),
                ),
                ("problem", models.CharField(blank=True, max_length=300)),
                ("size", models.BigIntegerField(null=True, verbose_name="bytes")),
                ("sha256", models.CharField(blank=True, max_length=64, verbose_name="SHA-256")),
                ("completed_at", models.DateTimeField(null=True, verbose_name="completed")),
                ("expires_at", models.DateTimeField(null=True, verbose_name="expires")),
                ("file_key", vault.fields.EncryptedField()),
            ],
            options={
                "verbose_name": "evidence export",
                "ordering": ["-created_at", "-id"],
                "default_permissions": (),
                "base_manager_name": "objects",
                "indexes": [models.Index(fields=["organization_id", "-created_at", "-id"], name="audit_export_newest")],
            },
        ),
        ForceRowLevelSecurity(TABLE),
        RequireAuditEvent(TABLE, watched=CHANGING),
        LookupFunctions(SQL.read_text(), ["audit_exports_to_do()"]),
    ]
