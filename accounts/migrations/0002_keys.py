"""Service accounts and keys, under tenancy like everything of an organization."""

import uuid
from pathlib import Path

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

from audit.operations import RequireAuditEvent
from isolation.operations import CompositeForeignKey, CreatingTenantTables, ForceRowLevelSecurity, LookupFunctions

HERE = Path(__file__).parent
TABLES = (
    "accounts_serviceaccount",
    "accounts_serviceaccountprojectrole",
    "accounts_apikey",
    "accounts_apikeysecret",
)
FOREIGN_KEYS = (
    ("accounts_serviceaccount", "role_id", "tenants_role"),
    ("accounts_serviceaccountprojectrole", "account_id", "accounts_serviceaccount"),
    ("accounts_serviceaccountprojectrole", "project_id", "tenants_project"),
    ("accounts_serviceaccountprojectrole", "role_id", "tenants_role"),
    ("accounts_apikey", "service_account_id", "accounts_serviceaccount"),
)
# A project's keys go with it to another organization.
FOLLOWING = (
    ("accounts_apikey", "project_id", "tenants_project"),
    ("accounts_apikeysecret", "api_key_id", "accounts_apikey"),
)
# Being used and being warned about are no changes.
KEY_COLUMNS = (
    "organization_id, kind, name, note, environment, project_id, user_id, service_account_id, public_id, scopes,"
    " allowed_networks, expires_at, revoked_at, revocation_reason"
)
PLATFORM_KEY_COLUMNS = (
    "name, note, public_id, digest, pepper_id, allowed_networks, expires_at, revoked_at, revocation_reason"
)
LOOKUPS = ("accounts_keys_by_digest(bytea[])", "accounts_touch_keys(uuid[], timestamptz[], text[])")


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("tenants", "0005_api_key_lifetime"),
    ]

    operations = [
        CreatingTenantTables(),
        migrations.CreateModel(
            name="PlatformKey",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=120)),
                ("note", models.TextField(blank=True, max_length=1000)),
                ("public_id", models.CharField(editable=False, max_length=60, unique=True, verbose_name="public id")),
                ("digest", models.BinaryField(max_length=32)),
                ("pepper_id", models.PositiveSmallIntegerField(editable=False)),
                ("last_four", models.CharField(editable=False, max_length=4)),
                (
                    "allowed_networks",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=43), blank=True, default=list, size=None
                    ),
                ),
                ("expires_at", models.DateTimeField(blank=True, null=True, verbose_name="expires")),
                ("created_by", models.CharField(editable=False, max_length=320)),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("last_used_at", models.DateTimeField(editable=False, null=True, verbose_name="last used")),
                (
                    "last_used_ip",
                    models.GenericIPAddressField(editable=False, null=True, verbose_name="last used from"),
                ),
                ("expiry_warned_at", models.DateTimeField(editable=False, null=True)),
                ("revoked_at", models.DateTimeField(editable=False, null=True, verbose_name="revoked")),
                ("revocation_reason", models.CharField(blank=True, editable=False, max_length=300)),
            ],
            options={
                "verbose_name": "platform key",
                "ordering": ["name"],
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="ServiceAccount",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=120)),
                ("description", models.CharField(blank=True, max_length=300)),
                (
                    "kind",
                    models.CharField(
                        choices=[("service", "Service"), ("evaluator", "Evaluator"), ("agent", "Agent")],
                        default="service",
                        max_length=12,
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        default=True,
                        help_text="While this is off, none of its keys is accepted.",
                        verbose_name="active",
                    ),
                ),
                ("created_by", models.CharField(editable=False, max_length=320)),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
                (
                    "role",
                    models.ForeignKey(
                        db_constraint=False,
                        help_text="What its keys may do at most, in the whole organization.",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.role",
                    ),
                ),
            ],
            options={
                "verbose_name": "service account",
                "ordering": ["name"],
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("project", "Project"),
                            ("organization", "Organization"),
                            ("personal", "Personal"),
                            ("service_account", "Service account"),
                        ],
                        editable=False,
                        max_length=16,
                    ),
                ),
                ("name", models.CharField(max_length=120)),
                ("note", models.TextField(blank=True, max_length=1000)),
                (
                    "environment",
                    models.CharField(
                        choices=[("production", "Production"), ("staging", "Staging"), ("development", "Development")],
                        editable=False,
                        max_length=12,
                    ),
                ),
                ("public_id", models.CharField(editable=False, max_length=60, verbose_name="public id")),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), size=None),
                ),
                (
                    "allowed_networks",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=43), blank=True, default=list, size=None
                    ),
                ),
                ("expires_at", models.DateTimeField(blank=True, null=True, verbose_name="expires")),
                ("created_by", models.CharField(editable=False, max_length=320)),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("last_used_at", models.DateTimeField(editable=False, null=True, verbose_name="last used")),
                (
                    "last_used_ip",
                    models.GenericIPAddressField(editable=False, null=True, verbose_name="last used from"),
                ),
                ("expiry_warned_at", models.DateTimeField(editable=False, null=True)),
                ("revoked_at", models.DateTimeField(editable=False, null=True, verbose_name="revoked")),
                ("revocation_reason", models.CharField(blank=True, editable=False, max_length=300)),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_keys",
                        to="tenants.project",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "service_account",
                    models.ForeignKey(
                        db_constraint=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_keys",
                        to="accounts.serviceaccount",
                    ),
                ),
            ],
            options={
                "verbose_name": "API key",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="ServiceAccountProjectRole",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.project",
                    ),
                ),
                (
                    "role",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.role",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="project_roles",
                        to="accounts.serviceaccount",
                    ),
                ),
            ],
            options={
                "verbose_name": "project role of a service account",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="ApiKeySecret",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("digest", models.BinaryField(max_length=32)),
                ("pepper_id", models.PositiveSmallIntegerField(editable=False)),
                ("last_four", models.CharField(editable=False, max_length=4)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "expires_at",
                    models.DateTimeField(
                        editable=False,
                        help_text="Empty: this is the key's current secret.",
                        null=True,
                        verbose_name="accepted until",
                    ),
                ),
                (
                    "api_key",
                    models.ForeignKey(
                        db_constraint=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="secrets",
                        to="accounts.apikey",
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
                "verbose_name": "secret of an API key",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
                "indexes": [
                    models.Index(fields=["organization", "api_key"], name="accounts_apikeysecret_of_key"),
                    models.Index(fields=["pepper_id"], name="accounts_apikeysecret_pepper"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("expires_at", None)),
                        fields=("organization", "api_key"),
                        name="accounts_apikeysecret_current",
                    )
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="serviceaccount",
            constraint=models.UniqueConstraint(
                fields=("organization", "id"), name="accounts_serviceaccount_in_organization"
            ),
        ),
        migrations.AddConstraint(
            model_name="serviceaccount",
            constraint=models.UniqueConstraint(
                models.F("organization"),
                django.db.models.functions.text.Lower("name"),
                name="accounts_serviceaccount_name",
                violation_error_message="There is already a service account with this name. Choose another one.",
            ),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["organization", "-created_at", "-id"], name="accounts_apikey_newest"),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["organization", "project"], name="accounts_apikey_of_project"),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["organization", "service_account"], name="accounts_apikey_of_account"),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["organization", "user"], name="accounts_apikey_of_user"),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(
                condition=models.Q(("expires_at__isnull", False), ("revoked_at", None)),
                fields=["expires_at"],
                name="accounts_apikey_expiring",
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="accounts_apikey_in_organization"),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("kind", "project"),
                        ("project__isnull", False),
                        ("service_account__isnull", True),
                        ("user__isnull", True),
                    ),
                    models.Q(
                        ("kind", "organization"),
                        ("project__isnull", True),
                        ("service_account__isnull", True),
                        ("user__isnull", True),
                    ),
                    models.Q(
                        ("kind", "personal"),
                        ("project__isnull", True),
                        ("service_account__isnull", True),
                        ("user__isnull", False),
                    ),
                    models.Q(
                        ("kind", "service_account"),
                        ("project__isnull", True),
                        ("service_account__isnull", False),
                        ("user__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="accounts_apikey_owner",
            ),
        ),
        migrations.AddConstraint(
            model_name="serviceaccountprojectrole",
            constraint=models.UniqueConstraint(
                fields=("organization", "account", "project"),
                name="accounts_serviceaccountprojectrole_once",
                violation_error_message="This service account already has a role in this project.",
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.UniqueConstraint(
                fields=("public_id",),
                name="accounts_apikey_public_id",
                violation_error_message="This public id belongs to a key already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="apikeysecret",
            constraint=models.UniqueConstraint(
                fields=("digest",),
                name="accounts_apikeysecret_digest",
                violation_error_message="This secret belongs to a key already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="platformkey",
            constraint=models.UniqueConstraint(
                fields=("name",),
                name="accounts_platformkey_name",
                violation_error_message="There is already a platform key with this name. Choose another one.",
            ),
        ),
        migrations.AddConstraint(
            model_name="platformkey",
            constraint=models.UniqueConstraint(
                fields=("digest",),
                name="accounts_platformkey_digest",
                violation_error_message="This secret belongs to a key already.",
            ),
        ),
        *(CompositeForeignKey(table, column, parent) for table, column, parent in FOREIGN_KEYS),
        *(CompositeForeignKey(table, column, parent, follow=True) for table, column, parent in FOLLOWING),
        *(ForceRowLevelSecurity(table) for table in TABLES),
        RequireAuditEvent("accounts_serviceaccount"),
        RequireAuditEvent("accounts_serviceaccountprojectrole"),
        RequireAuditEvent("accounts_apikey", watched=KEY_COLUMNS),
        RequireAuditEvent("accounts_apikeysecret"),
        RequireAuditEvent("accounts_platformkey", column=None, watched=PLATFORM_KEY_COLUMNS),
        LookupFunctions((HERE / "keys.sql").read_text(), LOOKUPS),
        migrations.RunSQL(
            (HERE / "service_account_authority.sql").read_text(),
            "DROP FUNCTION accounts_service_account_authority(uuid, uuid);",
        ),
    ]
