"""Tenancy in the database: forced row-level security, composite foreign keys, no change without an event, lookups."""

from pathlib import Path

from django.db import migrations

from audit.operations import RequireAuditEvent
from isolation.operations import (
    CompositeForeignKey,
    ForceRowLevelSecurity,
    LookupFunctions,
)

HERE = Path(__file__).parent
TABLES = (
    "tenants_project",
    "tenants_role",
    "tenants_membership",
    "tenants_projectmembership",
    "tenants_group",
    "tenants_groupmember",
    "tenants_grouprole",
    "tenants_invitation",
    "tenants_projectusergrant",
    "tenants_projectgroupgrant",
)
FOREIGN_KEYS = (
    ("tenants_membership", "role_id", "tenants_role"),
    ("tenants_projectmembership", "project_id", "tenants_project"),
    ("tenants_projectmembership", "membership_id", "tenants_membership"),
    ("tenants_projectmembership", "role_id", "tenants_role"),
    ("tenants_groupmember", "group_id", "tenants_group"),
    ("tenants_groupmember", "membership_id", "tenants_membership"),
    ("tenants_grouprole", "group_id", "tenants_group"),
    ("tenants_grouprole", "role_id", "tenants_role"),
    ("tenants_grouprole", "project_id", "tenants_project"),
    ("tenants_invitation", "role_id", "tenants_role"),
    ("tenants_invitation", "project_id", "tenants_project"),
    ("tenants_invitation", "project_role_id", "tenants_role"),
    ("tenants_projectusergrant", "project_id", "tenants_project"),
    ("tenants_projectgroupgrant", "project_id", "tenants_project"),
    ("tenants_projectgroupgrant", "group_id", "tenants_group"),
)
DEFAULT_ROLE = """
ALTER TABLE tenants_organization ADD CONSTRAINT tenants_organization_default_role_same_organization
    FOREIGN KEY (id, default_role_id) REFERENCES tenants_role (organization_id, id) DEFERRABLE INITIALLY DEFERRED;
"""
LOOKUPS = (
    "tenants_memberships_of(uuid)",
    "tenants_organization_id_of(text)",
    "tenants_invitation_by_digest(bytea)",
    "tenants_open_invitations(text)",
    "tenants_move_project(uuid, uuid, uuid)",
)


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0001_initial"),
        ("accounts", "0001_initial"),
        ("audit", "0001_initial"),
    ]
    operations = [
        # Keys first: PostgreSQL validates a new one as the tables' owner, whom forced row-level security binds.
        *(CompositeForeignKey(table, column, parent) for table, column, parent in FOREIGN_KEYS),
        migrations.RunSQL(
            DEFAULT_ROLE,
            "ALTER TABLE tenants_organization DROP CONSTRAINT tenants_organization_default_role_same_organization;",
        ),
        ForceRowLevelSecurity("tenants_organization", column="id"),
        *(ForceRowLevelSecurity(table) for table in TABLES),
        RequireAuditEvent("tenants_organization", column="id"),
        *(RequireAuditEvent(table) for table in TABLES),
        RequireAuditEvent("tenants_installationsettings", column=None),
        LookupFunctions((HERE / "lookups.sql").read_text(), LOOKUPS),
        migrations.RunSQL(
            (HERE / "authority.sql").read_text(),
            "DROP FUNCTION tenants_authority(uuid, uuid);",
        ),
    ]
