"""Operators are told once of each platform key that expires soon; being warned about is no change of the key."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_keys"),
    ]

    operations = [
        migrations.AddField(
            model_name="platformkey",
            name="expiry_warned_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
