"""Single sign-on: signing out at the provider and by it, and the SCIM connection of the same directory."""

import uuid

import django.db.models.deletion
from django.db import migrations, models

from audit.operations import RequireAuditEvent
from isolation.operations import CompositeForeignKey, CreatingTenantTables, ForceRowLevelSecurity

CONNECTION = "accounts_ssoconnection"
FOREIGN_KEYS = (
    (CONNECTION, "scim_connection_id", "accounts_scimconnection"),
    ("accounts_ssologout", "connection_id", CONNECTION),
)
WATCHED = (
    "organization_id, protocol, name, provider, issuer, client_id, client_secret, metadata_url, subject_attribute,"
    " signs_requests, allows_idp_initiated, email_claim, name_claim, external_id_claim, groups_claim, scopes, joining,"
    " role_id, is_enabled"
)
BEFORE = RequireAuditEvent(CONNECTION, watched=WATCHED)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0010_social"),
        ("tenants", "0008_group_names"),
    ]

    operations = [
        CreatingTenantTables(),
        migrations.AddField(
            model_name="ssoconnection",
            name="ends_at_provider",
            field=models.BooleanField(
                default=True,
                help_text="Who signs out here is led on to sign out at the provider, where it offers that.",
                verbose_name="sign out there too",
            ),
        ),
        migrations.AddField(
            model_name="ssoconnection",
            name="scim_connection",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                help_text="Which connection provisions the people of this provider. Then its externalIds and user names count here, whatever other connections are on.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="accounts.scimconnection",
                verbose_name="SCIM connection",
            ),
        ),
        migrations.CreateModel(
            name="SsoLogout",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("issuer", models.CharField(editable=False, max_length=500)),
                ("jti", models.CharField(editable=False, max_length=255)),
                ("subject", models.CharField(blank=True, editable=False, max_length=255)),
                ("sid", models.CharField(blank=True, editable=False, max_length=255)),
                ("time", models.DateTimeField(auto_now_add=True)),
                (
                    "connection",
                    models.ForeignKey(
                        db_constraint=False,
                        editable=False,
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
                "verbose_name": "sign-out at a provider",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
                "indexes": [
                    models.Index(fields=["organization", "connection", "time"], name="accounts_ssologout_newest"),
                    models.Index(fields=["time"], name="accounts_ssologout_age"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "connection", "issuer", "jti"), name="accounts_ssologout_once"
                    )
                ],
            },
        ),
        *(CompositeForeignKey(table, column, parent) for table, column, parent in FOREIGN_KEYS),
        ForceRowLevelSecurity("accounts_ssologout"),
        migrations.RunSQL(BEFORE.reverse_sql or "", BEFORE.sql),
        RequireAuditEvent(CONNECTION, watched=f"{WATCHED}, scim_connection_id, ends_at_provider"),
    ]
