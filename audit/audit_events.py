"""The audited actions of this app itself."""

from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

from isolation.actor import Actor
from vault import signals as vault

from . import signals
from .alerts import actions  # noqa: F401 - registers what evaluation writes
from .catalogue import Action, catalogue
from .cosigning import actions as cosigning_actions  # noqa: F401 - the same of witnessing
from .recorder import record, record_reencryption, records

AUDIT_LOG_EXPORTED = catalogue.add(Action("audit_log.exported", "Exported the audit log"))
AUDIT_LOG_PULLED = catalogue.add(
    Action("audit_log.pulled", "Pulled the audit log (once a day)", sentence="pulled the audit log, first today")
)
_DAY = 86_400

# The vault lies below this app, so that its data keys are governed from here.
records(vault.data_key_created, "data_key.created", "Made the organization's first data key")
records(vault.data_keys_rewrapped, "data_key.rewrapped", "Wrapped a data key under another key-encryption key")
records(vault.data_key_rotated, "data_key.rotated", "Changed the data key and encrypted all secrets again")
records(vault.data_key_retired, "data_key.retired", "Retired a data key")
records(vault.data_key_destroyed, "data_key.destroyed", "Destroyed a data key")

records(signals.saved_search_created, "saved_search.created", "Saved a search", "saved the search {target}")
records(signals.saved_search_updated, "saved_search.updated", "Changed a saved search")
records(signals.saved_search_deleted, "saved_search.deleted", "Deleted a saved search", "deleted the search {target}")

records(signals.retention_announced, "retention.announced", "Changed how long the audit log is kept")
records(signals.legal_hold_set, "legal_hold.set", "Set a legal hold", "set the legal hold {target}")
records(signals.legal_hold_released, "legal_hold.released", "Released a legal hold", "released the legal hold {target}")
records(signals.erasure_requested, "erasure.requested", "Asked to erase a person from the audit log")
records(signals.erasure_cancelled, "erasure.cancelled", "Called off an erasure")
records(signals.deleted_log_opened, "deleted_log.opened", "Opened the log of a deleted organization")

vault.rows_reencrypted.connect(record_reencryption, dispatch_uid="audit:rows_reencrypted")
records(signals.sink_created, "sink.created", "Added a sink")
records(signals.sink_updated, "sink.updated", "Changed a sink")
records(signals.sink_deleted, "sink.deleted", "Removed a sink")
records(signals.sink_paused, "sink.paused", "Paused a sink", "paused the sink {target}")
records(signals.sink_resumed, "sink.resumed", "Resumed a sink", "resumed the sink {target}")
records(signals.sink_replayed, "sink.replayed", "Let a sink receive events again")
records(signals.sink_tested, "sink.tested", "Sent a test event to a sink", "sent a test event to the sink {target}")
records(signals.sink_secret_rotated, "sink.secret_rotated", "Changed a sink's signing secret")
records(signals.redaction_changed, "redaction.changed", "Changed what is withheld of events that leave")
records(signals.dead_letters_retried, "sink.dead_letters_retried", "Had refused events sent again")
records(signals.dead_letters_dismissed, "sink.dead_letters_dismissed", "Dismissed refused events")
records(
    signals.evidence_export_requested,
    "evidence_export.requested",
    "Requested an evidence export",
    "asked for an evidence export",
)
records(signals.evidence_export_completed, "evidence_export.completed", "Completed an evidence export")
records(signals.evidence_export_failed, "evidence_export.failed", "Could not complete an evidence export")
records(
    signals.evidence_export_downloaded,
    "evidence_export.downloaded",
    "Downloaded an evidence export",
    "downloaded the evidence export {target}",
)
records(signals.evidence_export_canceled, "evidence_export.canceled", "Canceled an evidence export")
records(signals.evidence_export_deleted, "evidence_export.deleted", "Deleted an evidence export")
records(signals.evidence_export_expired, "evidence_export.expired", "Deleted an evidence export that had expired")

records(signals.alert_acknowledged, "alert.acknowledged", "Acknowledged an alert", "acknowledged the alert {target}")
records(signals.alert_rule_updated, "alert_rule.updated", "Changed an alert rule", "changed the alert rule {target}")
records(signals.alert_rule_reset, "alert_rule.reset", "Set an alert rule back to its defaults")
records(signals.alert_rule_muted, "alert_rule.muted", "Muted an alert rule", "muted the alert rule {target}")
records(signals.alert_rule_unmuted, "alert_rule.unmuted", "Let an alert rule tell people again")
records(signals.alert_channel_created, "alert_channel.created", "Added an alert channel")
records(signals.alert_channel_updated, "alert_channel.updated", "Changed an alert channel")
records(signals.alert_channel_deleted, "alert_channel.deleted", "Removed an alert channel")
records(signals.alert_channel_tested, "alert_channel.tested", "Sent a test alert to a channel")

records(signals.cosigning_key_created, "cosigning_key.created", "Made the key that cosigns other logs")
records(signals.cosigner_added, "cosigner.added", "Lets another installation cosign the audit log")
records(signals.cosigner_removed, "cosigner.removed", "Asks a cosigner no more")
records(signals.witnessed_log_added, "witnessed_log.added", "Cosigns the audit log of another installation")
records(signals.witnessed_log_updated, "witnessed_log.updated", "Took a new key of an audit log that is cosigned here")
records(signals.witnessed_log_removed, "witnessed_log.removed", "Cosigns an audit log no more")


def record_export(actor: Actor, organization_id: UUID | None, told: dict[str, Any]) -> None:
    """Write that somebody takes events away.

    Args:
        actor: who.
        organization_id: whose log tells of it, None for the installation's.
        told: the format, the number of events, the filter.
    """
    record(
        AUDIT_LOG_EXPORTED,
        actor=actor,
        organization_id=organization_id,
        target_type="audit log",
        target_label="Audit log",
        after=told,
    )


def record_pull(actor: Actor, organization_id: UUID, after_seq: int) -> None:
    """Write that somebody pulls events, once for each actor and day: pollers ask all day long.

    Args:
        actor: who.
        organization_id: whose log; its scope is open.
        after_seq: the last number that they said to have, -1 for none.
    """
    known = f"audit-pull:{organization_id}:{actor.kind}:{actor.id}:{timezone.now():%Y%m%d}"
    if cache.get(known):
        return
    record(
        AUDIT_LOG_PULLED,
        actor=actor,
        organization_id=organization_id,
        target_type="audit log",
        target_label="Audit log",
        after={"after_seq": after_seq},
    )
    transaction.on_commit(lambda: cache.set(known, 1, _DAY))
