"""With which credentials the requests of a project may leave, as the hot path asks it."""

from pathlib import Path

from django.db import migrations

HERE = Path(__file__).parent


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0004_tokens"),
        ("vault", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(
            (HERE / "credentials.sql").read_text(encoding="utf-8"), "DROP FUNCTION gateway_credentials(uuid, uuid);"
        ),
    ]
