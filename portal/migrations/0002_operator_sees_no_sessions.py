"""The operator's role reads tenants' rows; confirmation keys are nobody's business (sessions: accounts.0006)."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0001_broker"),
        ("account", "0009_emailaddress_unique_primary_email"),
    ]
    operations = [
        migrations.RunSQL(
            "REVOKE SELECT ON account_emailconfirmation FROM gatehouse_operator",
            "GRANT SELECT ON account_emailconfirmation TO gatehouse_operator",
        ),
    ]
