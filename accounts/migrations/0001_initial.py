"""People; what somebody may do is in the membership tables."""

import uuid

import django.db.models.functions.text
from django.db import migrations, models

from audit.operations import RequireAuditEvent


class Migration(migrations.Migration):
    initial = True

    dependencies = [("audit", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="User",
            fields=[
                (
                    "last_login",
                    models.DateTimeField(blank=True, null=True, verbose_name="last login"),
                ),
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("password", models.CharField(max_length=128)),
                (
                    "email",
                    models.EmailField(max_length=254, unique=True, verbose_name="e-mail address"),
                ),
                ("name", models.CharField(blank=True, max_length=120)),
                (
                    "is_active",
                    models.BooleanField(
                        default=True,
                        help_text="Off: cannot sign in anywhere; memberships stay as they are.",
                        verbose_name="active",
                    ),
                ),
                (
                    "is_operator",
                    models.BooleanField(
                        default=False,
                        help_text="Runs this installation: opens the operator console.",
                        verbose_name="operator",
                    ),
                ),
                (
                    "date_joined",
                    models.DateTimeField(auto_now_add=True, verbose_name="joined"),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        django.db.models.functions.text.Lower("email"),
                        name="accounts_user_email_any_case",
                    )
                ],
            },
        ),
        # Signing in touches last_login alone, and is an event of its own.
        RequireAuditEvent(
            "accounts_user",
            column=None,
            watched="email, name, password, is_active, is_operator",
        ),
    ]
