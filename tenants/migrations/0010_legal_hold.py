"""A legal hold keeps an organization from being deleted, whoever deletes its row."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tenants", "0009_membership_stands_for_its_person"), ("audit", "0007_retention")]

    operations = [
        migrations.RunSQL(
            "CREATE TRIGGER audit_held BEFORE DELETE ON tenants_organization"
            " FOR EACH ROW EXECUTE FUNCTION audit_refuse_held();",
            "DROP TRIGGER audit_held ON tenants_organization;",
        ),
    ]
