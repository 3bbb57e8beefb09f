"""The table of wrapped data keys, and the question which key-encryption keys are in use."""

import uuid

import django.utils.timezone
from django.db import migrations, models

from isolation.operations import ForceRowLevelSecurity, LookupFunctions

# One example for each number, so that a key of the right number and the wrong bytes is noticed at once.
KEYS_IN_USE = """
CREATE FUNCTION vault_keys_in_use()
RETURNS TABLE (wrapped_by smallint, data_keys bigint, organization_id uuid, id uuid, wrapped bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT counted.wrapped_by, counted.data_keys, sample.organization_id, sample.id, sample.wrapped
    FROM (SELECT d.wrapped_by, count(*) AS data_keys FROM vault_datakey d GROUP BY d.wrapped_by) AS counted
    CROSS JOIN LATERAL (
        SELECT d.organization_id, d.id, d.wrapped FROM vault_datakey d WHERE d.wrapped_by = counted.wrapped_by LIMIT 1
    ) AS sample
    ORDER BY counted.wrapped_by
$$;
GRANT SELECT ON vault_datakey TO gatehouse_lookup;
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="DataKey",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField(editable=False)),
                ("version", models.PositiveIntegerField(editable=False)),
                ("wrapped", models.BinaryField()),
                (
                    "wrapped_by",
                    models.PositiveSmallIntegerField(editable=False, verbose_name="key-encryption key"),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "rotation",
                    models.DateTimeField(editable=False, null=True, verbose_name="start of the rotation that made it"),
                ),
                ("retired_at", models.DateTimeField(editable=False, null=True)),
            ],
            options={
                "verbose_name": "data key",
                "ordering": ["organization_id", "version"],
                "base_manager_name": "objects",
                "default_permissions": (),
                "indexes": [models.Index(fields=["wrapped_by"], name="vault_datakey_wrapped_by")],
                "constraints": [
                    models.UniqueConstraint(fields=("organization_id", "version"), name="vault_datakey_version"),
                    models.UniqueConstraint(
                        condition=models.Q(("retired_at", None)),
                        fields=("organization_id",),
                        name="vault_datakey_one_active",
                    ),
                ],
            },
        ),
        ForceRowLevelSecurity("vault_datakey"),
        LookupFunctions(KEYS_IN_USE, ["vault_keys_in_use()"]),
    ]
