"""Second factors are governed, hold sealed secrets only, and show the operator's role that there are some."""

from django.db import migrations

from audit.operations import RequireAuditEvent

# As accounts.mfa.sealing writes them, whoever else writes.
SEALED = """
ALTER TABLE mfa_authenticator ADD CONSTRAINT mfa_authenticator_sealed CHECK (
    coalesce(data ->> 'secret' LIKE 'sealed:%', true)
    AND coalesce(data ->> 'seed' LIKE 'sealed:%', true)
    AND NOT jsonb_path_exists(coalesce(data -> 'migrated_codes', '[]'), '$[*] ? (!(@ starts with "sealed:"))')
);
REVOKE SELECT ON mfa_authenticator FROM gatehouse_operator;
GRANT SELECT (id, user_id, type, created_at, last_used_at) ON mfa_authenticator TO gatehouse_operator;
"""
UNSEALED = """
ALTER TABLE mfa_authenticator DROP CONSTRAINT mfa_authenticator_sealed;
GRANT SELECT ON mfa_authenticator TO gatehouse_operator;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_saml"),
        ("mfa", "0003_authenticator_type_uniq"),
    ]

    operations = [
        migrations.RunSQL(SEALED, UNSEALED),
        # Being used is no change.
        RequireAuditEvent("mfa_authenticator", column=None, watched="user_id, type, data"),
    ]
