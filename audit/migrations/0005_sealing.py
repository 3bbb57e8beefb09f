"""Leaves, tree, checkpoints and signing keys."""

from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).with_name("sealing.sql")
REVERSE = """
DROP FUNCTION audit_ensure_leaftext_partitions();
DROP TABLE audit_witness, audit_verification, audit_checkpoint, audit_node, audit_leaftext, audit_leaf, audit_signingkey,
    audit_sealer;
REVOKE SELECT ON audit_event FROM gatehouse_sealer;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_finding_events")]

    operations = [
        migrations.RunSQL(SQL.read_text(), REVERSE),
        migrations.CreateModel(
            name="Leaf",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "organization_id", "seq", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("organization_id", models.UUIDField()),
                ("seq", models.BigIntegerField()),
                ("event_id", models.UUIDField()),
                ("event_time", models.DateTimeField()),
                ("hash", models.BinaryField()),
            ],
            options={
                "db_table": "audit_leaf",
                "managed": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="LeafText",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "organization_id",
                        "seq",
                        "event_time",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("organization_id", models.UUIDField()),
                ("seq", models.BigIntegerField()),
                ("event_time", models.DateTimeField()),
                ("body", models.TextField()),
                ("salts", models.BinaryField()),
            ],
            options={
                "db_table": "audit_leaftext",
                "managed": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Node",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "organization_id",
                        "level",
                        "place",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("organization_id", models.UUIDField()),
                ("level", models.SmallIntegerField()),
                ("place", models.BigIntegerField()),
                ("hash", models.BinaryField()),
            ],
            options={
                "db_table": "audit_node",
                "managed": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="SignedCheckpoint",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField()),
                ("start", models.BigIntegerField()),
                ("size", models.BigIntegerField()),
                ("root", models.BinaryField()),
                ("edge", models.BinaryField()),
                ("note", models.TextField()),
                ("key_number", models.SmallIntegerField()),
                ("time", models.DateTimeField()),
            ],
            options={
                "db_table": "audit_checkpoint",
                "ordering": ["-size"],
                "managed": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Verification",
            fields=[
                ("organization_id", models.UUIDField(primary_key=True, serialize=False)),
                ("size", models.BigIntegerField(default=0)),
                ("verified_at", models.DateTimeField(null=True)),
                ("again", models.BigIntegerField(default=0)),
                ("began_at", models.DateTimeField(null=True)),
                ("completed_at", models.DateTimeField(null=True)),
                ("problems", models.JSONField(default=list)),
                ("failing_since", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "audit_verification",
                "managed": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
    ]
