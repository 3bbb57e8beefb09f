"""Sinks tell of events that retention took before their turn."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0017_sink_turns"),
    ]

    operations = [
        migrations.AddField(
            model_name="sinkcursor", name="farthest", field=models.BigIntegerField(default=0, db_default=0)
        ),
        migrations.AddField(
            model_name="sinkcursor", name="missed_events", field=models.BigIntegerField(default=0, db_default=0)
        ),
        migrations.AddField(model_name="sinkcursor", name="missed_first", field=models.BigIntegerField(null=True)),
        migrations.AddField(model_name="sinkcursor", name="missed_last", field=models.BigIntegerField(null=True)),
        migrations.AddField(
            model_name="sinkcursor", name="missed_told", field=models.BigIntegerField(default=0, db_default=0)
        ),
    ]
