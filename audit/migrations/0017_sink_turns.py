"""Organizations take turns, however many sinks each has; no sink waits for a moment that a wrong clock has set."""

from pathlib import Path

from django.db import migrations

HERE = Path(__file__).parent
AS_OWNER = "SET LOCAL ROLE gatehouse_lookup;\n{};\nSET LOCAL ROLE gatehouse_owner;"
_BEGINNING, _END = "CREATE FUNCTION audit_claim_sink", "-- Lets a new sink"


def _before() -> str:
    whole = (HERE / "sinks.sql").read_text()
    function = whole[whole.index(_BEGINNING) : whole.index(_END)]
    return function.strip().removesuffix(";").replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0016_sink_fields"),
    ]

    operations = [
        migrations.RunSQL(
            AS_OWNER.format((HERE / "sink_turns.sql").read_text().strip().removesuffix(";")),
            AS_OWNER.format(_before()),
        ),
    ]
