"""Personal keys are held by each address that their owner has proved, and by domains that were lost."""

from pathlib import Path

from django.db import migrations

HERE = Path(__file__).parent


class Migration(migrations.Migration):
    dependencies = [
        ("account", "0009_emailaddress_unique_primary_email"),
        ("accounts", "0013_version_is_no_news"),
        ("tenants", "0011_lost_domains"),
    ]

    operations = [
        migrations.RunSQL(
            (HERE / "held_addresses.sql").read_text(),
            (HERE / "personal_key_rule.sql").read_text().replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"),
        ),
    ]
