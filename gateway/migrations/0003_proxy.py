"""The LLM auth proxy: settings, provider credentials, signing keys, tokens, limits, prices and usage."""

import uuid

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
from django.db import migrations, models

import gateway.models.proxy_settings
import vault.fields
from audit.operations import RequireAuditEvent
from isolation.operations import CompositeForeignKey, CreatingTenantTables, ForceRowLevelSecurity

TENANT_TABLES = (
    "gateway_providercredential",
    "gateway_proxysettings",
    "gateway_issuedtoken",
    "gateway_tokenrevocation",
    "gateway_usagelimit",
    "gateway_usagehour",
)
# Being used and being tested are no changes.
CREDENTIAL_COLUMNS = (
    "organization_id, project_id, name, provider, kind, base_url, secret, previous_secret, options, allowed_models,"
    " priority, is_enabled"
)
# Table, what is announced about a row (word and column), which updates of it say nothing new.
ANNOUNCED = (
    (
        "gateway_providercredential",
        ("org", "organization_id"),
        ("last_used_at", "last_used_by", "tested_at", "test_outcome"),
    ),
    ("gateway_proxysettings", ("org", "organization_id"), ()),
    ("gateway_tokenrevocation", ("org", "organization_id"), ()),
    ("gateway_usagelimit", ("org", "organization_id"), ()),
    ("gateway_signingkey", ("signing", "kid"), ()),
    ("gateway_price", ("price", "provider"), ()),
)


def triggers() -> str:
    """Return the statements that put the triggers on the tables."""
    statements = []
    for table, arguments, quiet in ANNOUNCED:
        words = ", ".join(f"'{word}'" for word in arguments)
        ignored = f"- ARRAY[{', '.join(repr(column) for column in quiet)}]" if quiet else ""
        statements.append(f"""
            CREATE TRIGGER gateway_announce AFTER INSERT OR DELETE ON {table}
                FOR EACH ROW EXECUTE FUNCTION gateway_announce({words});
            CREATE TRIGGER gateway_announce_change AFTER UPDATE ON {table}
                FOR EACH ROW WHEN (to_jsonb(OLD) {ignored} IS DISTINCT FROM to_jsonb(NEW) {ignored})
                EXECUTE FUNCTION gateway_announce({words});
        """)
    return "".join(statements)


