from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0005_api_key_lifetime")]

    operations = [
        migrations.AddField(
            model_name="project",
            name="metadata",
            field=models.JSONField(blank=True, default=dict, help_text="An object of the client's own, kept as it is."),
        ),
    ]
