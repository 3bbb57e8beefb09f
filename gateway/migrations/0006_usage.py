"""How limits are counted and usage is written."""

import uuid
from pathlib import Path

import django.contrib.postgres.functions
from django.db import migrations, models

from isolation.operations import ForceRowLevelSecurity, LookupFunctions

HERE = Path(__file__).parent
COUNTING = (
    "gateway_counted(uuid, jsonb, integer)",
    "gateway_settle(uuid, jsonb)",
    "gateway_lease(uuid, jsonb)",
    "gateway_used_by(uuid, text, text, boolean, text, timestamptz)",
    "gateway_used(uuid, text, text, boolean, text, timestamptz)",
)
USAGE = ("gateway_add_usage(jsonb)", "gateway_forget_usage(interval)")
TABLES = """
-- After a crash of the server counting begins anew; days and months go on from the hours that are written. The spare
-- room lets each update stay on its page (HOT).
ALTER TABLE gateway_usagecounter SET UNLOGGED;
ALTER TABLE gateway_usagecounter SET (fillfactor = 50);
ALTER TABLE gateway_usageslot SET UNLOGGED;
-- Which batches of figures have arrived.
CREATE TABLE gateway_usagebatch (id uuid PRIMARY KEY, written_at timestamptz NOT NULL DEFAULT now());
GRANT SELECT, INSERT, DELETE ON gateway_usagehour TO gatehouse_lookup;
GRANT UPDATE (requests, input_tokens, cached_tokens, output_tokens, cost) ON gateway_usagehour TO gatehouse_lookup;
GRANT SELECT, INSERT, DELETE ON gateway_usagebatch TO gatehouse_lookup;
GRANT SELECT, DELETE ON gateway_usagecounter, gateway_usageslot, gateway_usagenotice TO gatehouse_lookup;
REVOKE ALL ON gateway_usagebatch FROM gatehouse_app, gatehouse_operator;
"""
WITHOUT_TABLES = """
REVOKE ALL ON gateway_usagehour FROM gatehouse_lookup;
DROP TABLE gateway_usagebatch;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0005_credentials"),
    ]

    operations = [
        migrations.CreateModel(
            name="UsageCounter",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        default=uuid.uuid4,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("organization_id", models.UUIDField(editable=False)),
                ("limit_id", models.UUIDField(editable=False)),
                ("subject", models.CharField(editable=False, max_length=120)),
                ("started_at", models.DateTimeField(editable=False)),
                ("used", models.BigIntegerField(editable=False)),
            ],
            options={
                "default_permissions": (),
                "base_manager_name": "objects",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization_id", "limit_id", "subject"), name="gateway_usagecounter_one"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="UsageSlot",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        default=uuid.uuid4,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("organization_id", models.UUIDField(editable=False)),
                ("limit_id", models.UUIDField(editable=False)),
                ("subject", models.CharField(editable=False, max_length=120)),
                ("slot", models.CharField(editable=False, max_length=40)),
                ("expires_at", models.DateTimeField(editable=False)),
            ],
            options={
                "default_permissions": (),
                "base_manager_name": "objects",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization_id", "limit_id", "subject", "slot"), name="gateway_usageslot_one"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="UsageNotice",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField(editable=False)),
                ("limit_id", models.UUIDField(editable=False)),
                ("subject", models.CharField(editable=False, max_length=120)),
                ("started_at", models.DateTimeField(editable=False)),
                ("percent", models.PositiveSmallIntegerField(editable=False)),
            ],
            options={
                "default_permissions": (),
                "base_manager_name": "objects",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization_id", "limit_id", "subject", "started_at", "percent"),
                        name="gateway_usagenotice_one",
                    )
                ],
            },
        ),
        ForceRowLevelSecurity("gateway_usagenotice"),
        ForceRowLevelSecurity("gateway_usagecounter"),
        ForceRowLevelSecurity("gateway_usageslot"),
        migrations.RunSQL(TABLES, WITHOUT_TABLES),
        migrations.RunSQL(
            (HERE / "counting.sql").read_text(encoding="utf-8"),
            "".join(f"DROP FUNCTION {signature};" for signature in COUNTING),
        ),
        LookupFunctions((HERE / "usage.sql").read_text(encoding="utf-8"), USAGE),
    ]
