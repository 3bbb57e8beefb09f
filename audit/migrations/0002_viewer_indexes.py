"""Indexes for the viewer's filters: actor by prefix, target by name, what went wrong, all organizations."""

from django.db import migrations, models
from django.db.models.functions import Collate


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [
        migrations.AddIndex(
            "event",
            models.Index(
                models.F("organization_id"),
                Collate("actor_label", "C"),
                models.F("time").desc(),
                models.F("id").desc(),
                name="audit_event_actor_label",
            ),
        ),
        migrations.AddIndex(
            "event",
            models.Index(
                fields=["organization_id", "target_label", "-time", "-id"],
                name="audit_event_target_label",
            ),
        ),
        migrations.AddIndex(
            "event",
            models.Index(
                fields=["organization_id", "outcome", "-time", "-id"],
                name="audit_event_trouble",
                condition=models.Q(outcome__in=["denied", "failed"]),
            ),
        ),
        migrations.AddIndex("event", models.Index(fields=["-time", "-id"], name="audit_event_everywhere")),
    ]