def without_triggers() -> str:
    """Return the statements that take them away again."""
    return "".join(
        f"DROP TRIGGER gateway_announce ON {table}; DROP TRIGGER gateway_announce_change ON {table};"
        for table, _, _ in ANNOUNCED
    )


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0002_sign_in_policy"),
        ("audit", "0012_alerts"),
        ("tenants", "0011_lost_domains"),
    ]

    operations = [
        CreatingTenantTables(),
        migrations.CreateModel(
            name="SigningKey",
            fields=[
                (
                    "kid",
                    models.CharField(
                        editable=False, max_length=64, primary_key=True, serialize=False, verbose_name="key ID"
                    ),
                ),
                ("public", models.CharField(editable=False, help_text="x of the JWK, base64url.", max_length=64)),
                ("wrapped", models.BinaryField(null=True)),
                (
                    "wrapped_by",
                    models.PositiveSmallIntegerField(editable=False, null=True, verbose_name="key-encryption key"),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="published")),
                ("signs_from", models.DateTimeField(editable=False, verbose_name="signs from")),
                ("retired_at", models.DateTimeField(editable=False, null=True, verbose_name="signed until")),
                ("withdrawn_at", models.DateTimeField(editable=False, null=True, verbose_name="withdrawn")),
                ("revoked_at", models.DateTimeField(editable=False, null=True, verbose_name="revoked")),
                ("reason", models.CharField(blank=True, editable=False, max_length=300)),
            ],
            options={
                "verbose_name": "signing key",
                "ordering": ["-signs_from", "-kid"],
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Price",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(max_length=20)),
                (
                    "model",
                    models.CharField(
                        help_text="A name or a pattern (gpt-4o*); the longest that fits counts.", max_length=120
                    ),
                ),
                ("input", models.PositiveBigIntegerField(verbose_name="input")),
                ("cached_input", models.PositiveBigIntegerField(verbose_name="cached input")),
                ("output", models.PositiveBigIntegerField(verbose_name="output")),
                ("valid_from", models.DateTimeField(verbose_name="valid from")),
                ("created_by", models.CharField(editable=False, max_length=320)),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
            ],
            options={
                "verbose_name": "price",
                "ordering": ["provider", "model", "-valid_from"],
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("provider", "model", "valid_from"),
                        name="gateway_price_one",
                        violation_error_message="There is already a price of this model from this moment on.",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="IssuedToken",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("jti", models.CharField(editable=False, max_length=40, unique=True, verbose_name="token ID")),
                ("project_id", models.UUIDField(editable=False)),
                (
                    "actor_type",
                    models.CharField(
                        choices=[
                            ("user", "User"),
                            ("api_key", "API key"),
                            ("service", "Service"),
                            ("evaluator", "Evaluator"),
                            ("agent", "Agent"),
                        ],
                        editable=False,
                        max_length=10,
                    ),
                ),
                ("actor_id", models.UUIDField(editable=False)),
                ("actor_label", models.CharField(editable=False, max_length=320)),
                ("api_key_id", models.UUIDField(editable=False, null=True)),
                ("digest", models.BinaryField(max_length=32)),
                ("claims", models.JSONField(editable=False)),
                ("kid", models.CharField(editable=False, max_length=64, verbose_name="key ID")),
                ("issued_at", models.DateTimeField(editable=False, verbose_name="issued")),
                ("expires_at", models.DateTimeField(editable=False, verbose_name="expires")),
                ("revoked_at", models.DateTimeField(editable=False, null=True, verbose_name="revoked")),
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
                "verbose_name": "access token",
                "ordering": ["-issued_at", "-id"],
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
                "indexes": [
                    models.Index(fields=["organization", "-issued_at", "-id"], name="gateway_issuedtoken_newest"),
                    models.Index(fields=["organization", "digest", "-expires_at"], name="gateway_issuedtoken_again"),
                    models.Index(fields=["expires_at"], name="gateway_issuedtoken_expiring"),
                ],
            },
        ),
        migrations.CreateModel(
            name="ProviderCredential",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=120)),
                (
                    "provider",
                    models.CharField(
                        choices=[
                            ("openai", "OpenAI"),
                            ("anthropic", "Anthropic"),
                            ("azure_openai", "Azure OpenAI"),
                            ("bedrock", "Amazon Bedrock"),
                            ("vertex", "Google Vertex AI"),
                            ("mistral", "Mistral"),
                            ("openai_compatible", "OpenAI-compatible"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("api_key", "API key"),
                            ("oauth_client", "OAuth 2.0 client credentials"),
                            ("vault", "HashiCorp Vault"),
                            ("aws_secrets_manager", "AWS Secrets Manager"),
                        ],
                        default="api_key",
                        max_length=20,
                    ),
                ),
                (
                    "base_url",
                    models.CharField(
                        blank=True,
                        help_text="Where the provider's API is; empty for its public address.",
                        max_length=500,
                        verbose_name="base URL",
                    ),
                ),
                ("secret", vault.fields.EncryptedField(null=True)),
                ("last_four", models.CharField(blank=True, editable=False, max_length=4)),
                ("previous_secret", vault.fields.EncryptedField(null=True)),
                (
                    "previous_until",
                    models.DateTimeField(editable=False, null=True, verbose_name="former secret kept until"),
                ),
                ("options", models.JSONField(blank=True, default=dict)),
                (
                    "allowed_models",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=120),
                        blank=True,
                        default=list,
                        help_text="Names or patterns (gpt-4*); empty: every model.",
                        size=200,
                    ),
                ),
                (
                    "priority",
                    models.PositiveSmallIntegerField(default=100, help_text="The lowest number is tried first."),
                ),
                ("is_enabled", models.BooleanField(default=True, verbose_name="in use")),
                ("created_by", models.CharField(editable=False, max_length=320)),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("rotated_at", models.DateTimeField(editable=False, null=True, verbose_name="rotated")),
                ("last_used_at", models.DateTimeField(editable=False, null=True, verbose_name="last used")),
                (
                    "last_used_by",
                    models.CharField(blank=True, editable=False, max_length=320, verbose_name="last used by"),
                ),
                ("tested_at", models.DateTimeField(editable=False, null=True, verbose_name="tested")),
                ("test_outcome", models.CharField(blank=True, editable=False, max_length=300)),
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
                        blank=True,
                        db_constraint=False,
                        help_text="Empty: for every project of the organization that has none of its own.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.project",
                    ),
                ),
            ],
            options={
                "verbose_name": "provider credential",
                "ordering": ["provider", "priority", "name"],
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
                "indexes": [models.Index(fields=["organization", "project"], name="gateway_credential_of")],
                "constraints": [
                    models.UniqueConstraint(
                        models.F("organization"),
                        django.db.models.functions.text.Lower("name"),
                        models.F("project"),
                        name="gateway_credential_name",
                        nulls_distinct=False,
                        violation_error_message="There is already a credential with this name here. Choose another one.",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ProxySettings",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("is_enabled", models.BooleanField(default=False, verbose_name="LLM auth proxy")),
                (
                    "audiences",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=200),
                        default=gateway.models.proxy_settings.default_audiences,
                        help_text="Whom a token is for (aud); the Envoy that checks it accepts one of them.",
                        size=10,
                    ),
                ),
                (
                    "token_seconds",
                    models.PositiveSmallIntegerField(
                        default=600,
                        help_text="In seconds, 60 to 900.",
                        validators=[
                            django.core.validators.MinValueValidator(60),
                            django.core.validators.MaxValueValidator(900),
                        ],
                        verbose_name="token lifetime",
                    ),
                ),
                (
                    "accepts_api_keys",
                    models.BooleanField(
                        default=False,
                        help_text="For clients that can set one header only. A token lives minutes; a key lives until it is revoked.",
                        verbose_name="accept API keys directly",
                    ),
                ),
                (
                    "emits_langsmith_names",
                    models.BooleanField(
                        default=False,
                        help_text="Adds workspace_id and ls_user_id to tokens, and takes the header X-LangSmith-LLM-Auth.",
                        verbose_name="LangSmith names",
                    ),
                ),
                (
                    "masked",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40), blank=True, default=list, size=40
                    ),
                ),
                (
                    "on_counter_outage",
                    models.CharField(
                        choices=[("closed", "Refuse them"), ("open", "Let them through, uncounted")],
                        default="closed",
                        max_length=8,
                        verbose_name="while limits cannot be counted",
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
                "verbose_name": "LLM auth proxy",
                "verbose_name_plural": "LLM auth proxy",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
                "constraints": [
                    models.UniqueConstraint(fields=("organization",), name="gateway_proxysettings_one"),
                    models.CheckConstraint(
                        condition=models.Q(("token_seconds__gte", 60), ("token_seconds__lte", 900)),
                        name="gateway_proxysettings_life",
                        violation_error_message="A token lives 60 to 900 seconds.",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="TokenRevocation",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("token", "One token"),
                            ("actor", "Everything of one actor"),
                            ("project", "Everything of one project"),
                            ("organization", "Everything of the organization"),
                        ],
                        editable=False,
                        max_length=12,
                    ),
                ),
                ("subject", models.CharField(blank=True, editable=False, max_length=64)),
                ("issued_up_to", models.DateTimeField(editable=False)),
                ("until", models.DateTimeField(editable=False)),
                ("reason", models.CharField(blank=True, editable=False, max_length=300)),
                ("created_by", models.CharField(editable=False, max_length=320)),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="revoked")),
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
                "verbose_name": "token revocation",
                "ordering": ["-created_at", "-id"],
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
                "indexes": [models.Index(fields=["organization", "until"], name="gateway_revocation_in_force")],
            },
        ),
        migrations.CreateModel(
            name="UsageHour",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("hour", models.DateTimeField(editable=False)),
                ("project_id", models.UUIDField(editable=False, null=True)),
                ("api_key_id", models.UUIDField(editable=False, null=True)),
                ("actor_type", models.CharField(blank=True, editable=False, max_length=10)),
                ("actor_id", models.UUIDField(editable=False, null=True)),
                ("credential_id", models.UUIDField(editable=False, null=True)),
                ("provider", models.CharField(blank=True, editable=False, max_length=20)),
                ("model", models.CharField(blank=True, editable=False, max_length=120)),
                ("outcome", models.CharField(editable=False, max_length=40)),
                ("requests", models.PositiveBigIntegerField(default=0, editable=False)),
                ("input_tokens", models.PositiveBigIntegerField(default=0, editable=False)),
                ("cached_tokens", models.PositiveBigIntegerField(default=0, editable=False)),
                ("output_tokens", models.PositiveBigIntegerField(default=0, editable=False)),
                ("cost", models.PositiveBigIntegerField(default=0, editable=False)),
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
                "verbose_name": "usage",
                "verbose_name_plural": "usage",
                "ordering": ["-hour", "-id"],
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
                "indexes": [models.Index(fields=["organization", "-hour", "-id"], name="gateway_usagehour_newest")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=(
                            "organization",
                            "hour",
                            "project_id",
                            "api_key_id",
                            "actor_type",
                            "actor_id",
                            "credential_id",
                            "provider",
                            "model",
                            "outcome",
                        ),
                        name="gateway_usagehour_one",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="UsageLimit",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "subject_kind",
                    models.CharField(
                        choices=[
                            ("organization", "The organization"),
                            ("project", "A project"),
                            ("api_key", "An API key"),
                            ("actor", "A user or service account"),
                            ("model", "A model"),
                        ],
                        max_length=12,
                        verbose_name="whose",
                    ),
                ),
                ("subject", models.CharField(blank=True, max_length=120)),
                (
                    "metric",
                    models.CharField(
                        choices=[
                            ("requests", "Requests"),
                            ("tokens", "Tokens"),
                            ("cost", "Cost (US dollars)"),
                            ("concurrency", "Requests at the same time"),
                        ],
                        max_length=12,
                        verbose_name="what",
                    ),
                ),
                (
                    "window",
                    models.CharField(
                        choices=[
                            ("minute", "A minute"),
                            ("day", "A day"),
                            ("month", "A month"),
                            ("none", "At any moment"),
                        ],
                        max_length=8,
                        verbose_name="per",
                    ),
                ),
                ("amount", models.PositiveBigIntegerField()),
                ("is_enabled", models.BooleanField(default=True, verbose_name="in force")),
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
            ],
            options={
                "verbose_name": "usage limit",
                "ordering": ["subject_kind", "subject", "metric", "window"],
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "subject_kind", "subject", "metric", "window"),
                        name="gateway_usagelimit_one",
                        violation_error_message="There is already such a limit. Change that one.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("metric", "concurrency"), ("window", "none")),
                            models.Q(
                                models.Q(("metric", "concurrency"), _negated=True),
                                models.Q(("window", "none"), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="gateway_usagelimit_window",
                        violation_error_message="Requests at the same time have no window; everything else has one.",
                    ),
                ],
            },
        ),
        CompositeForeignKey("gateway_providercredential", "project_id", "tenants_project"),
        *(ForceRowLevelSecurity(table) for table in TENANT_TABLES),
        RequireAuditEvent("gateway_providercredential", watched=CREDENTIAL_COLUMNS),
        RequireAuditEvent("gateway_proxysettings"),
        RequireAuditEvent("gateway_tokenrevocation"),
        RequireAuditEvent("gateway_usagelimit"),
        RequireAuditEvent("gateway_signingkey", column=None),
        RequireAuditEvent("gateway_price", column=None),
        migrations.RunSQL(triggers(), without_triggers()),
    ]
