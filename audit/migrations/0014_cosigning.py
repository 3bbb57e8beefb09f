"""Cosignatures: who cosigns the logs, whose logs are cosigned here, and what came of it."""

import uuid
from pathlib import Path
from typing import Any

import django.db.models.deletion
from django.db import migrations, models

import vault.fields
from audit.operations import AsAuditOwner, RequireAuditEvent
from isolation.operations import CompositeForeignKey, CreatingTenantTables, ForceRowLevelSecurity

SQL = Path(__file__).with_name("cosigning.sql")
REVERSE = "DROP TABLE audit_cosigning; DROP TABLE audit_cosignature;"
OWN = {"base_manager_name": "objects", "default_permissions": (), "abstract": False}
SEALERS = {"managed": False, "base_manager_name": "objects", "default_permissions": ()}
TABLES = ("audit_cosigningkey", "audit_cosigner", "audit_witnessedlog")


def own() -> list[tuple[str, Any]]:
    """Return the columns that every row of the installation has."""
    return [
        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
        ("organization_id", models.UUIDField(editable=False)),
        ("name", models.CharField(max_length=200)),
        ("public_key", models.CharField(max_length=44)),
    ]


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0013_sink_checkpoints"),
    ]

    operations = [
        CreatingTenantTables(),
        migrations.CreateModel(
            name="CosigningKey",
            fields=[
                *own(),
                ("seed", vault.fields.EncryptedField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                **OWN,
                "verbose_name": "cosigning key",
                "constraints": [models.UniqueConstraint(fields=("organization_id",), name="audit_cosigningkey_one")],
            },
        ),
        migrations.CreateModel(
            name="Cosigner",
            fields=[
                *own(),
                ("url", models.CharField(max_length=500, verbose_name="address")),
                ("added_by", models.CharField(editable=False, max_length=320)),
                ("added_at", models.DateTimeField(auto_now_add=True, verbose_name="added")),
            ],
            options={
                **OWN,
                "verbose_name": "cosigner",
                "ordering": ["name"],
                "constraints": [
                    models.UniqueConstraint(fields=("organization_id", "name"), name="audit_cosigner_name")
                ],
            },
        ),
        migrations.CreateModel(
            name="WitnessedLog",
            fields=[
                *own(),
                ("added_by", models.CharField(editable=False, max_length=320)),
                ("added_at", models.DateTimeField(auto_now_add=True, verbose_name="added")),
            ],
            options={
                **OWN,
                "verbose_name": "witnessed log",
                "ordering": ["name"],
                "constraints": [
                    models.UniqueConstraint(fields=("organization_id", "name"), name="audit_witnessedlog_name"),
                    models.UniqueConstraint(
                        fields=("organization_id", "id"), name="audit_witnessedlog_same_organization"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="WitnessedOrigin",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField(editable=False)),
                ("origin", models.CharField(max_length=200)),
                ("size", models.BigIntegerField(default=0)),
                ("root", models.BinaryField(default=b"")),
                ("signed_at", models.DateTimeField(null=True)),
                ("cosigned_at", models.DateTimeField(null=True)),
                ("refusal", models.TextField(blank=True)),
                ("refused_at", models.DateTimeField(null=True)),
                (
                    "witnessed_log",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="origins",
                        to="audit.witnessedlog",
                    ),
                ),
            ],
            options={
                "base_manager_name": "objects",
                "default_permissions": (),
                "ordering": ["origin"],
                "constraints": [
                    models.UniqueConstraint(fields=("organization_id", "origin"), name="audit_witnessedorigin_one")
                ],
            },
        ),
        migrations.CreateModel(
            name="Cosignature",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField()),
                ("size", models.BigIntegerField()),
                ("name", models.TextField()),
                ("line", models.TextField()),
                ("time", models.DateTimeField()),
            ],
            options={**SEALERS, "db_table": "audit_cosignature", "ordering": ["-size", "name"]},
        ),
        migrations.CreateModel(
            name="Cosigning",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "organization_id",
                        "cosigner_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("organization_id", models.UUIDField()),
                ("cosigner_id", models.UUIDField()),
                ("name", models.TextField()),
                ("size", models.BigIntegerField(default=0)),
                ("asked_at", models.DateTimeField(null=True)),
                ("failure", models.TextField(default="")),
                ("refusal", models.TextField(default="")),
                ("refused_at", models.DateTimeField(null=True)),
            ],
            options={**SEALERS, "db_table": "audit_cosigning"},
        ),
        CompositeForeignKey("audit_witnessedorigin", "witnessed_log_id", "audit_witnessedlog"),
        *[ForceRowLevelSecurity(table) for table in (*TABLES, "audit_witnessedorigin")],
        *[RequireAuditEvent(table) for table in TABLES],
        AsAuditOwner([migrations.RunSQL(SQL.read_text(), REVERSE)]),
    ]
