"""SAML 2.0: connections by it, our keys, sessions at identity providers, and messages that count once."""

import uuid

import django.db.models.deletion
from django.db import migrations, models

import vault.fields
from audit.operations import RequireAuditEvent
from isolation.operations import CompositeForeignKey, CreatingTenantTables, ForceRowLevelSecurity

TABLES = ("accounts_samlcertificatewarning", "accounts_samlkey", "accounts_samlmessage", "accounts_ssosession")
FOREIGN_KEYS = (
    *((table, "connection_id", "accounts_ssoconnection") for table in TABLES),
    ("accounts_ssosession", "membership_id", "tenants_membership"),
)
# What a provider says of itself is no change, nor is which certificate people were warned of.
WATCHED_BEFORE = (
    "organization_id, name, provider, issuer, client_id, client_secret, email_claim, name_claim, external_id_claim,"
    " groups_claim, scopes, joining, role_id, is_enabled"
)
BEFORE = RequireAuditEvent("accounts_ssoconnection", watched=WATCHED_BEFORE)
CONNECTION = (
    "organization_id, protocol, name, provider, issuer, client_id, client_secret, metadata_url, subject_attribute,"
    " signs_requests, allows_idp_initiated, email_claim, name_claim, external_id_claim, groups_claim, scopes, joining,"
    " role_id, is_enabled"
)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_sign_in_policy"),
        ("tenants", "0008_group_names"),
    ]

    operations = [
        CreatingTenantTables(),
        migrations.CreateModel(
            name="SamlCertificateWarning",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("fingerprint", models.CharField(editable=False, max_length=64)),
                ("days", models.PositiveSmallIntegerField(editable=False)),
                ("told_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "verbose_name": "certificate warning",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="SamlKey",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("certificate", models.TextField(editable=False)),
                ("private_key", vault.fields.EncryptedField()),
                ("is_signing", models.BooleanField(default=False, editable=False, verbose_name="signs")),
                ("expires_at", models.DateTimeField(editable=False, verbose_name="certificate valid until")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
            ],
            options={
                "verbose_name": "SAML key",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="SamlMessage",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("digest", models.CharField(editable=False, max_length=64)),
                ("expires_at", models.DateTimeField(editable=False)),
            ],
            options={
                "verbose_name": "SAML message",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="SsoSession",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("issuer", models.CharField(editable=False, max_length=500)),
                ("name_id", models.CharField(editable=False, max_length=255, verbose_name="NameID")),
                ("name_id_format", models.CharField(blank=True, editable=False, max_length=255)),
                ("name_qualifier", models.CharField(blank=True, editable=False, max_length=500)),
                ("sp_name_qualifier", models.CharField(blank=True, editable=False, max_length=500)),
                ("session_index", models.CharField(blank=True, editable=False, max_length=255)),
                ("started_at", models.DateTimeField(auto_now_add=True)),
                ("ends_at", models.DateTimeField(editable=False, null=True)),
                ("ended_at", models.DateTimeField(editable=False, null=True)),
            ],
            options={
                "verbose_name": "session at the identity provider",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.AddField(
            model_name="ssoconnection",
            name="allows_idp_initiated",
            field=models.BooleanField(
                default=False,
                help_text="Nobody can tell whether such an answer was meant for the browser that brings it. A page asks first.",
                verbose_name="let sign-ins begin at the provider",
            ),
        ),
        migrations.AddField(
            model_name="ssoconnection",
            name="metadata_url",
            field=models.CharField(blank=True, max_length=500, verbose_name="metadata URL"),
        ),
        migrations.AddField(
            model_name="ssoconnection",
            name="protocol",
            field=models.CharField(
                choices=[("oidc", "OpenID Connect"), ("saml", "SAML 2.0")], default="oidc", editable=False, max_length=8
            ),
        ),
        migrations.AddField(
            model_name="ssoconnection",
            name="signs_requests",
            field=models.BooleanField(
                default=False,
                help_text="Where the provider's metadata ask for it, requests are signed in any case.",
                verbose_name="sign requests",
            ),
        ),
        migrations.AddField(
            model_name="ssoconnection",
            name="subject_attribute",
            field=models.CharField(
                blank=True,
                help_text="Empty: the NameID. Whoever has its value is that person: choose one that is never given anew.",
                max_length=120,
                verbose_name="attribute that says who somebody is",
            ),
        ),
        migrations.AlterField(
            model_name="ssoconnection",
            name="client_id",
            field=models.CharField(blank=True, max_length=255, verbose_name="client ID"),
        ),
        migrations.AlterField(
            model_name="ssoconnection",
            name="provider",
            field=models.CharField(
                choices=[
                    ("entra", "Microsoft Entra ID"),
                    ("okta", "Okta"),
                    ("google", "Google Workspace"),
                    ("auth0", "Auth0"),
                    ("cognito", "Amazon Cognito"),
                    ("onelogin", "OneLogin"),
                    ("keycloak", "Keycloak"),
                    ("authentik", "authentik"),
                    ("adfs", "AD FS"),
                    ("jumpcloud", "JumpCloud"),
                    ("other", "Another one"),
                ],
                default="other",
                max_length=12,
                verbose_name="identity provider",
            ),
        ),
        migrations.AlterField(
            model_name="ssoconnection",
            name="scopes",
            field=models.CharField(
                blank=True,
                default="openid email profile",
                help_text="What is asked of the provider, separated by spaces. Some need one more before they send groups.",
                max_length=200,
            ),
        ),
        migrations.AddConstraint(
            model_name="ssoconnection",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("allows_idp_initiated", False),
                        ("metadata_url", ""),
                        ("protocol", "oidc"),
                        ("signs_requests", False),
                        ("subject_attribute", ""),
                    ),
                    models.Q(("client_id", ""), ("client_secret__isnull", True), ("protocol", "saml"), ("scopes", "")),
                    _connector="OR",
                ),
                name="accounts_ssoconnection_protocol",
            ),
        ),
        migrations.AddField(
            model_name="samlcertificatewarning",
            name="connection",
            field=models.ForeignKey(
                db_constraint=False,
                editable=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="accounts.ssoconnection",
            ),
        ),
        migrations.AddField(
            model_name="samlcertificatewarning",
            name="organization",
            field=models.ForeignKey(
                editable=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenants.organization"
            ),
        ),
        migrations.AddField(
            model_name="samlkey",
            name="connection",
            field=models.ForeignKey(
                db_constraint=False,
                editable=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="accounts.ssoconnection",
            ),
        ),
        migrations.AddField(
            model_name="samlkey",
            name="organization",
            field=models.ForeignKey(
                editable=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenants.organization"
            ),
        ),
        migrations.AddField(
            model_name="samlmessage",
            name="connection",
            field=models.ForeignKey(
                db_constraint=False,
                editable=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="accounts.ssoconnection",
            ),
        ),
        migrations.AddField(
            model_name="samlmessage",
            name="organization",
            field=models.ForeignKey(
                editable=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenants.organization"
            ),
        ),
        migrations.AddField(
            model_name="ssosession",
            name="connection",
            field=models.ForeignKey(
                db_constraint=False,
                editable=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="accounts.ssoconnection",
            ),
        ),
        migrations.AddField(
            model_name="ssosession",
            name="membership",
            field=models.ForeignKey(
                db_constraint=False,
                editable=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="tenants.membership",
            ),
        ),
        migrations.AddField(
            model_name="ssosession",
            name="organization",
            field=models.ForeignKey(
                editable=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenants.organization"
            ),
        ),
        migrations.AddConstraint(
            model_name="samlcertificatewarning",
            constraint=models.UniqueConstraint(
                fields=("organization", "connection", "fingerprint", "days"), name="accounts_samlwarning_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="samlkey",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_signing", True)),
                fields=("organization", "connection"),
                name="accounts_samlkey_one_signs",
            ),
        ),
        migrations.AddIndex(
            model_name="samlmessage",
            index=models.Index(fields=["expires_at"], name="accounts_samlmessage_age"),
        ),
        migrations.AddConstraint(
            model_name="samlmessage",
            constraint=models.UniqueConstraint(
                fields=("organization", "connection", "digest"), name="accounts_samlmessage_once"
            ),
        ),
        migrations.AddIndex(
            model_name="ssosession",
            index=models.Index(fields=["organization", "connection", "name_id"], name="accounts_ssosession_of"),
        ),
        migrations.AddIndex(
            model_name="ssosession",
            index=models.Index(fields=["started_at"], name="accounts_ssosession_age"),
        ),
        *(CompositeForeignKey(table, column, parent) for table, column, parent in FOREIGN_KEYS),
        *(ForceRowLevelSecurity(table) for table in TABLES),
        RequireAuditEvent("accounts_samlkey"),
        migrations.RunSQL(BEFORE.reverse_sql or "", BEFORE.sql),
        RequireAuditEvent("accounts_ssoconnection", watched=CONNECTION),
    ]
