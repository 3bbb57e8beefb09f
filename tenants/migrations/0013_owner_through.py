"""By whose word a member is an owner, and what they were before."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0012_llm_permissions")]

    operations = [
        migrations.AddField(
            model_name="membership", name="owner_through", field=models.UUIDField(editable=False, null=True)
        ),
        migrations.AddField(
            model_name="membership", name="role_before", field=models.UUIDField(editable=False, null=True)
        ),
    ]
