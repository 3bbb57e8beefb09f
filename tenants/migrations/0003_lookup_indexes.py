"""Indexes for questions across organizations: a person's open invitations, what is due for deletion."""

from django.db import migrations, models
from django.db.models.functions import Lower

SCHEDULED = models.Q(purge_at__isnull=False)


class Migration(migrations.Migration):
    dependencies = [("tenants", "0002_isolation")]

    operations = [
        migrations.AddIndex(
            "invitation",
            models.Index(
                Lower("email"),
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="tenants_invitation_of_email",
            ),
        ),
        migrations.AddIndex(
            "organization",
            models.Index(fields=["purge_at"], condition=SCHEDULED, name="tenants_organization_purge"),
        ),
        migrations.AddIndex(
            "project",
            models.Index(fields=["purge_at"], condition=SCHEDULED, name="tenants_project_purge"),
        ),
    ]
