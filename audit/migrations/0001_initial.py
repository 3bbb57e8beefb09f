"""The append-only, partitioned event table and the trigger function of governed tables."""

import uuid
from pathlib import Path

import django.utils.timezone
from django.db import migrations, models

SQL = Path(__file__).with_name("events.sql")
REVERSE = """
SET LOCAL ROLE gatehouse_lookup;
DROP FUNCTION audit_require_event() CASCADE;
SET LOCAL ROLE gatehouse_owner;
DROP FUNCTION audit_ensure_partitions(integer);
DROP TABLE audit_event;
DROP FUNCTION audit_refuse_rewrite();
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.RunSQL(
            SQL.read_text(),
            REVERSE,
            state_operations=[
                migrations.CreateModel(
                    name="Event",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=uuid.uuid4,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "time",
                            models.DateTimeField(default=django.utils.timezone.now),
                        ),
                        ("organization_id", models.UUIDField(null=True)),
                        (
                            "actor_kind",
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
                                verbose_name="kind of actor",
                            ),
                        ),
                        ("actor_id", models.UUIDField(null=True)),
                        (
                            "actor_label",
                            models.CharField(max_length=320, verbose_name="actor"),
                        ),
                        (
                            "via",
                            models.CharField(
                                choices=[
                                    ("api", "api"),
                                    ("cli", "cli"),
                                    ("console", "console"),
                                    ("scim", "scim"),
                                    ("sso", "sso"),
                                    ("system", "system"),
                                ],
                                max_length=12,
                            ),
                        ),
                        ("action", models.CharField(max_length=80)),
                        (
                            "outcome",
                            models.CharField(
                                choices=[
                                    ("success", "Success"),
                                    ("denied", "Denied"),
                                    ("failed", "Failed"),
                                ],
                                default="success",
                                max_length=8,
                            ),
                        ),
                        ("target_type", models.CharField(blank=True, max_length=60)),
                        ("target_id", models.CharField(blank=True, max_length=64)),
                        (
                            "target_label",
                            models.CharField(blank=True, max_length=320, verbose_name="target"),
                        ),
                        ("project_id", models.UUIDField(null=True)),
                        (
                            "project_label",
                            models.CharField(blank=True, max_length=200, verbose_name="project"),
                        ),
                        ("before", models.JSONField(default=dict)),
                        ("after", models.JSONField(default=dict)),
                        ("reason", models.TextField(blank=True)),
                        ("request_id", models.CharField(blank=True, max_length=64)),
                        ("session", models.CharField(blank=True, max_length=64)),
                        ("ip", models.GenericIPAddressField(null=True)),
                        ("user_agent", models.CharField(blank=True, max_length=400)),
                    ],
                    options={
                        "ordering": ["-time", "-id"],
                        "default_permissions": (),
                        "indexes": [
                            models.Index(
                                fields=["organization_id", "-time", "-id"],
                                name="audit_event_newest",
                            ),
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
                                fields=[
                                    "organization_id",
                                    "project_id",
                                    "-time",
                                    "-id",
                                ],
                                name="audit_event_project",
                            ),
                        ],
                    },
                )
            ],
        ),
    ]
