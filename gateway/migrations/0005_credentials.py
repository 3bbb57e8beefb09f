"""With which credentials the requests of a project may leave, as the hot path asks it."""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

HERE = Path(__file__).parent


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0004_tokens"),
        ("vault", "0001_initial"),
    ]

    operations = [
        migrations.AlterField(
            model_name="providercredential",
            name="project",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                help_text="Empty: for every project of the organization, after those that it has itself.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="tenants.project",
            ),
        ),
        migrations.RunSQL(
            (HERE / "credentials.sql").read_text(encoding="utf-8"), "DROP FUNCTION gateway_credentials(uuid, uuid);"
        ),
    ]
