"""Accounts at social providers by which people sign in."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from audit.operations import RequireAuditEvent


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_second_factors")]

    operations = [
        migrations.CreateModel(
            name="SocialIdentity",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("provider", models.CharField(editable=False, max_length=12)),
                ("issuer", models.CharField(editable=False, max_length=500)),
                ("subject", models.CharField(editable=False, max_length=255)),
                ("account", models.CharField(blank=True, editable=False, max_length=254)),
                ("before_proof", models.BooleanField(default=False, editable=False)),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="connected")),
                ("last_used_at", models.DateTimeField(editable=False, null=True, verbose_name="last sign-in")),
                (
                    "user",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "social identity",
                "verbose_name_plural": "social identities",
                "ordering": ["provider", "account", "pk"],
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("provider", "issuer", "subject"), name="accounts_socialidentity_subject"
                    )
                ],
            },
        ),
        # Signing in touches last_used_at alone, and is an event of its own.
        RequireAuditEvent(
            "accounts_socialidentity",
            column=None,
            watched="user_id, provider, issuer, subject, account, before_proof",
        ),
    ]
