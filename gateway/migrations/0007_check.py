"""What the check of LLM requests asks the database, and how it writes when credentials were last used."""

from pathlib import Path

from django.db import migrations

from isolation.operations import LookupFunctions

HERE = Path(__file__).parent
LOOKUPS = ("gateway_touch_credentials(uuid[], timestamptz[], text[])",)


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0006_usage"),
        ("accounts", "0007_sign_in_policy"),
    ]

    operations = [
        migrations.RunSQL(
            (HERE / "check.sql").read_text(encoding="utf-8"),
            "DROP FUNCTION gateway_tell_refusals(jsonb); DROP FUNCTION gateway_actor(uuid, uuid, uuid, text);"
            " DROP FUNCTION gateway_place(uuid, uuid);",
        ),
        migrations.RunSQL(
            "GRANT SELECT (id, last_used_at), UPDATE (last_used_at, last_used_by) ON gateway_providercredential TO gatehouse_lookup;",
            "REVOKE SELECT (id, last_used_at), UPDATE (last_used_at, last_used_by) ON gateway_providercredential FROM gatehouse_lookup;",
        ),
        LookupFunctions((HERE / "credential_uses.sql").read_text(encoding="utf-8"), LOOKUPS),
    ]
