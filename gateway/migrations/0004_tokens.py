"""Tokens: the next signing key waits until it signs, a key's tokens end with it, and what the hot path asks."""

from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).parent / "tokens.sql"


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0003_proxy"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="signingkey",
            options={"default_permissions": (), "ordering": ["-created_at", "-kid"], "verbose_name": "signing key"},
        ),
        migrations.AlterField(
            model_name="signingkey",
            name="signs_from",
            field=models.DateTimeField(editable=False, null=True, verbose_name="signs from"),
        ),
        migrations.AlterField(
            model_name="tokenrevocation",
            name="kind",
            field=models.CharField(
                choices=[
                    ("token", "One token"),
                    ("actor", "Everything of one actor"),
                    ("key", "Everything that one key asked for"),
                    ("project", "Everything of one project"),
                    ("organization", "Everything of the organization"),
                ],
                editable=False,
                max_length=12,
            ),
        ),
        migrations.RunSQL(
            SQL.read_text(encoding="utf-8"),
            "DROP FUNCTION gateway_revocations(uuid); DROP FUNCTION gateway_signing_keys();",
        ),
    ]
