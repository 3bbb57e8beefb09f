"""Sessions that say whose they are and hold no key, known browsers, and ends of sessions in an organization.

Everybody signs in again: Django's own table held the keys themselves, and goes.
"""

import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

from audit.operations import RequireAuditEvent
from isolation.operations import CompositeForeignKey, CreatingTenantTables, ForceRowLevelSecurity


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_sso"),
        ("tenants", "0008_group_names"),
    ]

    operations = [
        CreatingTenantTables(),
        migrations.CreateModel(
            name="Device",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("cookie_digest", models.BinaryField(max_length=32, unique=True)),
                ("name", models.CharField(editable=False, max_length=120)),
                (
                    "first_seen_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="first sign-in"
                    ),
                ),
                (
                    "last_seen_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="last sign-in"
                    ),
                ),
                ("ip", models.GenericIPAddressField(editable=False, null=True, verbose_name="IP address")),
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
            options={"default_permissions": ()},
        ),
        migrations.CreateModel(
            name="Session",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("session_data", models.TextField(verbose_name="session data")),
                ("expire_date", models.DateTimeField(db_index=True, verbose_name="expire date")),
                ("key_digest", models.BinaryField(max_length=32, unique=True)),
                ("signed_in_at", models.DateTimeField(editable=False, null=True, verbose_name="signed in")),
                (
                    "last_seen_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name="last used"),
                ),
                ("ip", models.GenericIPAddressField(editable=False, null=True, verbose_name="IP address")),
                (
                    "user_agent",
                    models.CharField(blank=True, editable=False, max_length=400, verbose_name="browser"),
                ),
                (
                    "device",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="accounts.device",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "session",
                "verbose_name_plural": "sessions",
                "abstract": False,
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="SessionEnd",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("ended_at", models.DateTimeField(editable=False)),
                (
                    "membership",
                    models.ForeignKey(
                        db_constraint=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.membership",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
            ],
            options={
                "verbose_name": "end of sessions",
                "verbose_name_plural": "ends of sessions",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.AddIndex(
            model_name="device",
            index=models.Index(fields=["last_seen_at"], name="accounts_device_age"),
        ),
        migrations.AddConstraint(
            model_name="session",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("signed_in_at", None), ("user", None)),
                    models.Q(("signed_in_at__isnull", False), ("user__isnull", False)),
                    _connector="OR",
                ),
                name="accounts_session_signed_in",
            ),
        ),
        migrations.AddConstraint(
            model_name="sessionend",
            constraint=models.UniqueConstraint(
                fields=("organization", "membership"), name="accounts_sessionend_membership"
            ),
        ),
        CompositeForeignKey("accounts_sessionend", "membership_id", "tenants_membership"),
        ForceRowLevelSecurity("accounts_sessionend"),
        RequireAuditEvent("accounts_sessionend"),
        # They say who is signed in where; the operator's console asks as the app, one person at a time.
        migrations.RunSQL(
            "REVOKE SELECT ON accounts_session, accounts_device FROM gatehouse_operator",
            "GRANT SELECT ON accounts_session, accounts_device TO gatehouse_operator",
        ),
        migrations.RunSQL("DROP TABLE IF EXISTS django_session", migrations.RunSQL.noop),
    ]
