"""An event that names a membership names its person, too, to whom exceptions and invitations refer."""

from django.db import migrations

from audit.operations import RequireAuditEvent


class Migration(migrations.Migration):
    dependencies = [("tenants", "0008_group_names"), ("audit", "0006_capture")]

    operations = [
        migrations.RunSQL(
            RequireAuditEvent("tenants_membership", stands_for="user_id").sql,
            RequireAuditEvent("tenants_membership").sql,
        )
    ]
