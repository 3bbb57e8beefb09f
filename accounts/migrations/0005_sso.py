"""Single sign-on: connections, identities, and how the last sign-ins went."""

import uuid
from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.text
from django.db import migrations, models

import vault.fields
from audit.operations import RequireAuditEvent
from isolation.operations import CompositeForeignKey, CreatingTenantTables, ForceRowLevelSecurity, LookupFunctions

HERE = Path(__file__).parent
GOVERNED = ("accounts_ssoconnection", "accounts_ssogroupmapping", "accounts_ssoidentity")
FOREIGN_KEYS = (
    ("accounts_ssoconnection", "role_id", "tenants_role"),
    ("accounts_ssogroupmapping", "connection_id", "accounts_ssoconnection"),
    ("accounts_ssogroupmapping", "group_id", "tenants_group"),
    ("accounts_ssoidentity", "connection_id", "accounts_ssoconnection"),
    ("accounts_ssoidentity", "membership_id", "tenants_membership"),
    ("accounts_ssologin", "connection_id", "accounts_ssoconnection"),
)
# What a provider says of itself, and being used, are no changes.
CHANGING = {
    "accounts_ssoconnection": "organization_id, name, provider, issuer, client_id, client_secret, email_claim, name_claim,"
    " external_id_claim, groups_claim, scopes, joining, role_id, is_enabled",
    "accounts_ssoidentity": "organization_id, connection_id, issuer, subject, membership_id",
}
LOOKUPS = ("accounts_sso_door(uuid)", "accounts_sso_doors_of_domain(varchar)")


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_scim"),
        ("tenants", "0008_group_names"),
    ]

    operations = [
        CreatingTenantTables(),
        migrations.CreateModel(
            name="SsoConnection",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=120)),
                (
                    "provider",
                    models.CharField(
                        choices=[
                            ("entra", "Microsoft Entra ID"),
                            ("okta", "Okta"),
                            ("google", "Google Workspace"),
                            ("auth0", "Auth0"),
                            ("cognito", "Amazon Cognito"),
                            ("onelogin", "OneLogin"),
                            ("keycloak", "Keycloak"),
                            ("authentik", "authentik"),
                            ("other", "Another one"),
                        ],
                        default="other",
                        max_length=12,
                        verbose_name="identity provider",
                    ),
                ),
                ("issuer", models.CharField(max_length=500)),
                ("client_id", models.CharField(max_length=255, verbose_name="client ID")),
                ("client_secret", vault.fields.EncryptedField(null=True)),
                (
                    "email_claim",
                    models.CharField(default="email", max_length=120, verbose_name="claim with the e-mail address"),
                ),
                ("name_claim", models.CharField(default="name", max_length=120, verbose_name="claim with the name")),
                (
                    "external_id_claim",
                    models.CharField(
                        default="sub",
                        help_text="Ties who signs in to whom SCIM provisioned: the claim that holds what SCIM sends as externalId.",
                        max_length=120,
                        verbose_name="claim with the SCIM externalId",
                    ),
                ),
                (
                    "groups_claim",
                    models.CharField(
                        blank=True,
                        help_text="Which groups follow it is chosen below, once it is saved. Empty: sign-ins change no group.",
                        max_length=120,
                        verbose_name="claim with the groups",
                    ),
                ),
                (
                    "scopes",
                    models.CharField(
                        default="openid email profile",
                        help_text="What is asked of the provider, separated by spaces. Some need one more before they send groups.",
                        max_length=200,
                    ),
                ),
                (
                    "joining",
                    models.CharField(
                        choices=[
                            ("known", "Only people who were provisioned or invited"),
                            ("anybody", "Everybody whom the identity provider lets in"),
                        ],
                        default="known",
                        max_length=12,
                        verbose_name="new people",
                    ),
                ),
                ("is_enabled", models.BooleanField(default=False, editable=False, verbose_name="people can sign in")),
                ("closed_at", models.DateTimeField(editable=False, null=True)),
                ("metadata", models.JSONField(default=dict, editable=False)),
                ("metadata_at", models.DateTimeField(editable=False, null=True)),
                ("keys", models.JSONField(default=dict, editable=False)),
                ("keys_at", models.DateTimeField(editable=False, null=True)),
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
                        help_text="What people become who join by signing in. Empty: the organization's default role.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.role",
                    ),
                ),
            ],
            options={
                "verbose_name": "single sign-on connection",
                "ordering": ["name"],
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="SsoGroupMapping",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("value", models.CharField(max_length=255, verbose_name="value of the claim")),
                (
                    "connection",
                    models.ForeignKey(
                        db_constraint=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.ssoconnection",
                    ),
                ),
                (
                    "group",
                    models.ForeignKey(
                        db_constraint=False,
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
            ],
            options={
                "verbose_name": "group that follows a claim",
                "verbose_name_plural": "groups that follow a claim",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="SsoIdentity",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("issuer", models.CharField(editable=False, max_length=500)),
                ("subject", models.CharField(editable=False, max_length=255)),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="first sign-in")),
                ("last_used_at", models.DateTimeField(auto_now_add=True, verbose_name="last sign-in")),
                (
                    "connection",
                    models.ForeignKey(
                        db_constraint=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.ssoconnection",
                    ),
                ),
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
                "verbose_name": "single sign-on identity",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="SsoLogin",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("time", models.DateTimeField(auto_now_add=True)),
                ("succeeded", models.BooleanField()),
                ("is_test", models.BooleanField(default=False, verbose_name="test")),
                ("subject", models.CharField(blank=True, max_length=255)),
                ("email", models.CharField(blank=True, max_length=254, verbose_name="e-mail address")),
                ("checks", models.JSONField(default=list)),
                ("claims", models.JSONField(default=dict)),
                ("reason", models.TextField(blank=True)),
                ("ip", models.GenericIPAddressField(null=True)),
                ("user_agent", models.CharField(blank=True, max_length=200)),
                (
                    "connection",
                    models.ForeignKey(
                        db_constraint=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.ssoconnection",
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
                "verbose_name": "sign-in",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.AddConstraint(
            model_name="ssoconnection",
            constraint=models.UniqueConstraint(
                fields=("organization", "id"), name="accounts_ssoconnection_in_organization"
            ),
        ),
        migrations.AddConstraint(
            model_name="ssoconnection",
            constraint=models.UniqueConstraint(
                models.F("organization"),
                django.db.models.functions.text.Lower("name"),
                name="accounts_ssoconnection_name",
                violation_error_message="There is already a connection with this name. Choose another one.",
            ),
        ),
        migrations.AddConstraint(
            model_name="ssogroupmapping",
            constraint=models.UniqueConstraint(
                fields=("organization", "connection", "value", "group"),
                name="accounts_ssogroupmapping_once",
                violation_error_message="This group follows this value already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="ssoidentity",
            constraint=models.UniqueConstraint(
                fields=("organization", "connection", "issuer", "subject"), name="accounts_ssoidentity_subject"
            ),
        ),
        migrations.AddConstraint(
            model_name="ssoidentity",
            constraint=models.UniqueConstraint(
                fields=("organization", "connection", "issuer", "membership"), name="accounts_ssoidentity_membership"
            ),
        ),
        migrations.AddIndex(
            model_name="ssologin",
            index=models.Index(fields=["organization", "-time", "-id"], name="accounts_ssologin_newest"),
        ),
        migrations.AddIndex(
            model_name="ssologin",
            index=models.Index(fields=["time"], name="accounts_ssologin_age"),
        ),
        *(CompositeForeignKey(table, column, parent) for table, column, parent in FOREIGN_KEYS),
        *(ForceRowLevelSecurity(table) for table in (*GOVERNED, "accounts_ssologin")),
        *(RequireAuditEvent(table, watched=CHANGING.get(table, "")) for table in GOVERNED),
        LookupFunctions((HERE / "sso.sql").read_text(), LOOKUPS),
    ]
