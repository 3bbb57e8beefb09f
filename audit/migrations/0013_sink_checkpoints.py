"""Sinks receive checkpoints as records of their own."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0012_alerts"),
    ]

    operations = [
        migrations.AddField(
            model_name="sink",
            name="sends_checkpoints",
            field=models.BooleanField(default=True, verbose_name="with checkpoints"),
        ),
        migrations.AddField(
            model_name="sinkcursor", name="checkpoint_size", field=models.BigIntegerField(db_default=0)
        ),
        migrations.AddField(model_name="sinkcursor", name="checkpoint_at", field=models.DateTimeField(null=True)),
        migrations.AddField(model_name="sinkcursor", name="checkpoint_refusal", field=models.TextField(db_default="")),
    ]
