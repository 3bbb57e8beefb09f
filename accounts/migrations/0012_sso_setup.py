"""Links by which somebody who is no member sets up a single sign-on connection."""

import uuid
from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

from audit.operations import RequireAuditEvent
from isolation.operations import CompositeForeignKey, CreatingTenantTables, ForceRowLevelSecurity, LookupFunctions

HERE = Path(__file__).parent
TABLE = "accounts_ssosetuplink"


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0011_sso_logout"),
        ("tenants", "0008_group_names"),
    ]

    operations = [
        CreatingTenantTables(),
        migrations.CreateModel(
            name="SsoSetupLink",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("recipient", models.CharField(editable=False, max_length=254, verbose_name="for whom")),
                ("token_digest", models.BinaryField(max_length=32, unique=True)),
                ("created_by", models.CharField(editable=False, max_length=320)),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("expires_at", models.DateTimeField(editable=False, verbose_name="expires")),
                ("finished_at", models.DateTimeField(editable=False, null=True, verbose_name="finished")),
                ("revoked_at", models.DateTimeField(editable=False, null=True, verbose_name="revoked")),
                (
                    "connection",
                    models.ForeignKey(
                        db_constraint=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.ssoconnection",
                    ),
                ),
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
                "verbose_name": "set-up link",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
                "indexes": [
                    models.Index(fields=["organization", "-created_at", "-id"], name="accounts_ssosetuplink_newest")
                ],
            },
        ),
        CompositeForeignKey(TABLE, "connection_id", "accounts_ssoconnection"),
        ForceRowLevelSecurity(TABLE),
        RequireAuditEvent(TABLE),
        LookupFunctions((HERE / "sso_setup.sql").read_text(), ["accounts_sso_setup_link_by_digest(bytea)"]),
    ]
