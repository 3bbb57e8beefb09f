"""How many invitations an organization may mail in a day; operators decide."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0003_lookup_indexes"),
    ]

    operations = [
        migrations.AddField(
            model_name="installationsettings",
            name="invitations_per_day",
            field=models.PositiveIntegerField(
                default=200,
                help_text="How many mails one organization may send in 24 hours, repeated ones included.",
                verbose_name="invitations per day",
            ),
        ),
    ]
