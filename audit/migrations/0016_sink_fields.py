"""Which fields a sink sends."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0015_retiring_in_batches"),
    ]

    operations = [
        migrations.AddField(
            model_name="sink",
            name="sent_fields",
            field=ArrayField(base_field=models.CharField(max_length=24), blank=True, null=True, size=None),
        ),
    ]
