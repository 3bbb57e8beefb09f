"""What is withheld of events that leave."""

import uuid

from django.db import migrations, models

import vault.fields
from audit.operations import RequireAuditEvent
from isolation.operations import ForceRowLevelSecurity


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0007_sinks"),
    ]

    operations = [
        migrations.AddField(
            model_name="sink",
            name="redaction",
            field=models.JSONField(default=dict),
        ),
        migrations.CreateModel(
            name="RedactionPolicy",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField(editable=False)),
                ("rules", models.JSONField(default=dict)),
                ("key", vault.fields.EncryptedField()),
            ],
            options={
                "verbose_name": "redaction",
                "verbose_name_plural": "redactions",
                "default_permissions": (),
                "base_manager_name": "objects",
                "constraints": [models.UniqueConstraint(fields=("organization_id",), name="audit_redactionpolicy_one")],
            },
        ),
        ForceRowLevelSecurity("audit_redactionpolicy"),
        RequireAuditEvent("audit_redactionpolicy"),
    ]
