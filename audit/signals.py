"""The signal that carries a change to the audit log."""

from typing import Any
from uuid import UUID

from django.db import models
from django.dispatch import Signal

from isolation.actor import Actor


class ChangeSignal(Signal):
    """A domain signal that a service sends inside the transaction of its change.

    The app's `audit_events.py` ties it to an `Action` of the catalogue. A receiver that raises rolls the change back:
    no event, no change.
    """

    def announce(
        self,
        target: models.Model,
        *,
        actor: Actor,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
        project: models.Model | None = None,
        organization_id: UUID | None = None,
        reason: str = "",
    ) -> None:
        """Tell that `target` changed.

        Args:
            target: the row that changed; its text is frozen into the event.
            actor: who did it.
            before: `redaction.snapshot` of the target before, None when it is new.
            after: the snapshot after, None when it is gone.
            project: the project that the change happened in, if any.
            organization_id: overrides the organization that the target names itself.
            reason: why, in the actor's words.
        """
        self.send(
            sender=type(target),
            target=target,
            actor=actor,
            before=before,
            after=after,
            project=project,
            organization_id=organization_id,
            reason=reason,
        )


saved_search_created = ChangeSignal()
saved_search_updated = ChangeSignal()
saved_search_deleted = ChangeSignal()

retention_announced = ChangeSignal()
legal_hold_set = ChangeSignal()
legal_hold_released = ChangeSignal()
erasure_requested = ChangeSignal()
erasure_cancelled = ChangeSignal()
deleted_log_opened = ChangeSignal()
sink_created = ChangeSignal()
sink_updated = ChangeSignal()
sink_deleted = ChangeSignal()
sink_paused = ChangeSignal()
sink_resumed = ChangeSignal()
sink_replayed = ChangeSignal()
sink_tested = ChangeSignal()
sink_secret_rotated = ChangeSignal()
redaction_changed = ChangeSignal()
dead_letters_retried = ChangeSignal()
dead_letters_dismissed = ChangeSignal()
evidence_export_requested = ChangeSignal()
evidence_export_completed = ChangeSignal()
evidence_export_failed = ChangeSignal()
evidence_export_downloaded = ChangeSignal()
evidence_export_canceled = ChangeSignal()
evidence_export_deleted = ChangeSignal()
evidence_export_expired = ChangeSignal()

alert_acknowledged = ChangeSignal()
alert_rule_updated = ChangeSignal()
alert_rule_reset = ChangeSignal()
alert_rule_muted = ChangeSignal()
alert_rule_unmuted = ChangeSignal()
alert_channel_created = ChangeSignal()
alert_channel_updated = ChangeSignal()
alert_channel_deleted = ChangeSignal()
alert_channel_tested = ChangeSignal()

cosigning_key_created = ChangeSignal()
cosigner_added = ChangeSignal()
cosigner_removed = ChangeSignal()
witnessed_log_added = ChangeSignal()
witnessed_log_updated = ChangeSignal()
witnessed_log_removed = ChangeSignal()

verification_failed = Signal()
"""A log is not what was sealed. Sends: organization_id (UUID, None for the installation's log; its scope is open),
problems (list of sentences)."""
unattributed_changes_found = Signal()
"""Changes that carry no event were written into a log. Sends: organization_id (None: the installation's), findings.

The transaction of the events is open, and so is the organization's scope.
"""

sink_failing = Signal()
"""A sink receives no events. Sends: cursor (`SinkCursor`; its organization's scope is open), reason (a sentence)."""
sink_missed_events = Signal()
"""Events were gone from the log before a sink could receive them. Sends the same."""
