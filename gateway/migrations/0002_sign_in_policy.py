"""Verification follows the sign-in policy: personal keys of who has to come by single sign-on, and from where."""

from pathlib import Path

from django.db import migrations

HERE = Path(__file__).parent
ANNOUNCED = (
    ("accounts_signinpolicy", "org", "organization_id"),
    ("accounts_signinexception", "org", "organization_id"),
    ("tenants_domain", "org", "organization_id"),
)
# A sign-in or a fresh set of keys says nothing new.
ANNOUNCED_COLUMNS = (
    ("accounts_ssoidentity", "org", "organization_id", "connection_id, issuer, subject, membership_id"),
    ("accounts_ssoconnection", "org", "organization_id", "issuer, is_enabled"),
)


def triggers() -> str:
    """Return the statements that put the triggers on the tables."""
    tables = [*((*row, "") for row in ANNOUNCED), *ANNOUNCED_COLUMNS]
    return "".join(
        f"""
        CREATE TRIGGER gateway_announce
            AFTER INSERT OR DELETE OR UPDATE {f"OF {columns}" if columns else ""} ON {table}
            FOR EACH ROW EXECUTE FUNCTION gateway_announce('{word}', '{column}');
        """
        for table, word, column, columns in tables
    )


def without_triggers() -> str:
    """Return the statements that take them away again."""
    return "".join(f"DROP TRIGGER gateway_announce ON {row[0]};" for row in (*ANNOUNCED, *ANNOUNCED_COLUMNS))


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0001_verification"),
        ("accounts", "0007_sign_in_policy"),
    ]
    operations = [
        migrations.RunSQL((HERE / "verification.sql").read_text(encoding="utf-8"), migrations.RunSQL.noop),
        migrations.RunSQL(triggers(), without_triggers()),
    ]
