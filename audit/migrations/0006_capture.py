"""Writes that carry no event are kept; the log's tables belong to gatehouse_audit."""

import uuid
from pathlib import Path

import django.contrib.postgres.fields
import django.utils.timezone
from django.db import migrations, models

HERE = Path(__file__).parent
# The function that judged row by row, as 0001 made it.
_BEFORE, _, ROW_BY_ROW = (HERE / "events.sql").read_text().partition("-- No event, no change")
TAKE_OVER = """
DO $$
DECLARE
    governed record;
BEGIN
    FOR governed IN SELECT * FROM audit_governed() LOOP
        PERFORM audit_ungovern(governed.table_name);
        EXECUTE format(
            'CREATE CONSTRAINT TRIGGER audit_event_required AFTER INSERT OR UPDATE%s OR DELETE ON public.%I'
            ' DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_require_event(%s)',
            CASE governed.watched WHEN '' THEN '' ELSE ' OF ' || governed.watched END, governed.table_name,
            CASE governed.organization_column WHEN '' THEN '' ELSE quote_literal(governed.organization_column) END);
    END LOOP;
END $$;
DROP FUNCTION audit_govern(text, text, text, text);
DROP FUNCTION audit_ungovern(text);
DROP FUNCTION audit_governed();
"""
# What gatehouse_audit owns it keeps: only a superuser could hand it back.
UNCAPTURE = """
SET LOCAL ROLE gatehouse_audit;
DROP TABLE audit_pendingchange;
DROP FUNCTION audit_judge_change();
DROP FUNCTION audit_sweep_pending();
DROP FUNCTION audit_logs_with_unreported_changes();
DROP FUNCTION audit_unreported_changes(uuid);
DROP FUNCTION audit_report_changes(uuid[], uuid);
DROP FUNCTION audit_note_schema(text, text[], text);
DROP TABLE audit_unattributedchange;
DROP FUNCTION audit_keep_unattributed();
CREATE INDEX audit_event_xid ON audit_event (xid);
DROP INDEX audit_event_xid_target;
ALTER POLICY append ON audit_event
    WITH CHECK (CASE WHEN organization_id IS NULL THEN true
                     ELSE organization_id = current_setting('app.organization')::uuid END);
DO $$
DECLARE
    written text := (
        SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
        WHERE attrelid = 'audit_event'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'xid');
BEGIN
    EXECUTE format('REVOKE INSERT (%s) ON audit_event FROM gatehouse_app, gatehouse_owner', written);
END $$;
REVOKE SELECT ON audit_event FROM gatehouse_owner;
GRANT INSERT ON audit_event TO gatehouse_app;
GRANT SELECT ON audit_event TO gatehouse_lookup;
SET LOCAL ROLE gatehouse_owner;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0005_sealing")]

    operations = [
        migrations.RunSQL((HERE / "capture_handover.sql").read_text(), migrations.RunSQL.noop),
        migrations.RunSQL(
            "SET LOCAL ROLE gatehouse_audit;\n"
            + (HERE / "capture.sql").read_text()
            + "SET LOCAL ROLE gatehouse_owner;\n",
            UNCAPTURE,
            state_operations=[
                migrations.CreateModel(
                    name="UnattributedChange",
                    fields=[
                        (
                            "id",
                            models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                        ),
                        ("time", models.DateTimeField(default=django.utils.timezone.now)),
                        ("organization_id", models.UUIDField(null=True)),
                        (
                            "why",
                            models.CharField(
                                choices=[
                                    ("no_event", "The transaction wrote no event"),
                                    ("not_named", "No event of the transaction names it"),
                                    ("schema", "The schema was changed outside a migration"),
                                ],
                                max_length=12,
                            ),
                        ),
                        ("table_name", models.CharField(max_length=200, verbose_name="table")),
                        ("operation", models.CharField(max_length=40)),
                        ("rows", models.BigIntegerField(null=True)),
                        (
                            "keys",
                            django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None),
                        ),
                        ("database_user", models.CharField(max_length=63)),
                        ("database_role", models.CharField(max_length=63)),
                        ("application_name", models.CharField(max_length=200)),
                        ("client_address", models.GenericIPAddressField(null=True)),
                        ("transaction_id", models.BigIntegerField(verbose_name="transaction")),
                        ("event_id", models.UUIDField(null=True)),
                    ],
                    options={
                        "base_manager_name": "objects",
                        "ordering": ["-time", "-id"],
                        "default_permissions": (),
                        "indexes": [
                            models.Index(fields=["organization_id", "-time", "-id"], name="audit_unattributed_newest"),
                            models.Index(fields=["-time", "-id"], name="audit_unattributed_anywhere"),
                            models.Index(
                                condition=models.Q(("event_id", None)),
                                fields=["organization_id"],
                                name="audit_unattributed_new",
                            ),
                        ],
                    },
                ),
            ],
        ),
        migrations.RunSQL((HERE / "governing.sql").read_text(), TAKE_OVER),
        migrations.RunSQL((HERE / "capture_takeover.sql").read_text(), migrations.RunSQL.noop),
        migrations.RunSQL(
            "SET LOCAL ROLE gatehouse_lookup; DROP FUNCTION audit_require_event(); SET LOCAL ROLE gatehouse_owner;",
            f"--{ROW_BY_ROW}",
        ),
    ]
