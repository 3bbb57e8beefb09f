"""Where requests are counted for the rate limits."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).with_name("rate.sql")


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [migrations.RunSQL(SQL.read_text(), "DROP TABLE api_rate")]
