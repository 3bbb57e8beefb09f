"""A provisioned user's entity tag changes when a group takes them: that is the group's event, and no news of theirs."""

from django.db import migrations

from audit.operations import RequireAuditEvent

BEFORE = "organization_id, connection_id, membership_id, external_id, user_name, email, active, attributes, version"
AFTER = BEFORE.removesuffix(", version")


class Migration(migrations.Migration):
    dependencies = [("accounts", "0012_sso_setup"), ("audit", "0006_capture")]

    operations = [
        migrations.RunSQL(
            RequireAuditEvent("accounts_provisioneduser", watched=AFTER).sql,
            RequireAuditEvent("accounts_provisioneduser", watched=BEFORE).sql,
        )
    ]
