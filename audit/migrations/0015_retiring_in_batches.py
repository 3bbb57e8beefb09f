"""A log-month is retired in batches."""

from pathlib import Path

from django.db import migrations

from audit.operations import AsAuditOwner

HERE = Path(__file__).parent
_RETENTION = (HERE / "retention.sql").read_text()
_WHOLE_MONTHS = _RETENTION[
    _RETENTION.index("-- Which events of a month may be retired now") : _RETENTION.index(
        "-- An event of the log about itself"
    )
]
REVERSE = f"""
DROP FUNCTION audit_retire(uuid, date, integer, integer, text, bigint, bigint);
DROP FUNCTION audit_retirable(uuid, date, integer, integer, bigint, bigint);
{_WHOLE_MONTHS}
GRANT EXECUTE ON FUNCTION audit_retirable(uuid, date, integer, integer),
    audit_retire(uuid, date, integer, integer, text) TO gatehouse_sealer;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0014_cosigning"),
    ]

    operations = [AsAuditOwner([migrations.RunSQL((HERE / "retiring.sql").read_text(), REVERSE)])]
