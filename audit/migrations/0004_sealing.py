"""Leaves, tree, checkpoints and signing keys."""

from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).with_name("sealing.sql")
TABLES = "audit_witness, audit_verification, audit_checkpoint, audit_node, audit_leaftext, audit_leaf, audit_signingkey, audit_sealer"
REVERSE = f"""
DROP FUNCTION audit_ensure_leaftext_partitions();
DROP TABLE {TABLES};
REVOKE SELECT ON audit_event FROM gatehouse_sealer;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_vault_governed")]

    operations = [migrations.RunSQL(SQL.read_text(), REVERSE, state_operations=[])]
