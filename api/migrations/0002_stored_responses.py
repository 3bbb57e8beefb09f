"""Responses kept for a repeated request, under row-level security; no event: they change nothing that is governed."""

import uuid
from pathlib import Path

from django.db import migrations, models

import vault.fields
from isolation.operations import ForceRowLevelSecurity, LookupFunctions

FORGET = Path(__file__).with_name("forget.sql")


class Migration(migrations.Migration):
    dependencies = [
        ("api", "0001_rate"),
    ]

    operations = [
        migrations.CreateModel(
            name="StoredResponse",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField()),
                ("credential", models.CharField(max_length=80)),
                ("key", models.CharField(max_length=255)),
                ("fingerprint", models.BinaryField(max_length=32)),
                ("status", models.PositiveSmallIntegerField()),
                ("headers", models.JSONField(default=dict)),
                ("body", vault.fields.EncryptedField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "default_permissions": (),
                "base_manager_name": "objects",
                "indexes": [models.Index(fields=["created_at"], name="api_storedresponse_age")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization_id", "credential", "key"), name="api_storedresponse_key"
                    )
                ],
            },
        ),
        ForceRowLevelSecurity("api_storedresponse"),
        migrations.RunSQL(
            "GRANT SELECT, DELETE ON api_storedresponse TO gatehouse_lookup",
            "REVOKE SELECT, DELETE ON api_storedresponse FROM gatehouse_lookup",
        ),
        LookupFunctions(FORGET.read_text(), ["api_forget_responses(interval)"]),
    ]
