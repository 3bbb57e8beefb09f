"""Provisioning by SCIM: connections and tokens, what identity providers told, and what they asked lately."""

import uuid
from pathlib import Path

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.text
from django.db import migrations, models

import accounts.key_state
from audit.operations import RequireAuditEvent
from isolation.operations import CompositeForeignKey, CreatingTenantTables, ForceRowLevelSecurity, LookupFunctions

HERE = Path(__file__).parent
GOVERNED = (
    "accounts_scimconnection",
    "accounts_scimtoken",
    "accounts_provisioneduser",
    "accounts_provisionedgroup",
    "accounts_waitinggroupmember",
)
FOREIGN_KEYS = (
    ("accounts_scimconnection", "role_id", "tenants_role"),
    ("accounts_scimtoken", "connection_id", "accounts_scimconnection"),
    ("accounts_scimrequest", "connection_id", "accounts_scimconnection"),
    ("accounts_provisioneduser", "connection_id", "accounts_scimconnection"),
    ("accounts_provisioneduser", "membership_id", "tenants_membership"),
    ("accounts_provisionedgroup", "connection_id", "accounts_scimconnection"),
    ("accounts_provisionedgroup", "group_id", "tenants_group"),
    ("accounts_waitinggroupmember", "provisioned_group_id", "accounts_provisionedgroup"),
    ("accounts_waitinggroupmember", "provisioned_user_id", "accounts_provisioneduser"),
)
# Being used, warned about and invited are no changes.
CHANGING = {
    "accounts_scimtoken": "organization_id, connection_id, name, public_id, digest, pepper_id, allowed_networks,"
    " expires_at, revoked_at, revocation_reason",
    "accounts_provisioneduser": "organization_id, connection_id, membership_id, external_id, user_name, email, active,"
    " attributes, version",
}
LOOKUPS = (
    "accounts_scim_token(bytea[], uuid)",
    "accounts_scim_peppers_in_force()",
    "accounts_organizations_with_waiting_people()",
)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_peppers_in_force"),
        ("tenants", "0008_group_names"),
    ]

    operations = [
        CreatingTenantTables(),
        migrations.CreateModel(
            name="ScimConnection",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=120)),
                (
                    "provider",
                    models.CharField(
                        choices=[
                            ("okta", "Okta"),
                            ("entra", "Microsoft Entra ID"),
                            ("onelogin", "OneLogin"),
                            ("jumpcloud", "JumpCloud"),
                            ("authentik", "authentik"),
                            ("keycloak", "Keycloak"),
                            ("canaille", "Canaille"),
                            ("other", "Another one"),
                        ],
                        default="other",
                        max_length=12,
                        verbose_name="identity provider",
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
                        blank=True,
                        db_constraint=False,
                        help_text="What new people are in the organization, whatever their groups give them besides. Empty: the organization's default role.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.role",
                    ),
                ),
            ],
            options={
                "verbose_name": "SCIM connection",
                "ordering": ["name"],
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="ProvisionedUser",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("external_id", models.CharField(blank=True, editable=False, max_length=256)),
                ("user_name", models.CharField(editable=False, max_length=256)),
                ("user_name_key", models.CharField(editable=False, max_length=512)),
                ("email", models.CharField(blank=True, editable=False, max_length=254, verbose_name="e-mail address")),
                ("active", models.BooleanField(default=True, editable=False)),
                ("attributes", models.JSONField(default=dict, editable=False)),
                ("comparable", models.JSONField(default=dict, editable=False)),
                ("version", models.PositiveIntegerField(default=1, editable=False)),
                ("invited_at", models.DateTimeField(editable=False, null=True, verbose_name="invited")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="provisioned")),
                ("updated_at", models.DateTimeField(auto_now_add=True, verbose_name="last changed")),
                (
                    "membership",
                    models.ForeignKey(
                        db_constraint=False,
                        editable=False,
                        null=True,
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
                (
                    "connection",
                    models.ForeignKey(
                        db_constraint=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.scimconnection",
                    ),
                ),
            ],
            options={
                "verbose_name": "provisioned user",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="ProvisionedGroup",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("external_id", models.CharField(blank=True, editable=False, max_length=256)),
                ("display_name", models.CharField(editable=False, max_length=256)),
                ("display_name_key", models.CharField(editable=False, max_length=512)),
                ("version", models.PositiveIntegerField(default=1, editable=False)),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="provisioned")),
                ("updated_at", models.DateTimeField(auto_now_add=True, verbose_name="last changed")),
                (
                    "group",
                    models.ForeignKey(
                        db_constraint=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.group",
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
                (
                    "connection",
                    models.ForeignKey(
                        db_constraint=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.scimconnection",
                    ),
                ),
            ],
            options={
                "verbose_name": "provisioned group",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="ScimRequest",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("time", models.DateTimeField(auto_now_add=True)),
                ("method", models.CharField(max_length=8)),
                ("path", models.CharField(max_length=400)),
                ("status", models.PositiveSmallIntegerField()),
                ("scim_type", models.CharField(blank=True, max_length=20)),
                ("detail", models.TextField(blank=True)),
                ("body", models.TextField(blank=True)),
                ("duration_ms", models.PositiveIntegerField()),
                ("request_id", models.CharField(max_length=64)),
                ("ip", models.GenericIPAddressField(null=True)),
                ("user_agent", models.CharField(blank=True, max_length=200)),
                (
                    "connection",
                    models.ForeignKey(
                        db_constraint=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.scimconnection",
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
                "verbose_name": "SCIM request",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="ScimToken",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=120)),
                ("public_id", models.CharField(editable=False, max_length=60, verbose_name="public id")),
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
                (
                    "connection",
                    models.ForeignKey(
                        db_constraint=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tokens",
                        to="accounts.scimconnection",
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
                "verbose_name": "SCIM token",
                "ordering": ["-created_at", "-id"],
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
            bases=(accounts.key_state.HasState, models.Model),
        ),
        migrations.CreateModel(
            name="WaitingGroupMember",
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
                    "provisioned_group",
                    models.ForeignKey(
                        db_constraint=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.provisionedgroup",
                    ),
                ),
                (
                    "provisioned_user",
                    models.ForeignKey(
                        db_constraint=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.provisioneduser",
                    ),
                ),
            ],
            options={
                "verbose_name": "waiting group member",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.AddConstraint(
            model_name="scimconnection",
            constraint=models.UniqueConstraint(
                fields=("organization", "id"), name="accounts_scimconnection_in_organization"
            ),
        ),
        migrations.AddConstraint(
            model_name="scimconnection",
            constraint=models.UniqueConstraint(
                models.F("organization"),
                django.db.models.functions.text.Lower("name"),
                name="accounts_scimconnection_name",
                violation_error_message="There is already a connection with this name. Choose another one.",
            ),
        ),
        migrations.AddIndex(
            model_name="provisioneduser",
            index=models.Index(fields=["organization", "email"], name="accounts_provuser_email"),
        ),
        migrations.AddIndex(
            model_name="provisioneduser",
            index=models.Index(
                fields=["organization", "connection", "created_at", "id"], name="accounts_provuser_oldest"
            ),
        ),
        migrations.AddIndex(
            model_name="provisioneduser",
            index=models.Index(
                condition=models.Q(("active", True), ("membership", None)),
                fields=["organization", "created_at"],
                name="accounts_provuser_waiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="provisioneduser",
            constraint=models.UniqueConstraint(
                fields=("organization", "id"), name="accounts_provisioneduser_in_organization"
            ),
        ),
        migrations.AddConstraint(
            model_name="provisioneduser",
            constraint=models.UniqueConstraint(
                fields=("organization", "user_name_key"),
                name="accounts_provisioneduser_user_name",
                violation_error_message="Another provisioned user has this userName already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="provisioneduser",
            constraint=models.UniqueConstraint(
                condition=models.Q(("external_id", ""), _negated=True),
                fields=("organization", "connection", "external_id"),
                name="accounts_provisioneduser_external_id",
                violation_error_message="Another provisioned user has this externalId already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="provisioneduser",
            constraint=models.UniqueConstraint(
                fields=("organization", "membership"),
                name="accounts_provisioneduser_membership",
                violation_error_message="The member with this e-mail address is provisioned under another userName already.",
            ),
        ),
        migrations.AddIndex(
            model_name="provisionedgroup",
            index=models.Index(
                fields=["organization", "connection", "created_at", "id"], name="accounts_provgroup_oldest"
            ),
        ),
        migrations.AddConstraint(
            model_name="provisionedgroup",
            constraint=models.UniqueConstraint(
                fields=("organization", "id"), name="accounts_provisionedgroup_in_organization"
            ),
        ),
        migrations.AddConstraint(
            model_name="provisionedgroup",
            constraint=models.UniqueConstraint(
                fields=("organization", "group"),
                name="accounts_provisionedgroup_group",
                violation_error_message="This group is managed by an identity provider already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="provisionedgroup",
            constraint=models.UniqueConstraint(
                fields=("organization", "display_name_key"),
                name="accounts_provisionedgroup_display_name",
                violation_error_message="Another provisioned group has this displayName already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="provisionedgroup",
            constraint=models.UniqueConstraint(
                condition=models.Q(("external_id", ""), _negated=True),
                fields=("organization", "connection", "external_id"),
                name="accounts_provisionedgroup_external_id",
                violation_error_message="Another provisioned group has this externalId already.",
            ),
        ),
        migrations.AddIndex(
            model_name="scimrequest",
            index=models.Index(fields=["organization", "-time", "-id"], name="accounts_scimrequest_newest"),
        ),
        migrations.AddIndex(
            model_name="scimrequest",
            index=models.Index(fields=["time"], name="accounts_scimrequest_age"),
        ),
        migrations.AddIndex(
            model_name="scimtoken",
            index=models.Index(fields=["organization", "connection"], name="accounts_scimtoken_of"),
        ),
        migrations.AddIndex(
            model_name="scimtoken",
            index=models.Index(fields=["pepper_id"], name="accounts_scimtoken_pepper"),
        ),
        migrations.AddIndex(
            model_name="scimtoken",
            index=models.Index(
                condition=models.Q(("expires_at__isnull", False), ("revoked_at", None)),
                fields=["expires_at"],
                name="accounts_scimtoken_expiring",
            ),
        ),
        migrations.AddConstraint(
            model_name="scimtoken",
            constraint=models.UniqueConstraint(
                fields=("public_id",),
                name="accounts_scimtoken_public_id",
                violation_error_message="This public id belongs to a token already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="scimtoken",
            constraint=models.UniqueConstraint(
                fields=("digest",),
                name="accounts_scimtoken_digest",
                violation_error_message="This secret belongs to a token already.",
            ),
        ),
        migrations.AddIndex(
            model_name="waitinggroupmember",
            index=models.Index(fields=["organization", "provisioned_group"], name="accounts_waiting_of_group"),
        ),
        migrations.AddConstraint(
            model_name="waitinggroupmember",
            constraint=models.UniqueConstraint(
                fields=("organization", "provisioned_user", "provisioned_group"),
                name="accounts_waitinggroupmember_once",
            ),
        ),
        *(CompositeForeignKey(table, column, parent) for table, column, parent in FOREIGN_KEYS),
        *(ForceRowLevelSecurity(table) for table in (*GOVERNED, "accounts_scimrequest")),
        *(RequireAuditEvent(table, watched=CHANGING.get(table, "")) for table in GOVERNED),
        LookupFunctions((HERE / "scim.sql").read_text(), LOOKUPS),
    ]
