"""What the tests of isolation walk: every tenant model and what the database's own catalogue says."""

from importlib import import_module
from typing import Any

from django.apps import apps

from isolation.managers import tenant_column

TENANT_MODELS: list[Any] = sorted(
    (model for model in apps.get_models() if tenant_column(model)), key=lambda model: model._meta.db_table
)
# The running roles only read these: the sealer alone writes.
SEALED_TABLES = frozenset(
    {
        "audit_checkpoint",
        "audit_cosignature",
        "audit_cosigning",
        "audit_leaf",
        "audit_leaftext",
        "audit_node",
        "audit_receipt",
        "audit_verification",
    }
)
# The running roles add to these and delete nothing; what little they change is in tests/audit/retention.
KEPT_TABLES = frozenset({"audit_deletedlog", "audit_erasurerequest", "audit_legalhold", "audit_retentionchange"})
TENANT_TABLES = [model._meta.db_table for model in TENANT_MODELS]
_KEYS = import_module("accounts.migrations.0002_keys")
FOREIGN_KEYS: tuple[tuple[str, str, str], ...] = (
    *import_module("tenants.migrations.0002_isolation").FOREIGN_KEYS,
    *_KEYS.FOREIGN_KEYS,
    *_KEYS.FOLLOWING,
    *import_module("accounts.migrations.0004_scim").FOREIGN_KEYS,
    ("audit_sinkcursor", "sink_id", "audit_sink"),
    ("audit_deadletter", "sink_id", "audit_sink"),
    ("audit_sinkhour", "sink_id", "audit_sink"),
    ("audit_alertnotice", "alert_id", "audit_alert"),
    ("audit_alertnotice", "channel_id", "audit_alertchannel"),
    ("gateway_providercredential", "project_id", "tenants_project"),
    ("audit_witnessedorigin", "witnessed_log_id", "audit_witnessedlog"),
)
