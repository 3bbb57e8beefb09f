"""Domains that organizations have verified, under tenancy like everything of theirs."""

import uuid

import django.db.models.deletion
from django.db import migrations, models

from audit.operations import RequireAuditEvent
from isolation.operations import CreatingTenantTables, ForceRowLevelSecurity

# That it was looked for is no change, nor what was found.
COLUMNS = "organization_id, name, token, verified_at, method, reason, failing_since"


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0006_project_metadata"),
    ]

    operations = [
        CreatingTenantTables(),
        migrations.CreateModel(
            name="Domain",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "name",
                    models.CharField(
                        help_text="What stands behind the @ of your people's addresses, such as example.com.",
                        max_length=253,
                        verbose_name="domain",
                    ),
                ),
                ("token", models.CharField(editable=False, max_length=64)),
                ("verified_at", models.DateTimeField(editable=False, null=True, verbose_name="verified")),
                (
                    "method",
                    models.CharField(
                        blank=True,
                        choices=[("dns", "TXT record"), ("operator", "Confirmed by an operator")],
                        default="",
                        editable=False,
                        max_length=12,
                        verbose_name="verified by",
                    ),
                ),
                (
                    "reason",
                    models.CharField(blank=True, editable=False, max_length=400, verbose_name="operator's reason"),
                ),
                ("checked_at", models.DateTimeField(editable=False, null=True, verbose_name="last checked")),
                ("problem", models.TextField(blank=True, editable=False, verbose_name="what the last check found")),
                ("failing_since", models.DateTimeField(editable=False, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="added")),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
            ],
            options={
                "ordering": ["name"],
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "name"),
                        name="tenants_domain_once",
                        violation_error_message="This domain is in the list already.",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("verified_at__isnull", False)),
                        fields=("name",),
                        name="tenants_domain_verified_once",
                        violation_error_message="This domain is verified by another organization of this installation. It must be removed there first; if nobody there can be asked, ask an operator.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("failing_since", None), ("method", ""), ("verified_at", None)),
                            models.Q(("method", "dns"), ("verified_at__isnull", False)),
                            models.Q(("failing_since", None), ("method", "operator"), ("verified_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="tenants_domain_state",
                    ),
                ],
            },
        ),
        ForceRowLevelSecurity("tenants_domain"),
        RequireAuditEvent("tenants_domain", watched=COLUMNS),
    ]
