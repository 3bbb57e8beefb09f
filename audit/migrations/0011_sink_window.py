"""Sinks whose receivers acknowledge nothing: what is sent again after a failure."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0010_redaction"),
    ]

    operations = [
        migrations.AddField(model_name="sinkcursor", name="replay_from", field=models.BigIntegerField(null=True)),
        migrations.AddField(model_name="sinkcursor", name="sent_lately", field=models.JSONField(null=True)),
    ]
