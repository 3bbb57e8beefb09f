"""When a domain was lost: until it is verified again, its people are held to what was asked of them."""

from django.db import migrations, models

from audit.operations import RequireAuditEvent

BEFORE = RequireAuditEvent(
    "tenants_domain", watched="organization_id, name, token, verified_at, method, reason, failing_since"
)


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0010_legal_hold"),
    ]

    operations = [
        migrations.AddField(
            model_name="domain",
            name="lost_at",
            field=models.DateTimeField(editable=False, null=True, verbose_name="lost"),
        ),
        migrations.RunSQL(BEFORE.reverse_sql or "", BEFORE.sql),
        RequireAuditEvent(
            "tenants_domain",
            watched="organization_id, name, token, verified_at, method, reason, failing_since, lost_at",
        ),
    ]
