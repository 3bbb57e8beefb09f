"""The operator's role reads tenants' rows; sessions and confirmation keys are nobody's business."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0001_broker"),
        ("sessions", "0001_initial"),
        ("account", "0009_emailaddress_unique_primary_email"),
    ]
    operations = [
        migrations.RunSQL(
            "REVOKE SELECT ON django_session, account_emailconfirmation FROM gatehouse_operator",
            "GRANT SELECT ON django_session, account_emailconfirmation TO gatehouse_operator",
        ),
    ]
