"""What organizations ask of the sessions that enter them, and who is excepted."""

import uuid
from pathlib import Path

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

from audit.operations import RequireAuditEvent
from isolation.operations import CompositeForeignKey, CreatingTenantTables, ForceRowLevelSecurity, LookupFunctions

HERE = Path(__file__).parent
TABLES = ("accounts_signinpolicy", "accounts_signinexception")
FOREIGN_KEYS = (
    ("accounts_signinpolicy", "break_glass_id", "tenants_membership"),
    ("accounts_signinexception", "membership_id", "tenants_membership"),
)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_sessions"),
        ("tenants", "0008_group_names"),
    ]

    operations = [
        CreatingTenantTables(),
        migrations.CreateModel(
            name="SignInException",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "reason",
                    models.CharField(help_text="Others read it in this list and in the audit log.", max_length=300),
                ),
                ("created_by", models.CharField(editable=False, max_length=320)),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="since")),
                (
                    "membership",
                    models.ForeignKey(
                        db_constraint=False,
                        help_text="Such as a login that programs share. Give programs service accounts where you can.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.membership",
                        verbose_name="member",
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
                "verbose_name": "exception to single sign-on",
                "verbose_name_plural": "exceptions to single sign-on",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "membership"),
                        name="accounts_signinexception_once",
                        violation_error_message="This member is an exception already.",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SignInPolicy",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "sso_required",
                    models.CharField(
                        choices=[
                            ("nobody", "Nobody: passwords work as well"),
                            ("domains", "Members with an address in a verified domain"),
                            ("everybody", "Every member"),
                        ],
                        default="nobody",
                        max_length=12,
                        verbose_name="single sign-on required for",
                    ),
                ),
                (
                    "second_factor_required",
                    models.BooleanField(default=False, verbose_name="two-step sign-in required"),
                ),
                (
                    "sso_as_second_factor",
                    models.CharField(
                        choices=[
                            ("always", "Always: the identity provider takes care of it"),
                            ("when_said", "Only when the identity provider says so (amr, acr, AuthnContext)"),
                            ("never", "Never: the second step is done here"),
                        ],
                        default="always",
                        max_length=12,
                        verbose_name="single sign-on counts as two steps",
                    ),
                ),
                (
                    "session_hours",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="After that people sign in again. Empty: as long as this installation lets a session live.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(720),
                        ],
                        verbose_name="longest session, in hours",
                    ),
                ),
                (
                    "idle_minutes",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="After a longer pause people sign in again. Empty: a pause ends nothing.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(5),
                            django.core.validators.MaxValueValidator(1440),
                        ],
                        verbose_name="longest pause, in minutes",
                    ),
                ),
                (
                    "concurrent_sessions",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="A sign-in beyond it ends the oldest session of the same person. Empty: any number.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(100),
                        ],
                        verbose_name="sessions at a time",
                    ),
                ),
                (
                    "allowed_networks",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=43),
                        blank=True,
                        default=list,
                        help_text="From where people work here: an IP address or network (CIDR) a line. Empty: from everywhere.",
                        size=None,
                    ),
                ),
                (
                    "break_glass",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        help_text="The one owner who still comes in by password and second step when the identity provider fails. The other owners hear of it each time.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="tenants.membership",
                        verbose_name="break-glass owner",
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
                "verbose_name": "sign-in policy",
                "verbose_name_plural": "sign-in policies",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
                "constraints": [models.UniqueConstraint(fields=("organization",), name="accounts_signinpolicy_once")],
            },
        ),
        *(CompositeForeignKey(table, column, parent) for table, column, parent in FOREIGN_KEYS),
        *(ForceRowLevelSecurity(table) for table in TABLES),
        *(RequireAuditEvent(table) for table in TABLES),
        LookupFunctions((HERE / "sign_in_policy.sql").read_text(), ["accounts_sso_doors_required(varchar, uuid)"]),
        migrations.RunSQL(
            (HERE / "personal_key_rule.sql").read_text(), "DROP FUNCTION accounts_personal_key_rule(uuid, uuid);"
        ),
    ]
