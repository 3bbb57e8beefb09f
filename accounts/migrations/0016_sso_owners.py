"""Single sign-on: the value of a groups claim that makes owners."""

from django.db import migrations, models

from audit.operations import RequireAuditEvent

CONNECTION = "accounts_ssoconnection"
WATCHED = (
    "organization_id, protocol, name, provider, issuer, client_id, client_secret, metadata_url, subject_attribute,"
    " signs_requests, allows_idp_initiated, email_claim, name_claim, external_id_claim, groups_claim, scopes, joining,"
    " role_id, is_enabled, scim_connection_id, ends_at_provider, domains"
)
BEFORE = RequireAuditEvent(CONNECTION, watched=WATCHED)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0015_sso_domains")]

    operations = [
        migrations.AddField(
            model_name="ssoconnection",
            name="owner_value",
            field=models.CharField(
                blank=True, default="", editable=False, max_length=255, verbose_name="value that makes owners"
            ),
            preserve_default=False,
        ),
        migrations.RunSQL(BEFORE.reverse_sql or "", BEFORE.sql),
        RequireAuditEvent(CONNECTION, watched=f"{WATCHED}, owner_value"),
    ]
