"""Where the limits of signing in are counted without Redis."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).with_name("cache.sql")


class Migration(migrations.Migration):
    dependencies = [("portal", "0002_operator_sees_no_sessions")]

    operations = [migrations.RunSQL(SQL.read_text(), "DROP TABLE portal_cache")]
