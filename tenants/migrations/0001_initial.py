"""Organizations and everything in them; `0002_isolation` puts the tables under tenancy."""

import uuid

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import tenants.models.grant


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Organization",
            fields=[
                (
                    "deletion_requested_at",
                    models.DateTimeField(blank=True, editable=False, null=True),
                ),
                (
                    "purge_at",
                    models.DateTimeField(
                        blank=True,
                        editable=False,
                        null=True,
                        verbose_name="deleted for good at",
                    ),
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
                (
                    "slug",
                    models.CharField(
                        help_text="Part of every address; it never changes.",
                        max_length=63,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$",
                                "Use lower-case letters, digits and hyphens; begin and end with a letter or digit; 63 characters at most.",
                            )
                        ],
                        verbose_name="identifier",
                    ),
                ),
                ("name", models.CharField(max_length=120)),
                (
                    "project_naming_pattern",
                    models.CharField(
                        blank=True,
                        help_text="A regular expression that new project identifiers must match, such as ^[a-z]+-(prod|dev)$.",
                        max_length=200,
                    ),
                ),
                (
                    "project_naming_hint",
                    models.CharField(
                        blank=True,
                        help_text="What people read beside the field, such as: acme-chatbot-prod.",
                        max_length=200,
                    ),
                ),
                (
                    "suspended_at",
                    models.DateTimeField(blank=True, editable=False, null=True),
                ),
                (
                    "suspension_reason",
                    models.CharField(blank=True, editable=False, max_length=400),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["name"],
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="InstallationSettings",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "signup_enabled",
                    models.BooleanField(
                        default=True,
                        help_text="Off: only invited people can make an account.",
                        verbose_name="sign-up is open",
                    ),
                ),
                (
                    "organization_creation",
                    models.CharField(
                        choices=[
                            ("anyone", "Anyone who has signed up"),
                            ("operators", "Operators only"),
                        ],
                        default="anyone",
                        max_length=10,
                        verbose_name="who may create organizations",
                    ),
                ),
                (
                    "default_organization_id",
                    models.UUIDField(
                        blank=True,
                        help_text="New users without an invitation join it.",
                        null=True,
                        verbose_name="default organization",
                    ),
                ),
                (
                    "default_project_id",
                    models.UUIDField(
                        blank=True,
                        help_text="… and get the default role in this project of it.",
                        null=True,
                        verbose_name="default project",
                    ),
                ),
                (
                    "default_role",
                    models.CharField(
                        choices=[
                            ("admin", "Admin"),
                            ("member", "Member"),
                            ("viewer", "Viewer"),
                            ("auditor", "Auditor"),
                            ("none", "None"),
                        ],
                        default="viewer",
                        max_length=12,
                        verbose_name="default role",
                    ),
                ),
                (
                    "organization_naming_pattern",
                    models.CharField(
                        blank=True,
                        help_text="A regular expression that new organization identifiers must match, such as ^client-[a-z0-9-]+$.",
                        max_length=200,
                    ),
                ),
                (
                    "organization_naming_hint",
                    models.CharField(
                        blank=True,
                        help_text="What people read beside the field, such as: client-acme-corp.",
                        max_length=200,
                    ),
                ),
                (
                    "deletion_grace_days",
                    models.PositiveSmallIntegerField(
                        default=7,
                        help_text="How long a deletion can be called off.",
                        verbose_name="grace period before deletion, in days",
                    ),
                ),
            ],
            options={
                "verbose_name": "installation settings",
                "verbose_name_plural": "installation settings",
                "default_permissions": (),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", 1)),
                        name="tenants_installation_single",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("creator", "Created the organization"),
                            ("default", "Joined by default at sign-up"),
                            ("invitation", "Accepted an invitation"),
                            ("manual", "Added by hand"),
                            ("operator", "Added by an operator"),
                            ("scim", "Provisioned by SCIM"),
                            ("sso", "First single sign-on"),
                        ],
                        default="manual",
                        editable=False,
                        max_length=12,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(auto_now_add=True, verbose_name="member since"),
                ),
                (
                    "user",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
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
                "verbose_name": "member",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Group",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("name", models.CharField(max_length=120)),
                ("description", models.CharField(blank=True, max_length=300)),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("creator", "Created the organization"),
                            ("default", "Joined by default at sign-up"),
                            ("invitation", "Accepted an invitation"),
                            ("manual", "Added by hand"),
                            ("operator", "Added by an operator"),
                            ("scim", "Provisioned by SCIM"),
                            ("sso", "First single sign-on"),
                        ],
                        default="manual",
                        editable=False,
                        max_length=12,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
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
                "ordering": ["name"],
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Project",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "deletion_requested_at",
                    models.DateTimeField(blank=True, editable=False, null=True),
                ),
                (
                    "purge_at",
                    models.DateTimeField(
                        blank=True,
                        editable=False,
                        null=True,
                        verbose_name="deleted for good at",
                    ),
                ),
                (
                    "slug",
                    models.CharField(
                        help_text="Part of every address; it never changes.",
                        max_length=63,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$",
                                "Use lower-case letters, digits and hyphens; begin and end with a letter or digit; 63 characters at most.",
                            )
                        ],
                        verbose_name="identifier",
                    ),
                ),
                ("name", models.CharField(max_length=120)),
                ("description", models.CharField(blank=True, max_length=400)),
                (
                    "environment",
                    models.CharField(
                        choices=[
                            ("production", "Production"),
                            ("staging", "Staging"),
                            ("development", "Development"),
                        ],
                        default="development",
                        max_length=12,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
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
                "ordering": ["name"],
                "permissions": [
                    ("projects:read", "See the project"),
                    ("projects:manage", "Manage the project"),
                    ("projects:transfer", "Transfer the project"),
                    ("projects:delete", "Delete the project"),
                    ("api_keys:read", "See API keys"),
                    ("api_keys:rotate", "Rotate API keys"),
                    ("api_keys:manage", "Manage API keys"),
                    ("provider_credentials:read", "See credentials"),
                    ("provider_credentials:manage", "Manage credentials"),
                    ("audit_log:read", "Read the audit log"),
                    ("audit_log:export", "Export the audit log"),
                    ("traces:read", "Read traces"),
                    ("traces:write", "Write traces"),
                    ("traces:delete", "Delete traces"),
                    ("prompts:read", "Read prompts"),
                    ("prompts:write", "Write prompts"),
                    ("prompts:delete", "Delete prompts"),
                    ("datasets:read", "Read datasets"),
                    ("datasets:write", "Write datasets"),
                    ("datasets:delete", "Delete datasets"),
                    ("scores:read", "Read scores"),
                    ("scores:write", "Write scores"),
                    ("scores:delete", "Delete scores"),
                    ("evaluations:read", "Read evaluations"),
                    ("evaluations:write", "Write evaluations"),
                    ("evaluations:delete", "Delete evaluations"),
                    ("dashboards:read", "Read dashboards"),
                    ("dashboards:write", "Write dashboards"),
                    ("dashboards:delete", "Delete dashboards"),
                ],
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="ProjectGroupGrant",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "content_object",
                    models.ForeignKey(
                        db_column="project_id",
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="group_grants",
                        to="tenants.project",
                    ),
                ),
                (
                    "group",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="grants",
                        to="tenants.group",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_default=tenants.models.grant.CurrentOrganization(),
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
                (
                    "permission",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        to="auth.permission",
                    ),
                ),
            ],
            options={
                "verbose_name": "exception for a group",
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="ProjectUserGrant",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "content_object",
                    models.ForeignKey(
                        db_column="project_id",
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="user_grants",
                        to="tenants.project",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_default=tenants.models.grant.CurrentOrganization(),
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.organization",
                    ),
                ),
                (
                    "permission",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        to="auth.permission",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "exception for a user",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Role",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("key", models.CharField(editable=False, max_length=63)),
                ("name", models.CharField(max_length=80)),
                ("description", models.CharField(blank=True, max_length=300)),
                ("is_builtin", models.BooleanField(default=False, editable=False)),
                (
                    "custom_permissions",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=60),
                        blank=True,
                        default=list,
                        size=None,
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
                "ordering": ["-is_builtin", "name"],
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="ProjectMembership",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("creator", "Created the organization"),
                            ("default", "Joined by default at sign-up"),
                            ("invitation", "Accepted an invitation"),
                            ("manual", "Added by hand"),
                            ("operator", "Added by an operator"),
                            ("scim", "Provisioned by SCIM"),
                            ("sso", "First single sign-on"),
                        ],
                        default="manual",
                        editable=False,
                        max_length=12,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "membership",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="project_memberships",
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
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="project_memberships",
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
            ],
            options={
                "verbose_name": "project role",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.AddField(
            model_name="organization",
            name="default_role",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                help_text="What an invitation or a first sign-in gives when nobody chose a role.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="tenants.role",
            ),
        ),
        migrations.AddField(
            model_name="membership",
            name="role",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="tenants.role",
            ),
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "email",
                    models.EmailField(max_length=254, verbose_name="e-mail address"),
                ),
                ("token_digest", models.BinaryField(max_length=32, unique=True)),
                (
                    "created_at",
                    models.DateTimeField(auto_now_add=True, verbose_name="invited"),
                ),
                (
                    "sent_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now,
                        editable=False,
                        verbose_name="last sent",
                    ),
                ),
                ("expires_at", models.DateTimeField(editable=False)),
                ("accepted_at", models.DateTimeField(editable=False, null=True)),
                ("revoked_at", models.DateTimeField(editable=False, null=True)),
                (
                    "invited_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
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
                    "project",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        help_text="Optionally, a project in which the person gets another role.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.project",
                    ),
                ),
                (
                    "project_role",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.role",
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
            ],
            options={
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="GroupRole",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "group",
                    models.ForeignKey(
                        db_constraint=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="roles",
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
                    "project",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        help_text="Empty: the role counts in the whole organization.",
                        null=True,
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
            ],
            options={
                "verbose_name": "group role",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="GroupMember",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "group",
                    models.ForeignKey(
                        db_constraint=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="members",
                        to="tenants.group",
                    ),
                ),
                (
                    "membership",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="groups",
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
                "verbose_name": "group member",
                "abstract": False,
                "default_permissions": (),
                "base_manager_name": "objects",
                "indexes": [
                    models.Index(
                        fields=["organization", "group"],
                        name="tenants_groupmember_of_group",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "membership", "group"),
                        name="tenants_groupmember_once",
                        violation_error_message="This member is already in the group.",
                    )
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="group",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="tenants_group_in_organization"),
        ),
        migrations.AddConstraint(
            model_name="group",
            constraint=models.UniqueConstraint(
                models.F("organization"),
                django.db.models.functions.text.Lower("name"),
                name="tenants_group_name",
                violation_error_message="There is already a group with this name.",
            ),
        ),
        migrations.AddConstraint(
            model_name="project",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="tenants_project_in_organization"),
        ),
        migrations.AddConstraint(
            model_name="project",
            constraint=models.UniqueConstraint(
                fields=("organization", "slug"),
                name="tenants_project_slug",
                violation_error_message="There is already a project with this identifier.",
            ),
        ),
        migrations.AlterUniqueTogether(
            name="projectgroupgrant",
            unique_together={("organization", "group", "permission", "content_object")},
        ),
        migrations.AlterUniqueTogether(
            name="projectusergrant",
            unique_together={("organization", "user", "permission", "content_object")},
        ),
        migrations.AddConstraint(
            model_name="role",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="tenants_role_in_organization"),
        ),
        migrations.AddConstraint(
            model_name="role",
            constraint=models.UniqueConstraint(fields=("organization", "key"), name="tenants_role_key"),
        ),
        migrations.AddConstraint(
            model_name="role",
            constraint=models.UniqueConstraint(
                models.F("organization"),
                django.db.models.functions.text.Lower("name"),
                name="tenants_role_name",
                violation_error_message="There is already a role with this name.",
            ),
        ),
        migrations.AddIndex(
            model_name="projectmembership",
            index=models.Index(
                fields=["organization", "membership"],
                name="tenants_projectmembership_of",
            ),
        ),
        migrations.AddConstraint(
            model_name="projectmembership",
            constraint=models.UniqueConstraint(
                fields=("organization", "project", "membership"),
                name="tenants_projectmembership_once",
                violation_error_message="This member already has a role in this project.",
            ),
        ),
        migrations.AddIndex(
            model_name="membership",
            index=models.Index(
                fields=["organization", "-created_at", "-id"],
                name="tenants_membership_newest",
            ),
        ),
        migrations.AddIndex(
            model_name="membership",
            index=models.Index(fields=["organization", "role"], name="tenants_membership_role"),
        ),
        migrations.AddIndex(
            model_name="membership",
            index=models.Index(fields=["user"], name="tenants_membership_of_user"),
        ),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.UniqueConstraint(
                fields=("organization", "id"), name="tenants_membership_in_organization"
            ),
        ),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.UniqueConstraint(fields=("organization", "user"), name="tenants_membership_user"),
        ),
        migrations.AddIndex(
            model_name="invitation",
            index=models.Index(
                fields=["organization", "-created_at", "-id"],
                name="tenants_invitation_newest",
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.UniqueConstraint(
                models.F("organization"),
                django.db.models.functions.text.Lower("email"),
                condition=models.Q(("accepted_at", None), ("revoked_at", None)),
                name="tenants_invitation_open",
                violation_error_message="This address already has an open invitation.",
            ),
        ),
        migrations.AddConstraint(
            model_name="grouprole",
            constraint=models.UniqueConstraint(
                fields=("organization", "group", "project"),
                name="tenants_grouprole_once",
                nulls_distinct=False,
                violation_error_message="The group already has a role there.",
            ),
        ),
    ]
