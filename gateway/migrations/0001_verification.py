"""What verification asks the database, and what the database announces so that memory may be trusted."""

from pathlib import Path

from django.db import migrations

HERE = Path(__file__).parent
USE = ("last_used_at", "last_used_ip", "expiry_warned_at")
# Table, what is announced about a row (word and column), which updates of it say nothing new.
ANNOUNCED = (
    ("accounts_apikey", ("key", "id"), USE),
    ("accounts_apikeysecret", ("key", "api_key_id"), ()),
    ("accounts_platformkey", ("key", "id"), USE),
    ("accounts_serviceaccount", ("account", "id"), ("name", "description")),
    ("accounts_serviceaccountprojectrole", ("account", "account_id"), ()),
    ("accounts_user", ("user", "id"), ("password", "last_login", "name", "email", "is_operator")),
    ("tenants_membership", ("user", "user_id"), ()),
    ("tenants_projectmembership", ("org", "organization_id"), ()),
    ("tenants_projectusergrant", ("user", "user_id"), ()),
    ("tenants_projectgroupgrant", ("org", "organization_id"), ()),
    ("tenants_role", ("org", "organization_id"), ()),
    ("tenants_group", ("org", "organization_id"), ()),
    ("tenants_groupmember", ("org", "organization_id"), ()),
    ("tenants_grouprole", ("org", "organization_id"), ()),
    ("tenants_project", ("org", "organization_id"), ()),
    ("tenants_organization", ("org", "id"), ()),
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
    initial = True
    dependencies = [
        ("accounts", "0002_keys"),
        ("tenants", "0005_api_key_lifetime"),
    ]
    operations = [
        migrations.RunSQL(
            (HERE / "verification.sql").read_text(encoding="utf-8"), "DROP FUNCTION gateway_key(bytea[], text);"
        ),
        migrations.RunSQL(
            (HERE / "announcements.sql").read_text(encoding="utf-8"), "DROP FUNCTION gateway_announce();"
        ),
        migrations.RunSQL(triggers(), without_triggers()),
    ]
