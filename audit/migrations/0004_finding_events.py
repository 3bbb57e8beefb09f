"""Indexes that the query language needs, and saved searches."""

import uuid

from django.db import migrations, models
from django.db.models.functions import Collate, Lower

from audit.operations import RequireAuditEvent
from isolation.operations import CreatingTenantTables, ForceRowLevelSecurity


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_vault_governed")]

    operations = [
        CreatingTenantTables(),
        # Bytewise, so that the beginning of a target's name is a range; it takes the place of the one that was not.
        migrations.RemoveIndex("event", "audit_event_target_label"),
        migrations.AddIndex(
            "event",
            models.Index(
                models.F("organization_id"),
                Collate("target_label", "C"),
                models.F("time").desc(),
                models.F("id").desc(),
                name="audit_event_target_name",
            ),
        ),
        migrations.AddIndex(
            "event",
            models.Index(
                fields=["organization_id", "ip", "-time", "-id"],
                name="audit_event_ip",
                condition=models.Q(ip__isnull=False),
            ),
        ),
        migrations.AddIndex(
            "event",
            models.Index(
                fields=["request_id", "-time", "-id"],
                name="audit_event_request",
                condition=~models.Q(request_id=""),
            ),
        ),
        migrations.AddIndex(
            "event",
            models.Index(
                fields=["session", "-time", "-id"],
                name="audit_event_session",
                condition=~models.Q(session=""),
            ),
        ),
        migrations.CreateModel(
            name="SavedSearch",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField(editable=False)),
                ("maker_id", models.UUIDField(editable=False)),
                ("maker", models.CharField(editable=False, max_length=320, verbose_name="made by")),
                ("name", models.CharField(max_length=80)),
                ("query", models.CharField(max_length=500)),
                ("is_shared", models.BooleanField(default=False, verbose_name="shared")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
            ],
            options={
                "verbose_name": "saved search",
                "verbose_name_plural": "saved searches",
                "ordering": ["name", "id"],
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.AddConstraint(
            "savedsearch",
            models.UniqueConstraint(
                models.F("organization_id"),
                models.F("maker_id"),
                Lower("name"),
                name="audit_savedsearch_name",
                violation_error_message="You have a saved search with this name already.",
            ),
        ),
        ForceRowLevelSecurity("audit_savedsearch"),
        RequireAuditEvent("audit_savedsearch"),
    ]
