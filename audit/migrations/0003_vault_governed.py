"""Data keys are governed: the vault lies below this app and cannot say so itself."""

from django.db import migrations

from audit.operations import RequireAuditEvent


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_viewer_indexes"), ("vault", "0001_initial")]

    operations = [RequireAuditEvent("vault_datakey")]
